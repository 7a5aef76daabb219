// Share of all samples that are right when clean and at the attack's last iterate.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

struct RobustFinal {
  static constexpr int kWords = 4;  // n, robust, unknown, retired

  template <class Tally>
  ASSAY_HD static void observe(const SampleRow& row, const Tally& tally) {
    const bool fooled = row.has(SampleRow::fooled_final), undecided = row.has(SampleRow::undecided);
    tally.add(0, 1);
    tally.add(1, row.has(SampleRow::clean_correct) && !fooled && !undecided ? 1 : 0);
    tally.add(2, undecided && !fooled ? 1 : 0);
    tally.add(3, row.has(SampleRow::retired) ? 1 : 0);
  }
  static Estimate finish(const std::uint64_t* s) {
    return s[3] > 0 ? undefined_estimate("a sample retired before its last iterate") : rate_estimate(s[1], s[0], s[2]);
  }
};
ASSAY_METRIC(
    "robust_accuracy_final",
    .definition =
        "right when clean and at the last iterate/n, undecided: not robust, hi counts them; Wilson 95%; undefined "
        "where a sample retired before its last iterate (full = true attacks to the end)",
    .words = RobustFinal::kWords, .applies = attacked_cell, .reduce = launch_metric<RobustFinal>,
    .finish = RobustFinal::finish,
    .targeted =
        "right when clean and not taken for its target at the last iterate/n, undecided: not robust, hi counts "
        "them; Wilson 95%; undefined where a sample retired before its last iterate (full = true attacks to the "
        "end)",
    .larger_is_better = true);

}  // namespace
}  // namespace assay
