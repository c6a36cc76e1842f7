// Graph walks over compressed vectors (index/quantized/).
#pragma once
#include <memory>

#include "index/hnsw/scorer.hpp"

namespace edgeshard {

// A scorer over the records of a space, one per point; space.records must not be null.
std::unique_ptr<Scorer> record_scorer(const Space& space);

}  // namespace edgeshard
