// Brier score, multi-class sum form (Brier 1950): mean over samples of sum over classes of (p - onehot)^2, 0..2.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

struct Brier {
  enum Word { count, sum };
  static constexpr int kWords = 2;

  template <class Tally>
  ASSAY_HD static void observe(const SampleRow& row, const Tally& tally) {
    if (row.has(SampleRow::undecided)) return;
    tally.add(count, 1);
    tally.add(sum, fixed32(row.brier));
  }
  static Estimate finish(const std::uint64_t* s) {
    if (s[count] == 0) return undefined_estimate(kNoneDecided);
    return point_estimate(static_cast<double>(s[sum]) * 0x1p-32 / static_cast<double>(s[count]));
  }
};
ASSAY_METRIC(
    "brier",
    "mean of sum_k (p_k - onehot_k)^2, range 0..2, float32 a sample, sum in units of 2^-32, undecided left out",
    Brier::kWords, every_cell, launch_metric<Brier>, Brier::finish);

}  // namespace
}  // namespace assay
