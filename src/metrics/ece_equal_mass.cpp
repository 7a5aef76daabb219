// Expected calibration error of the top label over bins of equal mass (Nguyen & O'Connor 2015, arXiv:1508.05154;
// Nixon et al. 2019, arXiv:1904.01685).
#include <cmath>
#include <utility>

#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct EqualMass {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    constexpr std::uint64_t kBins = 15;
    const std::uint64_t n = count(ranking).all();
    double gaps = 0, gap = 0;
    std::uint64_t below = 0, bin = 0;
    for (const Ties& ties : ranking) {
      if (const std::uint64_t own = below * kBins / n; own != bin) {
        gaps += std::abs(std::exchange(gap, 0.0));
        bin = own;
      }
      gap += ties.gap();
      below += ties.count;
    }
    return (gaps + std::abs(gap)) / static_cast<double>(n);
  }
};
ASSAY_METRIC("ece_equal_mass",
             .definition =
                 "ece_equal_mass/top-label/m15/l1/a confidence is in bin floor(15 r / n), r the number of lower "
                 "ones, so ties are together/undecided left out",
             .applies = every_cell, .rank = ranked<EqualMass>);

}  // namespace
}  // namespace assay
