#include "bind/register.hpp"

void register_id_tracker(nb::module_ &m) { (void)m; }
