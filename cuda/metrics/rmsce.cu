// Root mean squared calibration error of the top label (Hendrycks et al. 2019, arXiv:1812.04606), in equal-width bins.
#include "metrics/binned.hpp"

namespace assay {
namespace {

struct Rmsce {
  static double of(const Reliability& of) {
    return std::sqrt(of.mean([](const Bin& bin) { return bin.gap() * bin.gap(); }));
  }
};
const Registry<Metric>::Add assay_metric_rmsce{"rmsce", binned_with_profiles<Rmsce>("rmsce", "l2", true, false)};

}  // namespace
}  // namespace assay
