#include "bind/register.hpp"

void register_sparse(nb::module_ &m) { (void)m; }
