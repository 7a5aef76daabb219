// Share of samples whose largest logit is the label's.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

struct Correct {
  ASSAY_HD static bool holds(const SampleRow& row) { return row.has(SampleRow::correct); }
  ASSAY_HD static bool unknown(const SampleRow& row) { return row.has(SampleRow::undecided); }
};
ASSAY_METRIC(
    "accuracy",
    .definition =
        "correct/n, arg-max ties: lowest index, undecided: wrong, under attack: at the point that is kept; Wilson 95%",
    .words = Rate<Correct>::kWords, .applies = every_cell, .reduce = launch_metric<Rate<Correct>>,
    .finish = Rate<Correct>::finish, .larger_is_better = true, .top_label = true);

}  // namespace
}  // namespace assay
