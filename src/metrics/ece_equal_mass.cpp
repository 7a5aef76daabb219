// Expected calibration error of the top label over bins of equal mass.
#include "metrics/equal_mass.hpp"

namespace assay {
namespace {

struct EqualMass {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    return mean_over_mass_bins(ranking, [](const MassBin& bin) { return bin.gap(); });
  }
};
ASSAY_METRIC("ece_equal_mass", .definition = std::string("ece_equal_mass") + kEqualMass + "l1", .applies = every_cell,
             .rank = ranked<EqualMass>);

}  // namespace
}  // namespace assay
