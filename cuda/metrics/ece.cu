// Expected calibration error of the top label (Guo et al. 2017, arXiv:1706.04599, eq. 3) over 15 equal-width bins.
#include "metrics/binned.hpp"

namespace assay {
namespace {

struct Ece {
  static double of(const Reliability& of) {
    double gaps = 0;
    for (const Bin& bin : of.bins) gaps += std::abs(bin.correct - bin.confidence);
    return gaps / of.count;
  }
};
const Registry<Metric>::Add assay_metric_ece{"ece", binned_with_profiles<Ece>("ece", "l1", true, true, "sklearn-1.9")};

}  // namespace
}  // namespace assay
