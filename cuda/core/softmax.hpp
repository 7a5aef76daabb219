#pragma once
#include "assay/core/math.hpp"

namespace assay {

/// The lowest finite float: below every logit that is a number.
constexpr float kLowest = -3.402823466e38f;

/// Softmax of one row of logits, in double; every function of a row of logits goes through it.
struct Softmax {
  double top;  ///< the largest logit
  double sum;  ///< of exp(z - top), in the team's order

  template <class Team>
  ASSAY_HD static Softmax of(Team& team, const float* logits, int classes) {
    const float top = team.max(classes, kLowest, [=](std::int64_t k) { return logits[k]; });
    const double base = static_cast<double>(top);
    return {base,
            team.sum(classes, [=](std::int64_t k) { return exp_nonpositive(static_cast<double>(logits[k]) - base); })};
  }
  ASSAY_HD double probability(float logit) const { return exp_nonpositive(static_cast<double>(logit) - top) / sum; }
  ASSAY_HD double log_probability(float logit) const { return static_cast<double>(logit) - top - log_positive(sum); }
};

/// The lowest index of the largest value. Only meaningful for finite rows.
template <class Team>
ASSAY_HD int arg_max(Team& team, const float* values, int n) {
  const float top = team.max(n, kLowest, [=](std::int64_t k) { return values[k]; });
  return -static_cast<int>(team.max(n, -static_cast<float>(n), [=](std::int64_t k) {
    return values[k] == top ? -static_cast<float>(k) : -static_cast<float>(n);
  }));
}

}  // namespace assay
