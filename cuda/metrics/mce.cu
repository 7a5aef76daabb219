// Maximum calibration error of the top label (Naeini et al. 2015, AAAI; Guo et al. 2017, arXiv:1706.04599, eq. 5).
#include "metrics/binned.hpp"

namespace assay {
namespace {

struct Mce {
  static double of(const Reliability& of) {
    double worst = 0;
    for (const Bin& bin : of.bins) worst = std::fmax(worst, std::abs(bin.gap()));
    return worst;
  }
};
const Registry<Metric>::Add assay_metric_mce{
    "mce", binned_with_profiles<Mce>("mce", "max over bins with samples", true, true)};

}  // namespace
}  // namespace assay
