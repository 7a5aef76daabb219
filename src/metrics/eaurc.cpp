// Excess area under the risk-coverage curve: above that of the best order (Geifman et al. 2019, arXiv:1805.08206).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct Eaurc {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    const Counts all = count(ranking);
    double sum = 0;
    each_coverage(ranking, [&](std::uint64_t k, double misses) {
      const std::uint64_t least = k > all.hits ? k - all.hits : 0;
      sum += (misses - static_cast<double>(least)) / static_cast<double>(k);
    });
    return sum / static_cast<double>(all.all());
  }
};
ASSAY_METRIC(
    "eaurc",
    .definition = "aurc less that of the same samples with all wrong ones behind the right ones, as a sum over k",
    .applies = every_cell, .rank = ranked<Eaurc>);

}  // namespace
}  // namespace assay
