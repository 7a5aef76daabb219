// Share of all samples that are right when clean and that no iterate of the attack fools.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

struct Robust {
  ASSAY_HD static bool holds(const SampleRow& row) {
    return row.has(SampleRow::clean_correct) && !row.has(SampleRow::fooled_any) && !row.has(SampleRow::undecided);
  }
  ASSAY_HD static bool unknown(const SampleRow& row) {
    return row.has(SampleRow::undecided) && !row.has(SampleRow::fooled_any);
  }
};
ASSAY_METRIC(
    "robust_accuracy",
    .definition =
        "right when clean and fooled by no point of the attack (start included)/n, each success verified by "
        "a pass of its own (with eot by the majority of eot passes, or of one more for an odd number) unless "
        "full; undecided: not robust, hi counts them; Wilson 95%",
    .words = Rate<Robust>::kWords, .applies = attacked_cell, .reduce = launch_metric<Rate<Robust>>,
    .finish = Rate<Robust>::finish,
    .targeted =
        "right when clean and taken for its target by no point of the attack (start included)/n, other classes "
        "are no success; a label that is the target: not attacked, counted in label_is_target; each success "
        "verified by a pass of its own (with eot by the majority of eot passes, or of one more for an odd "
        "number) unless full; undecided: not robust, hi counts them; Wilson 95%",
    .larger_is_better = true);

}  // namespace
}  // namespace assay
