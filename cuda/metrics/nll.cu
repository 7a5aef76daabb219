// Mean negative log-likelihood of the label, by log-sum-exp, never clipped.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

struct Nll {
  // Units of 2^-40 in 96 bits: the three 32-bit digits are added apart, so that none overflows for fewer than 2^32
  // samples.
  enum Word { count, low, middle, high, infinite };
  static constexpr int kWords = 5;

  template <class Tally>
  ASSAY_HD static void observe(const SampleRow& row, const Tally& tally) {
    if (row.has(SampleRow::undecided)) return;
    tally.add(count, 1);
    if (!(row.nll < 1e15f)) {  // beyond what 96 bits hold with room to spare; a probability of 0 comes here
      tally.add(infinite, 1);
      return;
    }
    // Each subtraction is exact: a float's 24 bits hold the whole and the rest.
    const auto nll = static_cast<double>(row.nll > 0.f ? row.nll : 0.f);
    const auto upper = static_cast<std::uint64_t>(nll * 0x1p-24);
    const double rest = (nll - static_cast<double>(upper) * 0x1p24) * 256.0;
    const auto next = static_cast<std::uint64_t>(rest);
    tally.add(high, upper);
    tally.add(middle, next);
    tally.add(low, static_cast<std::uint64_t>((rest - static_cast<double>(next)) * 4294967296.0));
  }
  static Estimate finish(const std::uint64_t* s) {
    if (s[count] == 0) return undefined_estimate(kNoneDecided);
    if (s[infinite] != 0) {
      Estimate estimate = point_estimate(std::numeric_limits<double>::infinity());
      estimate.undefined = "infinite: the label of a sample has probability 0";
      return estimate;
    }
    return point_estimate((static_cast<double>(s[high]) * 0x1p24 + static_cast<double>(s[middle]) * 0x1p-8 +
                           static_cast<double>(s[low]) * 0x1p-40) /
                          static_cast<double>(s[count]));
  }
};
ASSAY_METRIC("nll",
             "mean of -log softmax[label], natural log, float32 a sample, sum in units of 2^-40, undecided left out",
             Nll::kWords, every_cell, launch_metric<Nll>, Nll::finish);

}  // namespace
}  // namespace assay
