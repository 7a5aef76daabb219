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

/// A class and its logit.
struct Ranked {
  float z;
  int k;
};

/// Before every class in the order of logits.
constexpr Ranked kUnranked = {-kLowest, -1};

/// The class that follows `previous` in the order of falling logits, equal ones by index, leaving out `skip`; k is
/// `classes` where there is none. Only meaningful for finite rows.
template <class Team>
ASSAY_HD Ranked next_ranked(Team& team, const float* z, int classes, Ranked previous, int skip = -1) {
  const auto follows = [=](std::int64_t k) {
    return k != skip && (z[k] < previous.z || (z[k] == previous.z && k > previous.k));
  };
  const float top = team.max(classes, kLowest, [=](std::int64_t k) { return follows(k) ? z[k] : kLowest; });
  const auto nobody = -static_cast<float>(classes);
  const float first = team.max(
      classes, nobody, [=](std::int64_t k) { return follows(k) && z[k] == top ? -static_cast<float>(k) : nobody; });
  return {top, -static_cast<int>(first)};
}

/// The lowest index of the largest value. Only meaningful for finite rows.
template <class Team>
ASSAY_HD int arg_max(Team& team, const float* values, int n) {
  return next_ranked(team, values, n, kUnranked).k;
}

}  // namespace assay
