#pragma once
#include "assay/core/team.hpp"
#include "assay/loss.hpp"

namespace assay {

/// Runs L::evaluate(team, logits, classes, label, cotangent) -> value on every row; with `targeted` the target follows
/// the label.
template <class L, bool targeted>
struct LossKernel {
  LossRows rows;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const int classes = rows.classes, label = rows.label[row];
    const float* z = rows.logits + row * classes;
    float* cotangent = rows.cotangent + row * classes;
    float value = 0;
    if constexpr (targeted) {
      const int target = rows.target[row];
      if (target == label || target >= classes)
        team.each(classes, [=](std::int64_t k) { cotangent[k] = 0.f; });
      else
        value = L::evaluate(team, z, classes, label, target, cotangent);
    } else {
      value = L::evaluate(team, z, classes, label, cotangent);
    }
    team.once([&] { rows.value[row] = value; });
  }
};

template <class L>
void launch_loss(const Exec& exec, const LossRows& rows) {
  for_each_team(exec, rows.rows, LossKernel<L, false>{rows});
}
template <class L>
void launch_targeted_loss(const Exec& exec, const LossRows& rows) {
  for_each_team(exec, rows.rows, LossKernel<L, true>{rows});
}

}  // namespace assay
