#include "bind/register.hpp"

void register_numeric_codec(nb::module_ &m) { (void)m; }
