// Mean negative log-likelihood of the label, by log-sum-exp, never clipped.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

struct Nll {
  // Units of 2^-40 in 96 bits: the low and the high 32-bit halves are added apart, so neither overflows.
  enum Word { count, low, high, infinite };
  static constexpr int kWords = 4;

  ASSAY_HD static void observe(const SampleRow& row, const Tally& tally) {
    if (row.has(SampleRow::undecided)) return;
    tally.add(count, 1);
    if (!(row.nll < 1e15f)) {  // beyond what 96 bits hold; only a probability of 0 comes here
      tally.add(infinite, 1);
      return;
    }
    const auto units =
        static_cast<double>(row.nll > 0.f ? row.nll : 0.f) * 256.0;  // of 2^-8: the upper half and its fraction
    const auto upper = static_cast<std::uint64_t>(units);
    tally.add(high, upper);
    tally.add(low, static_cast<std::uint64_t>((units - static_cast<double>(upper)) * 4294967296.0));
  }
  static Estimate finish(const std::uint64_t* s) {
    if (s[count] == 0) return undefined_estimate();
    if (s[infinite] != 0) return point_estimate(std::numeric_limits<double>::infinity());
    return point_estimate((static_cast<double>(s[high]) * 0x1p-8 + static_cast<double>(s[low]) * 0x1p-40) /
                          static_cast<double>(s[count]));
  }
};
ASSAY_METRIC("nll",
             "mean of -log softmax[label], natural log, float32 a sample, sum in units of 2^-40, undecided left out",
             Nll::kWords, every_cell, launch_metric<Nll>, Nll::finish);

}  // namespace
}  // namespace assay
