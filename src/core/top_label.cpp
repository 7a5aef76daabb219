#include "core/top_label.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/score.hpp"

namespace assay {
namespace {

// Eight rows side by side: a row's few classes would leave most of a vector to its horizontal steps.
constexpr int kLanes = 8;
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = std::int32_t __attribute__((vector_size(4 * kLanes)));
using Longs = std::int64_t __attribute__((vector_size(4 * kLanes)));
using Shorts = std::uint16_t __attribute__((vector_size(2 * kLanes)));
using Rows = const float* const (&)[kLanes];

/// Four floats at any address.
using Four = float __attribute__((vector_size(16), aligned(4), may_alias));

/// Eight rows, class by class.
struct Scan {
  Floats top = Floats{} - 1.f, sum = Floats{};  // what is below 0 everywhere is no probability
  Ints at = Ints{}, signs = Ints{};

  Scan(Rows row, int classes) {
    int first = 0;
    for (; first + 4 <= classes; first += 4) four(row, first);
    if ((classes & 2) != 0) two(row, first);
    if ((classes & 1) != 0) {
      const int last = classes - 1;
      add(Floats{row[0][last], row[1][last], row[2][last], row[3][last], row[4][last], row[5][last], row[6][last],
                 row[7][last]});
    }
  }

 private:
  Ints k = Ints{};  ///< the next class

  // Rows i and i + 4 are the halves of a vector, so that shuffles need not cross from one to the other.
  void four(Rows row, int first) {
    Floats in[4], pair[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
      in[i] = __builtin_shufflevector(*reinterpret_cast<const Four*>(row[i] + first),
                                      *reinterpret_cast<const Four*>(row[i + 4] + first), 0, 1, 2, 3, 4, 5, 6, 7);
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      pair[i] = __builtin_shufflevector(in[2 * i], in[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
      pair[i + 2] = __builtin_shufflevector(in[2 * i], in[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 4; i += 2) {
      add(__builtin_shufflevector(pair[i], pair[i + 1], 0, 1, 8, 9, 4, 5, 12, 13));
      add(__builtin_shufflevector(pair[i], pair[i + 1], 2, 3, 10, 11, 6, 7, 14, 15));
    }
  }
  void two(Rows row, int first) {
    const auto both = [&](int i) {
      std::int64_t values;
      std::memcpy(&values, row[i] + first, sizeof values);
      return values;
    };
    const auto low = reinterpret_cast<Floats>(Longs{both(0), both(1), both(4), both(5)});
    const auto high = reinterpret_cast<Floats>(Longs{both(2), both(3), both(6), both(7)});
    add(__builtin_shufflevector(low, high, 0, 2, 8, 10, 4, 6, 12, 14));
    add(__builtin_shufflevector(low, high, 1, 3, 9, 11, 5, 7, 13, 15));
  }
  void add(const Floats& value) {
    const Ints above = value > top;
    top = above ? value : top;
    at = above ? k : at;
    sum += value;
    signs |= reinterpret_cast<Ints>(value);
    k += 1;
  }
};

/// What is known of eight rows.
struct Eight {
  Longs out[4];  ///< eight SampleRows
  Ints sound;    ///< -1 or 0 each

  Eight(Rows row, int classes, const Shorts& labels, float tolerance) {
    const Scan scan(row, classes);
    const Floats off = scan.sum - 1.f;
    // Comparisons are -1 where they hold, NaN holds for none.
    sound = (scan.signs >= 0) & (off < tolerance) & (-off < tolerance);
    const Ints decided = scan.top <= 1.f, right = scan.at == __builtin_convertvector(labels, Ints);
    const Ints flags = decided ? right & (Ints{} + int{SampleRow::correct}) : Ints{} + int{SampleRow::undecided};
    const Ints start = (decided ? scan.at : Ints{} + int{kNoPrediction}) | flags << 16;
    const auto confidence = reinterpret_cast<Ints>(decided ? scan.top : Floats{});
    static_assert(sizeof out == kLanes * sizeof(SampleRow) && offsetof(SampleRow, prediction) == 0 &&
                  offsetof(SampleRow, flags) == 2 && offsetof(SampleRow, confidence) == 4);
    const Longs starts[2] = {
        reinterpret_cast<Longs>(__builtin_shufflevector(start, confidence, 0, 8, 1, 9, 4, 12, 5, 13)),
        reinterpret_cast<Longs>(__builtin_shufflevector(start, confidence, 2, 10, 3, 11, 6, 14, 7, 15))};
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const Longs even = __builtin_shufflevector(starts[i], Longs{}, 0, 4, 2, 6);
      const Longs odd = __builtin_shufflevector(starts[i], Longs{}, 1, 5, 3, 7);
      out[i] = __builtin_shufflevector(even, odd, 0, 1, 4, 5);
      out[i + 2] = __builtin_shufflevector(even, odd, 2, 3, 6, 7);
    }
  }
};

/// Rows of a thread at once.
constexpr std::int64_t kAtOnce = 1024;

/// Of up to kAtOnce rows, what top_labels says of all.
bool some_top_labels(std::int64_t n, int classes, const float* probabilities, const std::uint16_t* labels,
                     float tolerance, SampleRow* out) {
  Ints sound = Ints{} - 1;
  const float* row[kLanes];
  Shorts truth = {};
  for (; n >= kLanes; n -= kLanes) {
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; ++i) row[i] = probabilities + std::int64_t{i} * classes;
    std::memcpy(&truth, labels, sizeof truth);
    const Eight eight(row, classes, truth, tolerance);
    std::memcpy(out, eight.out, sizeof eight.out);
    sound &= eight.sound;
    probabilities += std::int64_t{kLanes} * classes;
    labels += kLanes;
    out += kLanes;
  }
  if (n > 0) {  // the last row several times
    for (int i = 0; i < kLanes; ++i) row[i] = probabilities + std::min<std::int64_t>(i, n - 1) * classes;
    std::memcpy(&truth, labels, static_cast<std::size_t>(n) * sizeof *labels);
    const Eight eight(row, classes, truth, tolerance);
    std::memcpy(out, eight.out, static_cast<std::size_t>(n) * sizeof *out);
    sound &= eight.sound;
  }
  bool all = true;
  for (int i = 0; i < kLanes; ++i) all = all && sound[i] != 0;
  return all;
}

}  // namespace

bool top_labels(std::int64_t n, int classes, const float* probabilities, const std::uint16_t* labels, float tolerance,
                SampleRow* out) {
  bool sound = true;
#pragma omp parallel for schedule(static) reduction(&& : sound)
  for (std::int64_t first = 0; first < n; first += kAtOnce) {
    const bool fits = some_top_labels(std::min(kAtOnce, n - first), classes, probabilities + first * classes,
                                      labels + first, tolerance, out + first);
    sound = sound && fits;
  }
  return sound;
}

}  // namespace assay
