#include "bind/register.hpp"

void register_quantization(nb::module_ &m) { (void)m; }
