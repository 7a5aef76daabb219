#pragma once
#include "assay/core/team.hpp"
#include "assay/loss.hpp"

namespace assay {

/// Runs L::evaluate(team, logits, classes, label, cotangent) -> value on every row.
template <class L>
struct LossKernel {
  int classes;
  const float* logits;
  const std::uint16_t* label;
  float* value;
  float* cotangent;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t at = row * classes;
    const float result = L::evaluate(team, logits + at, classes, static_cast<int>(label[row]), cotangent + at);
    team.once([&] { value[row] = result; });
  }
};

template <class L>
void launch_loss(const Exec& exec, std::int64_t rows, int classes, const float* logits, const std::uint16_t* label,
                 float* value, float* cotangent) {
  for_each_team(exec, rows, LossKernel<L>{classes, logits, label, value, cotangent});
}

}  // namespace assay
