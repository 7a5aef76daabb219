// Root mean square calibration error of the top label over bins of equal mass.
#include "metrics/equal_mass.hpp"

namespace assay {
namespace {

struct RootMeanSquare {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    return std::sqrt(mean_over_mass_bins(ranking, [](const MassBin& bin) { return bin.gap() * bin.gap(); }));
  }
};
ASSAY_METRIC("rmsce_equal_mass", .definition = std::string("rmsce_equal_mass") + kEqualMass + "l2",
             .applies = every_cell, .rank = ranked<RootMeanSquare>);

}  // namespace
}  // namespace assay
