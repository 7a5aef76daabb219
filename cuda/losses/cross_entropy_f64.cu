// Cross-entropy of the softmax in double: its gradient does not vanish by rounding where the model is sure.
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct CrossEntropyF64 {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, float* cotangent) {
    const Softmax softmax = Softmax::of(team, z, classes);
    // 1 - p[label] would cancel where the model is sure; the others' probabilities add up to it and do not.
    const double others =
        team.sum(classes, [=](std::int64_t k) { return k == label ? 0.0 : softmax.probability(z[k]); });
    team.each(classes, [=](std::int64_t k) {
      cotangent[k] = static_cast<float>(k == label ? -others : softmax.probability(z[k]));
    });
    return static_cast<float>(-softmax.log_probability(z[label]));
  }
};
ASSAY_LOSS("cross_entropy_f64", "-log softmax(z)[label], in double: stronger where the model is sure", 2,
           launch_loss<CrossEntropyF64>, false, false, "cross_entropy_targeted");

}  // namespace
}  // namespace assay
