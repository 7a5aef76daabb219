// Share of all samples that are right when clean and at the attack's last iterate.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

struct RobustFinal {
  ASSAY_HD static bool holds(const SampleRow& row) {
    return row.has(SampleRow::clean_correct) && !row.has(SampleRow::fooled_final) && !row.has(SampleRow::undecided);
  }
  ASSAY_HD static bool unknown(const SampleRow& row) {
    return row.has(SampleRow::undecided) && !row.has(SampleRow::fooled_final);
  }
};
ASSAY_METRIC("robust_accuracy_final",
             "right when clean and at the last iterate/n, undecided: not robust, hi counts them; Wilson 95%",
             Rate<RobustFinal>::kWords, attacked_cell, launch_metric<Rate<RobustFinal>>, Rate<RobustFinal>::finish);

}  // namespace
}  // namespace assay
