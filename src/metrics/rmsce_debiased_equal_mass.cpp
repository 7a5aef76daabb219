// Root mean square calibration error over bins of equal mass, less what chance adds to it (Kumar et al. 2019,
// arXiv:1909.10155, section 4.1).
#include "metrics/equal_mass.hpp"

namespace assay {
namespace {

struct Debiased {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    const double square = mean_over_mass_bins(ranking, [](const MassBin& bin) {
      if (bin.count < 2) return 0.0;
      const double accuracy = bin.hits / bin.count;
      return bin.gap() * bin.gap() - accuracy * (1 - accuracy) / (bin.count - 1);
    });
    return std::sqrt(std::fmax(square, 0.0));
  }
};
ASSAY_METRIC("rmsce_debiased_equal_mass",
             .definition = std::string("rmsce_debiased_equal_mass") + kEqualMass +
                           "l2 less a(1-a)/(n-1) a bin, bins of one sample 0, not below 0",
             .applies = every_cell, .rank = ranked<Debiased>);

}  // namespace
}  // namespace assay
