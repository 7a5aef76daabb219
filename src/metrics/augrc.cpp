// Area under the generalised risk-coverage curve (Traub et al. 2024, arXiv:2407.01032).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct Augrc {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    const auto n = static_cast<double>(count(ranking).all());
    double sum = 0;
    each_coverage(ranking, [&](std::uint64_t, double misses) { sum += misses / n; });
    return sum / n;
  }
};
ASSAY_METRIC("augrc",
             .definition =
                 "mean over k = 1..n of the share of all samples that are wrong and among the k most confident, "
                 "expected where ties are broken at random, undecided left out",
             .applies = every_cell, .rank = ranked<Augrc>);

}  // namespace
}  // namespace assay
