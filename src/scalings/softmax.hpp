#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "assay/core/error.hpp"
#include "assay/core/math.hpp"
#include "assay/scaling.hpp"

// What the maps share. Sums are in double and over rows in their order, whatever the blocks.
namespace assay {

/// Calls row(logits, label, index) for every held-out row in order.
template <class Row>
void each_row(const HeldOut& held_out, const Row& row) {
  std::int64_t index = 0;
  const auto classes = static_cast<std::size_t>(held_out.classes);
  held_out.each([&](const float* logits, const std::uint16_t* labels, std::int64_t rows) {
    for (std::int64_t i = 0; i < rows; ++i, logits += classes)
      row(std::span(logits, classes), std::size_t{labels[i]}, index++);
  });
}

/// How many rows have each label. Throws assay::Error: exit 65 for no rows, a logit that is not finite or a label that
/// is no class; exit 70 for other than n rows.
inline std::vector<std::int64_t> label_counts(const HeldOut& held_out) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(held_out.classes));
  std::int64_t rows = 0;
  each_row(held_out, [&](std::span<const float> logits, std::size_t label, std::int64_t index) {
    if (!std::ranges::all_of(logits, [](float z) { return std::isfinite(z); }))
      throw Error(ExitCode::input, fmt::format("held-out row {} has a logit that is not finite", index));
    if (label >= counts.size())
      throw Error(ExitCode::input,
                  fmt::format("held-out row {} has the label {}, expected less than {}", index, label, counts.size()));
    ++counts[label];
    ++rows;
  });
  if (rows != held_out.n)
    throw Error(ExitCode::internal, fmt::format("{} held-out rows, expected {}", rows, held_out.n));
  if (rows == 0) throw Error(ExitCode::input, "the held-out split has no samples to fit on");
  return counts;
}

/// Logits to probabilities in place; returns the log of the sum of their exponentials.
inline double softmax(std::span<double> row) {
  const double top = *std::ranges::max_element(row);
  double sum = 0;
  for (double& z : row) {
    // 0 z: exp_nonpositive would take NaN for a small number.
    z = exp_nonpositive(z - top) + 0 * (z - top);
  }
  for (const double e : row) sum += e;
  for (double& e : row) e /= sum;
  return top + log_positive(sum);
}

/// Rows of logits to others, where changed(k, z) is what the map makes of logit k; may be in place.
template <class Changed>
void change_rows(int classes, std::int64_t n, const float* logits, float* scaled, const Changed& changed) {
  for (std::int64_t i = 0; i < n; ++i, logits += classes, scaled += classes) {
    const bool broken = !std::all_of(logits, logits + classes, [](float z) { return std::isfinite(z); });
    for (int k = 0; k < classes; ++k)
      scaled[k] = broken ? std::numeric_limits<float>::quiet_NaN()
                         : static_cast<float>(changed(static_cast<std::size_t>(k), static_cast<double>(logits[k])));
  }
}

}  // namespace assay
