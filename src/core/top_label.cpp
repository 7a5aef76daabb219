#include "core/top_label.hpp"

#include <algorithm>

namespace assay {
namespace {

// Eight rows side by side: a row's few classes would leave most of a vector to its horizontal steps.
constexpr int kLanes = 8;
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = std::int32_t __attribute__((vector_size(4 * kLanes)));

struct Scan {
  Floats top, sum;
  Ints at, signs;

  Scan(const float* const (&row)[kLanes], int classes) {
    const auto column = [&](int k) {
      return Floats{row[0][k], row[1][k], row[2][k], row[3][k], row[4][k], row[5][k], row[6][k], row[7][k]};
    };
    top = sum = column(0);
    at = Ints{};
    signs = reinterpret_cast<Ints>(top);
    for (int k = 1; k < classes; ++k) {
      const Floats value = column(k);
      const Ints above = value > top;
      top = above ? value : top;
      at = above ? Ints{} + k : at;
      sum += value;
      signs |= reinterpret_cast<Ints>(value);
    }
  }
};

}  // namespace

bool top_labels(std::int64_t n, int classes, const float* probabilities, const std::uint16_t* labels, float tolerance,
                SampleRow* out) {
  bool sound = true;
#pragma omp parallel for schedule(static) reduction(&& : sound)
  for (std::int64_t first = 0; first < n; first += kLanes) {
    const int lanes = static_cast<int>(std::min<std::int64_t>(kLanes, n - first));
    const float* row[kLanes];
    for (int i = 0; i < kLanes; ++i) row[i] = probabilities + (first + std::min(i, lanes - 1)) * classes;
    const Scan scan(row, classes);
    for (int i = 0; i < lanes; ++i) {
      const float off = scan.sum[i] - 1.f;
      sound = sound && scan.signs[i] >= 0 && off < tolerance && -off < tolerance;
      const bool right = scan.at[i] == labels[first + i];
      out[first + i] = scan.top[i] <= 1.f
                           ? SampleRow{static_cast<std::uint16_t>(scan.at[i]),
                                       static_cast<std::uint16_t>(right ? SampleRow::correct : 0), scan.top[i], 0, 0}
                           : SampleRow{0xFFFF, SampleRow::undecided, 0, 0, 0};
    }
  }
  return sound;
}

}  // namespace assay
