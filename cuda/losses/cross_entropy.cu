// Cross-entropy of the softmax: value = -log p[label], d value / d z = p - onehot(label), every step rounded to float32
// as in PyTorch's cross_entropy: where the model is sure (p[label] > 1 - 2^-24) the label's own share of the gradient
// is 0, and attacks of all libraries that use it take the same steps. cross_entropy_f64 keeps that share.
#include "core/softmax.hpp"
#include "losses/loss_kernel.hpp"

namespace assay {
namespace {

ASSAY_HD float exp_f32(float x) {
  return static_cast<float>(exp_nonpositive(static_cast<double>(x)));
}

struct CrossEntropy {
  template <class Team>
  ASSAY_HD static float evaluate(Team& team, const float* z, int classes, int label, float* cotangent) {
    const float top = team.max(classes, kLowest, [=](std::int64_t k) { return z[k]; });
    team.each(classes, [=](std::int64_t k) { cotangent[k] = exp_f32(z[k] - top); });
    team.sync();
    // In index order, by every worker: near 1 a sum's last bit is the label's whole gradient, and peers add in this
    // order.
    float sum = 0.f;
    for (int k = 0; k < classes; ++k) sum += cotangent[k];
    team.sync();
    const auto log_sum = static_cast<float>(log_positive(static_cast<double>(sum)));
    team.each(classes,
              [=](std::int64_t k) { cotangent[k] = exp_f32(z[k] - top - log_sum) - (k == label ? 1.f : 0.f); });
    return -(z[label] - top - log_sum);
  }
};
ASSAY_LOSS("cross_entropy", "-log softmax(z)[label], in float32 as PyTorch has it", 2, launch_loss<CrossEntropy>, false,
           false, "cross_entropy_targeted");

}  // namespace
}  // namespace assay
