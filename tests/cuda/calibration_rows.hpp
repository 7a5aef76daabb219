#pragma once
#include <vector>

#include "cuda/metric_run.hpp"

namespace assay {

inline SampleRow sample(float confidence, bool right) {
  return {0, static_cast<std::uint16_t>(right ? SampleRow::correct : 0), confidence, 0.f, 0.f};
}

/// Bin 7 of 15 (.467 to .533): 4 samples of .5, 3 right, gap .25. Bin 13 (.867 to .933): 2 of .875, none right, gap
/// .875. Bin 0: one of .0625, wrong.
inline std::vector<SampleRow> three_bins() {
  return {sample(.5f, true),    sample(.5f, true),    sample(.5f, true),    sample(.5f, false),
          sample(.875f, false), sample(.875f, false), sample(.0625f, false)};
}

/// Multiples of 1/64 from 0 to 1, none on an edge of 15 bins but the outer ones; of 90, 77 are right.
inline std::vector<SampleRow> many_bins(int n) {
  std::vector<SampleRow> rows;
  for (int i = 0; i < n; ++i) {
    const int of64 = (7 * i * i + 11 * i) % 65;
    rows.push_back(sample(static_cast<float>(of64) / 64.f, (5 * i * i + 3 * i) % 7 < 3 || 13 * i % 64 < of64));
  }
  return rows;
}

/// 60 confidences, no two alike; 36 samples are right.
inline std::vector<SampleRow> no_ties() {
  std::vector<SampleRow> rows;
  for (int i = 0; i < 60; ++i) rows.push_back(sample(static_cast<float>(37 * i % 61 + 1) / 64.f, (i * i + i) % 5 < 2));
  return rows;
}

}  // namespace assay
