// Targeted difference of logits ratio (Croce & Hein 2020, arXiv:2003.01690, eq. (7)): with z(1) >= z(2) >= ...,
//   value = -(z[label] - z[target]) / (z(1) - (z(3) + z(4)) / 2 + 1e-12).
// The denominator carries gradient too. Ties: the lowest index.
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct DlrTargeted {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, int target, float* cotangent) {
    const Ranked first = next_ranked(team, z, classes, kUnranked), second = next_ranked(team, z, classes, first),
                 third = next_ranked(team, z, classes, second), fourth = next_ranked(team, z, classes, third);
    const float spread = first.z - .5f * (third.z + fourth.z) + 1e-12f;
    const float value = -(z[label] - z[target]) / spread;
    const float pull = 1.f / spread, widen = -value / spread;
    team.each(classes, [=](std::int64_t k) {
      cotangent[k] = (k == target ? pull : 0.f) - (k == label ? pull : 0.f) + (k == first.k ? widen : 0.f) -
                     (k == third.k || k == fourth.k ? .5f * widen : 0.f);
    });
    return value;
  }
};
ASSAY_LOSS("dlr_targeted", "(z[target] - z[label]) / (z(1) - (z(3) + z(4)) / 2 + 1e-12)", 4,
           launch_targeted_loss<DlrTargeted>, true, true);

}  // namespace
}  // namespace assay
