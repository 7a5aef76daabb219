#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "assay/output_metric.hpp"
#include "core/rows.hpp"

namespace assay {

/// Probabilities and labels, and what score_probabilities says of them; a row with a NaN is undecided.
struct SomeOutputs {
  int classes;
  std::vector<float> probabilities;
  std::vector<std::uint16_t> labels;
  std::vector<SampleRow> rows;

  SomeOutputs(int of_classes, std::vector<float> p, std::vector<std::uint16_t> truth)
      : classes(of_classes), probabilities(std::move(p)), labels(std::move(truth)), rows(labels.size()) {
    score_probabilities({}, n(), classes, probabilities.data(), labels.data(), rows.data());
  }
  std::int64_t n() const { return static_cast<std::int64_t>(labels.size()); }
  /// Samples [first, first + count).
  Outputs part(std::int64_t first, std::int64_t count) const {
    return {count, classes, probabilities.data() + first * classes, labels.data() + first, rows.data() + first};
  }
  Outputs all() const { return part(0, n()); }
};

/// Rows of a table that Python makes of the same whole numbers, for goldens.
inline SomeOutputs table_of_squares(std::int64_t first, std::int64_t end) {
  constexpr std::int64_t kClasses = 8;
  std::vector<float> probabilities;
  std::vector<std::uint16_t> labels;
  for (std::int64_t i = first; i < end; ++i) {
    std::vector<float> row;
    float sum = 0;  // of whole numbers: exact
    for (std::int64_t k = 0; k < kClasses; ++k) {
      const std::int64_t w = 1 + (i * i * 31 + k * (11 + i % 5) + i * 7) % 97;
      row.push_back(static_cast<float>(w * w));
      sum += row.back();
    }
    const auto top = std::ranges::max_element(row) - row.begin();
    labels.push_back(static_cast<std::uint16_t>(i * 13 % 10 < 6 ? top : i * 7 % kClasses));
    for (const float w : row) probabilities.push_back(w / sum);
  }
  return {kClasses, probabilities, labels};
}

inline std::vector<std::uint64_t> empty_state(const OutputMetric& metric, int classes) {
  return std::vector<std::uint64_t>(static_cast<std::size_t>(metric.words(classes)));
}

inline Estimate measure(const std::string& name, const SomeOutputs& outputs,
                        double threshold = std::numeric_limits<double>::quiet_NaN()) {
  const OutputMetric& metric = *Registry<OutputMetric>::find(name);
  std::vector<std::uint64_t> state = empty_state(metric, outputs.classes);
  metric.reduce(outputs.all(), threshold, state.data());
  return metric.finish(state.data(), outputs.classes);
}

}  // namespace assay
