// Top-label calibration error: bins within every predicted class (Gupta & Ramdas 2021, arXiv:2107.08353, eq. 5).
#include "metrics/classwise.hpp"

namespace assay {
namespace {

void reduce(const Outputs& outputs, double, std::uint64_t* state) {
  for (std::int64_t i = 0; i < outputs.n; ++i)
    if (const SampleRow& row = outputs.rows[i]; !row.has(SampleRow::undecided))
      add_to_bin(state + kClassWords * row.prediction, row.confidence, row.has(SampleRow::correct));
}

Estimate finish(const std::uint64_t* state, int classes) {
  Estimate estimate = undefined_estimate();
  ClassError all;
  for (int k = 0; k < classes; ++k) {
    const ClassError error = class_error(state + kClassWords * k);
    estimate.curves["by_class"].push_back(error.gaps / error.count);
    all.gaps += error.gaps;
    all.count += error.count;
  }
  if (all.count > 0)
    estimate.value = all.gaps / all.count;
  else
    estimate.undefined = kNoneDecided;
  return estimate;
}

ASSAY_OUTPUT_METRIC("ece_top_label",
                    .definition =
                        "sum over predicted classes and bins of |correct - sum of confidence| / n, w15/[lo,hi) last "
                        "closed/l1/float32 confidence in units of 2^-32, undecided left out",
                    .words = classwise_words, .reduce = reduce, .finish = finish);

}  // namespace
}  // namespace assay
