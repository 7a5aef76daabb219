#include "core/probabilities.hpp"

#include "assay/core/team.hpp"
#include "core/softmax.hpp"

namespace assay {

void probabilities_of(std::int64_t n, int classes, const float* logits, const SampleRow* rows, float* probabilities) {
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < n; ++i) {
    if (rows[i].has(SampleRow::undecided)) continue;
    SerialTeam team;
    const float* const z = logits + i * classes;
    const Softmax softmax = Softmax::of(team, z, classes);
    for (int k = 0; k < classes; ++k) probabilities[i * classes + k] = static_cast<float>(softmax.probability(z[k]));
  }
}

}  // namespace assay
