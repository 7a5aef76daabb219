#pragma once
#include "assay/metric.hpp"
#include "core/softmax.hpp"

// From one row of logits or probabilities to what is kept of a sample.
namespace assay {

constexpr std::uint16_t kNoPrediction = 0xFFFF;

/// Per-sample statistics from probabilities that `p` gives by class.
template <class Team, class P>
ASSAY_HD SampleRow describe(Team& team, int classes, int top, int label, float nll, unsigned flags,
                            const float* rank_by, const P& p) {
  const float own = rank_by[label];
  const std::int64_t before =
      team.count(classes, [=](std::int64_t k) { return rank_by[k] > own || (rank_by[k] == own && k < label); });
  if (top == label) flags |= SampleRow::correct;
  if (before < 5) flags |= SampleRow::top5;
  const double brier = team.sum(classes, [=](std::int64_t k) {
    const double gap = p(k) - (k == label ? 1.0 : 0.0);
    return gap * gap;
  });
  return {static_cast<std::uint16_t>(top), static_cast<std::uint16_t>(flags), static_cast<float>(p(top)), nll,
          static_cast<float>(brier)};
}

ASSAY_HD SampleRow undecided_row(unsigned flags) {
  return {kNoPrediction, static_cast<std::uint16_t>(flags | SampleRow::undecided), 0.f, 0.f, 0.f};
}

/// Of kernels that score rows of logits: three doubles and an exponential in double take 62 to 70 registers.
constexpr int kScoringTeams = 3;

/// From logits; `known` are flags that stand already. Undecided where a logit is not finite.
template <class Team>
ASSAY_HD SampleRow score_row(Team& team, int classes, const float* z, int label, unsigned known) {
  const bool broken = team.count(classes, [=](std::int64_t k) { return !finite(z[k]); }) != 0;
  if (broken || (known & SampleRow::undecided) != 0) return undecided_row(known);
  const Softmax softmax = Softmax::of(team, z, classes);
  const auto nll = static_cast<float>(-softmax.log_probability(z[label]));
  return describe(team, classes, arg_max(team, z, classes), label, nll, known, z,
                  [=](std::int64_t k) { return softmax.probability(z[k]); });
}

}  // namespace assay
