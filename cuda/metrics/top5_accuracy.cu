// Share of samples whose label is among the five largest logits.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

struct Top5 {
  ASSAY_HD static bool holds(const SampleRow& row) { return row.has(SampleRow::top5); }
  ASSAY_HD static bool unknown(const SampleRow& row) { return row.has(SampleRow::undecided); }
};
ASSAY_METRIC("top5_accuracy",
             .definition = "label in the 5 largest/n, ties: lowest index first, undecided: wrong; Wilson 95%",
             .words = Rate<Top5>::kWords, .applies = every_cell, .reduce = launch_metric<Rate<Top5>>,
             .finish = Rate<Top5>::finish, .larger_is_better = true);

}  // namespace
}  // namespace assay
