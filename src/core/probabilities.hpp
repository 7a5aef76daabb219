#pragma once
#include <cstdint>

#include "assay/metric.hpp"

namespace assay {

/// Softmax of n x classes logits in double, to float32. `rows` are what score_logits says of them: of an undecided one
/// nothing is written.
void probabilities_of(std::int64_t n, int classes, const float* logits, const SampleRow* rows, float* probabilities);

}  // namespace assay
