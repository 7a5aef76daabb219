// Cross-entropy of the softmax in double: its gradient does not vanish by rounding where the model is sure.
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct CrossEntropyF64 {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, float* cotangent) {
    const Softmax softmax = Softmax::of(team, z, classes);
    team.each(classes, [=](std::int64_t k) {
      cotangent[k] = static_cast<float>(softmax.probability(z[k]) - (k == label ? 1.0 : 0.0));
    });
    return static_cast<float>(-softmax.log_probability(z[label]));
  }
};
ASSAY_LOSS("cross_entropy_f64", "-log softmax(z)[label], in double: stronger where the model is sure", 2,
           launch_loss<CrossEntropyF64>);

}  // namespace
}  // namespace assay
