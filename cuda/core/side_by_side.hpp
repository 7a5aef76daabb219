#pragma once
#include "core/score.hpp"

// Rows on a CPU, eight side by side: of few classes, a row alone would leave vectors to its first and last steps, and
// comparisons of floats, which g++ must not reorder, go through one number at a time. The same operations in the same
// order as score_row and ScoreProbabilities.
namespace assay {

constexpr int kSideBySide = 8, kMostSideBySide = kTeamElements;  // rows, classes

/// A number a class and row.
using SideBySide = double[kMostSideBySide][kSideBySide];

/// SerialTeam::sum of each row; writes zeros behind the last class.
inline void sum_rows(SideBySide& of, int classes, double (&sum)[kSideBySide]) {
  int width = kTeamWidth;
  while (width > 1 && 2 * width >= classes) width /= 2;
  for (int k = classes; k < 4 * width; ++k)
    for (int r = 0; r < kSideBySide; ++r) of[k][r] = 0;
  double part[kTeamWidth][kSideBySide];
  for (int k = 0; k < width; ++k)
    for (int r = 0; r < kSideBySide; ++r)
      part[k][r] = (of[4 * k][r] + of[4 * k + 1][r]) + (of[4 * k + 2][r] + of[4 * k + 3][r]);
  for (int half = width / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k)
      for (int r = 0; r < kSideBySide; ++r) part[k][r] += part[k + half][r];
  for (int r = 0; r < kSideBySide; ++r) sum[r] = part[0][r];
}

/// Eight rows of logits, else of probabilities. `flags`: known ones, or null.
template <bool kLogits>
void score_side_by_side(int classes, const float* values, const std::uint16_t* label, const std::uint16_t* flags,
                        SampleRow* out) {
  float v[kMostSideBySide][kSideBySide], top[kSideBySide], own[kSideBySide];
  std::int32_t truth[kSideBySide], at[kSideBySide] = {}, before[kSideBySide] = {}, broken[kSideBySide] = {};
  for (int r = 0; r < kSideBySide; ++r) {
    for (int k = 0; k < classes; ++k) v[k][r] = values[r * classes + k];
    truth[r] = label[r];
    own[r] = values[r * classes + truth[r]];
    top[r] = kLowest;
  }
  for (int k = 0; k < classes; ++k)
    for (int r = 0; r < kSideBySide; ++r) {
      const float x = v[k][r];
      const bool sound = kLogits ? finite(x) : (x >= 0.f) & (x <= 1.f);
      const bool above = x > top[r], first = (x > own[r]) | ((x == own[r]) & (k < truth[r]));
      broken[r] |= sound ? 0 : 1;
      at[r] = above ? k : at[r];
      top[r] = above ? x : top[r];
      before[r] += first ? 1 : 0;
    }

  SideBySide p;
  for (int k = 0; k < classes; ++k)
    for (int r = 0; r < kSideBySide; ++r) {
      const auto x = static_cast<double>(v[k][r]);
      p[k][r] = kLogits ? exp_nonpositive(x - static_cast<double>(top[r])) : x;
    }
  double sum[kSideBySide], confidence[kSideBySide], brier[kSideBySide];
  if constexpr (kLogits) {
    sum_rows(p, classes, sum);
    for (int k = 0; k < classes; ++k)
      for (int r = 0; r < kSideBySide; ++r) p[k][r] /= sum[r];
  }
  for (int r = 0; r < kSideBySide; ++r) confidence[r] = p[at[r]][r];
  for (int k = 0; k < classes; ++k)
    for (int r = 0; r < kSideBySide; ++r) {
      const double gap = p[k][r] - (k == truth[r] ? 1.0 : 0.0);
      p[k][r] = gap * gap;
    }
  sum_rows(p, classes, brier);

  for (int r = 0; r < kSideBySide; ++r) {
    const unsigned known = flags == nullptr ? 0u : flags[r];
    if (broken[r] != 0 || (known & SampleRow::undecided) != 0) {
      out[r] = undecided_row(known);
      continue;
    }
    const auto z = static_cast<double>(own[r]);
    double nll = INFINITY;
    if constexpr (kLogits)
      nll = -(z - static_cast<double>(top[r]) - log_positive(sum[r]));
    else if (z > 0)
      nll = -log_positive(z);
    const unsigned found =
        (at[r] == truth[r] ? unsigned{SampleRow::correct} : 0u) | (before[r] < 5 ? unsigned{SampleRow::top5} : 0u);
    out[r] = {static_cast<std::uint16_t>(at[r]), static_cast<std::uint16_t>(known | found),
              static_cast<float>(confidence[r]), static_cast<float>(nll), static_cast<float>(brier[r])};
  }
}

/// On a CPU scores as many of the rows as make whole groups, unless there are too many classes; returns how many.
template <bool kLogits>
std::int64_t score_groups(const Exec& exec, std::int64_t rows, int classes, const float* values,
                          const std::uint16_t* label, const std::uint16_t* flags, SampleRow* out) {
  if (exec.backend != Backend::cpu || classes > kMostSideBySide) return 0;
  const std::int64_t whole = rows / kSideBySide * kSideBySide;
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < whole; row += kSideBySide)
    score_side_by_side<kLogits>(classes, values + row * classes, label + row, flags == nullptr ? nullptr : flags + row,
                                out + row);
  return whole;
}

}  // namespace assay
