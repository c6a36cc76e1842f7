#include "bind/register.hpp"

void register_distance(nb::module_ &m) { (void)m; }
