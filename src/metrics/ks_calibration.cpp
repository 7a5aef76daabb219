// Kolmogorov-Smirnov calibration error of the top label, without bins (Gupta et al. 2021, arXiv:2006.12800, eq. 7).
#include <cmath>

#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct Ks {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    double gap = 0, worst = 0;
    for (const Ties& ties : ranking) {
      gap += ties.gap();
      worst = std::fmax(worst, std::abs(gap));
    }
    return worst / static_cast<double>(count(ranking).all());
  }
};
ASSAY_METRIC("ks_calibration",
             .definition =
                 "largest |sum of (correct - confidence)| over samples up to a confidence, over n; ties together, "
                 "undecided left out",
             .applies = every_cell, .rank = ranked<Ks>);

}  // namespace
}  // namespace assay
