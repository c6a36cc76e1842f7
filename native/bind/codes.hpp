// Declares the class Codes8 of the scan family; bind/scan.cpp registers it.
#pragma once
#include <shared_mutex>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/register.hpp"
#include "kernels/scan_codes.hpp"

// Codes shared between Python threads: searches read together, changes wait for them.
struct SharedCodes {
    edgeshard::Codes8 codes;
    std::shared_mutex mutex;
    std::vector<edgeshard::Array> borrowed;  // memory the codes lie in, if it is not their own

    SharedCodes(size_t dim, edgeshard::Isa isa) : codes(dim, isa) {}
};

void register_codes8(nb::module_& m);
