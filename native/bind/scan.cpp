#include "bind/register.hpp"

void register_scan(nb::module_ &m) { (void)m; }
