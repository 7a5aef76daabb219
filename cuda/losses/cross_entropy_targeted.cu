// value = log softmax(z)[target], in double: minus the target's cross-entropy.
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct CrossEntropyTargeted {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int, int target, float* cotangent) {
    const Softmax softmax = Softmax::of(team, z, classes);
    const double others =
        team.sum(classes, [=](std::int64_t k) { return k == target ? 0.0 : softmax.probability(z[k]); });
    team.each(classes, [=](std::int64_t k) {
      cotangent[k] = static_cast<float>(k == target ? others : -softmax.probability(z[k]));
    });
    return static_cast<float>(softmax.log_probability(z[target]));
  }
};
ASSAY_LOSS("cross_entropy_targeted", "log softmax(z)[target], in double", 2, launch_targeted_loss<CrossEntropyTargeted>,
           true);

}  // namespace
}  // namespace assay
