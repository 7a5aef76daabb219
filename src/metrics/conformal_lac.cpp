// Least ambiguous set-valued classifiers (Sadinle, Lei & Wasserman 2019, JASA 114; arXiv:1609.00451).
#include "metrics/conformal.hpp"

namespace assay {
namespace {

void nonconformity(const Outputs& held_out, double* scores) {
  for (std::int64_t i = 0; i < held_out.n; ++i)
    scores[i] = held_out.rows[i].has(SampleRow::undecided)
                    ? std::numeric_limits<double>::infinity()
                    : 1 - static_cast<double>(held_out.probabilities[i * held_out.classes + held_out.labels[i]]);
}

void reduce(const Outputs& outputs, double threshold, std::uint64_t* state) {
  for (std::int64_t i = 0; i < outputs.n; ++i) {
    const float* const p = outputs.probabilities + i * outputs.classes;
    const bool decided = !outputs.rows[i].has(SampleRow::undecided);
    const auto in = [&](int k) { return decided && 1 - static_cast<double>(p[k]) <= threshold; };
    int size = 0;
    for (int k = 0; k < outputs.classes; ++k) size += in(k) ? 1 : 0;
    ++state[2 * size];
    state[2 * size + 1] += in(outputs.labels[i]) ? 1 : 0;
  }
}

ASSAY_OUTPUT_METRIC(
    "conformal_lac",
    .definition =
        "coverage of {classes whose nonconformity is at most the ceil((n + 1)(1 - alpha))-th smallest of n held-out "
        "labels}; nonconformity: 1 - p; a set may be empty; undecided: empty; Wilson 95%",
    .words = conformal_words, .reduce = reduce, .finish = finish_conformal, .larger_is_better = true,
    .nonconformity = nonconformity);

}  // namespace
}  // namespace assay
