#pragma once
#include <cstdint>
#include <optional>

#include "assay/metric.hpp"

namespace assay {

/// Of `n` rows of probabilities what is known from the largest alone: prediction, `correct` and confidence, undecided
/// where that is above 1; nll, brier and top5 are left 0. At the speed of reading them. Returns how many are undecided;
/// nothing where some row may have a negative number or a sum that is off 1 by `tolerance` or more, and `out` is worth
/// nothing.
std::optional<std::int64_t> top_labels(std::int64_t n, int classes, const float* probabilities,
                                       const std::uint16_t* labels, float tolerance, SampleRow* out);

}  // namespace assay
