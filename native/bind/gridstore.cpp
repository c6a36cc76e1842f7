#include "bind/register.hpp"

void register_gridstore(nb::module_ &m) { (void)m; }
