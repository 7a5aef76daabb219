// Accuracy at coverage: of the samples that a model answers when it may leave the least confident ones out (Geifman &
// El-Yaniv 2017, arXiv:1705.08500, section 2).
#include <string>

#include "metrics/ranked.hpp"

namespace assay {
namespace {

template <std::uint64_t kPercent>
struct AtCoverage {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    const std::uint64_t n = count(ranking).all();
    // The ceiling of kPercent * n / 100 in integers: 0.8 * 10 in floating point might be above 8.
    const std::uint64_t kept = n / 100 * kPercent + (n % 100 * kPercent + 99) / 100;
    double value = 0;
    each_coverage(ranking, [&](std::uint64_t k, double misses) {
      if (k == kept) value = 1 - misses / static_cast<double>(k);
    });
    return value;
  }
  static Metric metric() {
    return {.definition = "share of right samples among the ceil(" + std::to_string(kPercent) +
                          " n / 100) most confident, expected where ties are broken at random, undecided left out",
            .applies = every_cell,
            .rank = ranked<AtCoverage>,
            .larger_is_better = true};
  }
};
const Registry<Metric>::Add assay_metric_80{"accuracy_at_coverage_80", AtCoverage<80>::metric()};
const Registry<Metric>::Add assay_metric_90{"accuracy_at_coverage_90", AtCoverage<90>::metric()};
const Registry<Metric>::Add assay_metric_95{"accuracy_at_coverage_95", AtCoverage<95>::metric()};

}  // namespace
}  // namespace assay
