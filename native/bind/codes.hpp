// Declares the class Codes8 of the scan family; bind/scan.cpp registers it.
#pragma once
#include "bind/register.hpp"

void register_codes8(nb::module_& m);
