// Margin of the logits: value = max over k != label of z[k] - z[label]; positive when misclassified (Carlini & Wagner
// 2017, arXiv:1608.04644, f6 without its floor). Ties: the lowest index carries the gradient.
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

struct Margin {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, float* cotangent) {
    const Ranked rival = next_ranked(team, z, classes, kUnranked, label);
    team.each(classes, [=](std::int64_t k) { cotangent[k] = k == label ? -1.f : (k == rival.k ? 1.f : 0.f); });
    return rival.z - z[label];
  }
};
ASSAY_LOSS("margin", "max over k != label of z[k] - z[label]", 2, launch_loss<Margin>, false, false,
           "logit_difference");

}  // namespace
}  // namespace assay
