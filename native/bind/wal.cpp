#include "bind/register.hpp"

void register_wal(nb::module_ &m) { (void)m; }
