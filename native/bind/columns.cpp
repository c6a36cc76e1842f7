#include "bind/register.hpp"

void register_columns(nb::module_ &m) { (void)m; }
