// Graph walks over compressed vectors (index/quantized/).
#pragma once
#include <memory>

#include "index/hnsw/scorer.hpp"

namespace edgeshard {

// A scorer over the records of a space, one per point; space.records must not be null.
std::unique_ptr<Scorer> record_scorer(const Space& space);

// A scorer over the codes made of the records for walks; space.walk_codes must not be null. For queries only.
std::unique_ptr<Scorer> walk_scorer(const Space& space);

}  // namespace edgeshard
