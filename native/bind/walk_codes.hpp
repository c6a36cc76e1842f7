// The class WalkCodes of Python: records laid out for graph walks (index/quantized/walk_codes.hpp).
#pragma once
#include <optional>

#include "bind/records.hpp"
#include "index/quantized/walk_codes.hpp"

namespace edgeshard {

struct PyWalkCodes {
    std::optional<Array> memory;  // what they lie in, unless they are their own
    quantized::WalkCodes codes;
};

void register_walk_codes(nb::module_& m);

}  // namespace edgeshard
