// Difference of logits ratio (Croce & Hein 2020, arXiv:2003.01690, eq. (6)): with z sorted so that z(1) >= z(2) >= ...,
//   value = -(z[label] - max over k != label of z[k]) / (z(1) - z(3) + 1e-12).
// The denominator carries gradient too. Ties: the lowest index.
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct Dlr {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, float* cotangent) {
    const Ranked first = next_ranked(team, z, classes, kUnranked), second = next_ranked(team, z, classes, first),
                 third = next_ranked(team, z, classes, second);
    const Ranked rival = first.k == label ? second : first;
    const float spread = first.z - third.z + 1e-12f;
    const float value = -(z[label] - rival.z) / spread;
    const float pull = 1.f / spread, widen = -value / spread;
    team.each(classes, [=](std::int64_t k) {
      cotangent[k] = (k == rival.k ? pull : 0.f) - (k == label ? pull : 0.f) + (k == first.k ? widen : 0.f) -
                     (k == third.k ? widen : 0.f);
    });
    return value;
  }
};
ASSAY_LOSS("dlr", "difference of logits ratio: (max over k != label of z[k] - z[label]) / (z(1) - z(3) + 1e-12)", 3,
           launch_loss<Dlr>, false, true, "dlr_targeted");

}  // namespace
}  // namespace assay
