// Area under the risk-coverage curve (Geifman & El-Yaniv 2017, arXiv:1705.08500; Geifman et al. 2019,
// arXiv:1805.08206).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct Aurc {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    double sum = 0;
    each_coverage(ranking, [&](std::uint64_t k, double misses) { sum += misses / static_cast<double>(k); });
    return sum / static_cast<double>(count(ranking).all());
  }
};
ASSAY_METRIC("aurc",
             .definition =
                 "mean over k = 1..n of the error rate among the k most confident samples, expected where ties are "
                 "broken at random, undecided left out",
             .applies = every_cell, .rank = ranked<Aurc>);

}  // namespace
}  // namespace assay
