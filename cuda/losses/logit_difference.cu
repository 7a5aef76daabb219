// value = z[target] - z[label]: positive where the target is the likelier of the two.
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct LogitDifference {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, int target, float* cotangent) {
    team.each(classes, [=](std::int64_t k) { cotangent[k] = k == target ? 1.f : (k == label ? -1.f : 0.f); });
    return z[target] - z[label];
  }
};
ASSAY_LOSS("logit_difference", "z[target] - z[label]", 2, launch_targeted_loss<LogitDifference>, true);

}  // namespace
}  // namespace assay
