// Declares the class Codes8 of the scan family; bind/scan.cpp registers it.
#pragma once
#include <shared_mutex>

#include "bind/register.hpp"
#include "kernels/scan_codes.hpp"

// Codes shared between Python threads: searches read together, changes wait for them.
struct SharedCodes {
    edgeshard::Codes8 codes;
    std::shared_mutex mutex;

    SharedCodes(size_t dim, edgeshard::Isa isa) : codes(dim, isa) {}
};

void register_codes8(nb::module_& m);
