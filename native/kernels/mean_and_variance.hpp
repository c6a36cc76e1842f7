// Mean and sample variance in one pass, in single precision (B. P. Welford, "Note on a method for calculating corrected
// sums of squares and products", 1962).
//
// Scores that differ in their last digits have a variance that is all rounding: who wants the same answers from it has
// to round as Qdrant does, step by step.
#pragma once
#include <cstddef>
#include <span>
#include <utility>

namespace edgeshard {

// Of at least two values.
inline std::pair<float, float> mean_and_variance(std::span<const float> values) {
    float mean = 0, squares = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const float before = values[i] - mean;
        mean += before / float(i + 1);
        squares += before * (values[i] - mean);
    }
    return {mean, squares / (float(values.size()) - 1)};
}

}  // namespace edgeshard
