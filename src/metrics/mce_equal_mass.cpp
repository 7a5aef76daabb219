// Maximum calibration error of the top label over bins of equal mass.
#include "metrics/equal_mass.hpp"

namespace assay {
namespace {

struct WorstBin {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    double worst = 0;
    each_mass_bin(ranking, [&](const MassBin& bin) { worst = std::fmax(worst, bin.gap()); });
    return worst;
  }
};
ASSAY_METRIC("mce_equal_mass", .definition = std::string("mce_equal_mass") + kEqualMass + "max over bins with samples",
             .applies = every_cell, .rank = ranked<WorstBin>);

}  // namespace
}  // namespace assay
