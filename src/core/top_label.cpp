#include "core/top_label.hpp"

#include <algorithm>
#include <cstring>

#include "core/score.hpp"

namespace assay {
namespace {

// Eight rows side by side: a row's few classes would leave most of a vector to its horizontal steps.
constexpr int kLanes = 8;
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = std::int32_t __attribute__((vector_size(4 * kLanes)));

/// Floats at any address.
using Anywhere = float __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
using Rows = const float* const (&)[kLanes];

/// Classes first .. first + 7 of eight rows, by class.
struct Block {
  Floats column[kLanes];

  Block(Rows row, int first) {
    Floats in[kLanes], pair[kLanes], quad[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; ++i) in[i] = *reinterpret_cast<const Anywhere*>(row[i] + first);
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; i += 2) {
      pair[i] = __builtin_shufflevector(in[i], in[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
      pair[i + 1] = __builtin_shufflevector(in[i], in[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; i += 4)
#pragma GCC unroll 8
      for (int k = 0; k < 2; ++k) {
        quad[i + 2 * k] = __builtin_shufflevector(pair[i + k], pair[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        quad[i + 2 * k + 1] = __builtin_shufflevector(pair[i + k], pair[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
      }
#pragma GCC unroll 8
    for (int k = 0; k < 4; ++k) {
      column[k] = __builtin_shufflevector(quad[k], quad[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
      column[k + 4] = __builtin_shufflevector(quad[k], quad[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
  }
};

/// Eight rows, class by class.
struct Scan {
  Floats top = Floats{} - 1.f, sum = Floats{};  // what is below 0 everywhere is no probability
  Ints at = Ints{}, signs = Ints{};

  Scan(Rows row, int classes) {
    if (classes < kLanes) {
      for (int k = 0; k < classes; ++k)
        add(k, Floats{row[0][k], row[1][k], row[2][k], row[3][k], row[4][k], row[5][k], row[6][k], row[7][k]});
      return;
    }
    int first = 0;
    for (; first + kLanes <= classes; first += kLanes) {
      const Block block(row, first);
#pragma GCC unroll 8
      for (int k = 0; k < kLanes; ++k) add(first + k, block.column[k]);
    }
    if (first == classes) return;
    const Block last(row, classes - kLanes);
    for (int k = kLanes - (classes - first); k < kLanes; ++k) add(classes - kLanes + k, last.column[k]);
  }
  void add(int k, const Floats& value) {
    const Ints above = value > top;
    top = above ? value : top;
    at = above ? Ints{} + k : at;
    sum += value;
    signs |= reinterpret_cast<Ints>(value);
  }
};

}  // namespace

bool top_labels(std::int64_t n, int classes, const float* probabilities, const std::uint16_t* labels, float tolerance,
                SampleRow* out) {
  using Shorts = std::uint16_t __attribute__((vector_size(2 * kLanes)));
  bool sound = true;
#pragma omp parallel for schedule(static) reduction(&& : sound)
  for (std::int64_t first = 0; first < n; first += kLanes) {
    const int lanes = static_cast<int>(std::min<std::int64_t>(kLanes, n - first));
    const float* row[kLanes];
    Shorts truth = {};
    for (int i = 0; i < kLanes; ++i) row[i] = probabilities + (first + std::min(i, lanes - 1)) * classes;
    if (lanes == kLanes)
      std::memcpy(&truth, labels + first, sizeof truth);
    else
      for (int i = 0; i < lanes; ++i) truth[i] = labels[first + i];
    const Scan scan(row, classes);
    const Floats off = scan.sum - 1.f;
    // Comparisons are -1 where they hold, NaN holds for none.
    const Ints fits = (scan.signs >= 0) & (off < tolerance) & (-off < tolerance), decided = scan.top <= 1.f;
    const Ints right = scan.at == __builtin_convertvector(truth, Ints);
    const Ints flags = decided ? right & (Ints{} + int{SampleRow::correct}) : Ints{} + int{SampleRow::undecided};
    const Ints prediction = decided ? scan.at : Ints{} + int{kNoPrediction};
    const Floats confidence = decided ? scan.top : Floats{};
    int fit = -1;
    for (int i = 0; i < kLanes; ++i) fit &= fits[i];
    sound = sound && fit != 0;
    for (int i = 0; i < lanes; ++i)
      out[first + i] = {static_cast<std::uint16_t>(prediction[i]), static_cast<std::uint16_t>(flags[i]), confidence[i],
                        0.f, 0.f};
  }
  return sound;
}

}  // namespace assay
