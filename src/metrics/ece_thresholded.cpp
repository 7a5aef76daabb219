// Classwise calibration error of the probabilities that are not negligible (Nixon et al. 2019, arXiv:1904.01685, §3.3).
#include "metrics/classwise.hpp"

namespace assay {
namespace {

constexpr float kLeast = 0.01f;

ASSAY_OUTPUT_METRIC(
    "ece_thresholded",
    .definition =
        "mean over classes k of sum over bins of |#(label = k) - sum p_k| / n_k, over the n_k samples with p_k >= "
        "0.01 (float32), classes without any left out, w15/[lo,hi) last closed/l1/float32 probability in units of "
        "2^-32, undecided left out",
    .words = classwise_words,
    .reduce = [](const Outputs& outputs, double, std::uint64_t* state) { reduce_classwise(outputs, kLeast, state); },
    .finish = mean_over_classes);

}  // namespace
}  // namespace assay
