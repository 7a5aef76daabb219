// Cross-entropy of the softmax: value = -log p[label], d value / d z = p - onehot(label).
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct CrossEntropy {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, float* cotangent) {
    const Softmax softmax = Softmax::of(team, z, classes);
    team.each(classes, [=](std::int64_t k) {
      cotangent[k] = static_cast<float>(softmax.probability(z[k]) - (k == label ? 1.0 : 0.0));
    });
    return static_cast<float>(-softmax.log_probability(z[label]));
  }
};
ASSAY_LOSS("cross_entropy", "-log softmax(z)[label]", 2, launch_loss<CrossEntropy>);

}  // namespace
}  // namespace assay
