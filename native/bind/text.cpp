#include "bind/register.hpp"

void register_text(nb::module_ &m) { (void)m; }
