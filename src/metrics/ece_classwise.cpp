// Classwise (static) calibration error: one against the rest on every class's probability (Nixon et al. 2019,
// arXiv:1904.01685, SCE; Kull et al. 2019, arXiv:1910.12656, eq. 4).
#include "metrics/classwise.hpp"

namespace assay {
namespace {

ASSAY_OUTPUT_METRIC(
    "ece_classwise",
    .definition =
        "mean over classes k of sum over bins of |#(label = k) - sum p_k| / n, w15/[lo,hi) last "
        "closed/l1/float32 probability in units of 2^-32, undecided left out",
    .words = classwise_words,
    .reduce = [](const Outputs& outputs, double, std::uint64_t* state) { reduce_classwise(outputs, 0.f, state); },
    .finish = mean_over_classes);

}  // namespace
}  // namespace assay
