// Root mean squared calibration error less what the noise of the bins' accuracies adds to its square (Kumar et al.
// 2019, arXiv:1909.10155, section 4).
#include "metrics/binned.hpp"

namespace assay {
namespace {

struct Debiased {
  static double of(const Reliability& of) {
    const double square = of.mean([](const Bin& bin) {
      if (bin.count < 2) return 0.0;
      return bin.gap() * bin.gap() - bin.accuracy() * (1 - bin.accuracy()) / (bin.count - 1);
    });
    return square > 0 ? std::sqrt(square) : 0.0;
  }
};
const Registry<Metric>::Add assay_metric_rmsce_debiased{
    "rmsce_debiased",
    binned_with_profiles<Debiased>("rmsce_debiased", "l2 less a(1-a)/(n-1) a bin, bins of one sample 0, not below 0",
                                   false, false, "uncertainty-calibration-0.1")};

}  // namespace
}  // namespace assay
