// Margin of the logits: value = max over k != label of z[k] - z[label]; positive when misclassified (Carlini & Wagner
// 2017, arXiv:1608.04644, f6 without its floor). Ties: the lowest index carries the gradient.
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct Margin {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, float* cotangent) {
    const float top = team.max(classes, kLowest, [=](std::int64_t k) { return k == label ? kLowest : z[k]; });
    const std::int64_t rival =
        -static_cast<std::int64_t>(team.max(classes, -static_cast<float>(classes), [=](std::int64_t k) {
          return k != label && z[k] == top ? -static_cast<float>(k) : -static_cast<float>(classes);
        }));
    team.each(classes, [=](std::int64_t k) { cotangent[k] = k == label ? -1.f : (k == rival ? 1.f : 0.f); });
    return top - z[label];
  }
};
ASSAY_LOSS("margin", "max over k != label of z[k] - z[label]", 2, launch_loss<Margin>);

}  // namespace
}  // namespace assay
