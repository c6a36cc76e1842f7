#include "bind/register.hpp"

void register_hnsw(nb::module_ &m) { (void)m; }
