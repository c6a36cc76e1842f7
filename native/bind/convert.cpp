#include "bind/register.hpp"

void register_convert(nb::module_ &m) { (void)m; }
