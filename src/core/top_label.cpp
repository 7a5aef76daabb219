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

// At any address, of any type.
using FourAnywhere = float __attribute__((vector_size(16), aligned(4), may_alias));
using LongsAnywhere = std::int64_t __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
using ShortsAnywhere = std::uint16_t __attribute__((vector_size(2 * kLanes), aligned(2), may_alias));

/// The largest numbers of eight rows so far, and their classes: the first of equal ones.
struct Best {
  Floats top;
  Ints at;

  Best or_later(const Best& other) const {
    const Ints above = other.top > top;
    return {above ? other.top : top, above ? other.at : at};
  }
};

/// Eight rows, several classes at a time.
struct Scan {
  Best best = {Floats{} - 1.f, Ints{}};  // what is below 0 everywhere is no probability
  Floats sum = Floats{};
  Ints signs = Ints{};

  Scan(Rows row, int classes) {
    int first = 0;
    Floats total = Floats{};
    for (int whole = classes - classes % kSummed; first < whole; total += sum, sum = Floats{})
      for (int k = 0; k < kSummed; k += 4, first += 4) four(row, first);
    for (; first + 4 <= classes; first += 4) four(row, first);
    if ((classes & 2) != 0) {
      two(row, first);
      first += 2;
    }
    if ((classes & 1) != 0)
      add(1, seen(0, Floats{row[0][first], row[1][first], row[2][first], row[3][first], row[4][first], row[5][first],
                            row[6][first], row[7][first]}));
    sum += total;
  }

 private:
  /// Numbers that are summed on their own: of 65,535 in a row, the roundings would reach the tolerance.
  static constexpr int kSummed = 1024;
  Ints next = Ints{};  ///< class

  // Rows i and i + 4 are the halves of a vector, so that shuffles need not cross from one to the other.
  void four(Rows row, int first) {
    Floats in[4], pair[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
      in[i] =
          __builtin_shufflevector(*reinterpret_cast<const FourAnywhere*>(row[i] + first),
                                  *reinterpret_cast<const FourAnywhere*>(row[i + 4] + first), 0, 1, 2, 3, 4, 5, 6, 7);
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      pair[i] = __builtin_shufflevector(in[2 * i], in[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
      pair[i + 2] = __builtin_shufflevector(in[2 * i], in[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    Best half[2];
#pragma GCC unroll 2
    for (int i = 0; i < 4; i += 2)
      half[i / 2] =
          seen(i, __builtin_shufflevector(pair[i], pair[i + 1], 0, 1, 8, 9, 4, 5, 12, 13))
              .or_later(seen(i + 1, __builtin_shufflevector(pair[i], pair[i + 1], 2, 3, 10, 11, 6, 7, 14, 15)));
    add(4, half[0].or_later(half[1]));
  }
  void two(Rows row, int first) {
    const auto both = [&](int i) {
      std::int64_t values;
      std::memcpy(&values, row[i] + first, sizeof values);
      return values;
    };
    const auto low = reinterpret_cast<Floats>(Longs{both(0), both(1), both(4), both(5)});
    const auto high = reinterpret_cast<Floats>(Longs{both(2), both(3), both(6), both(7)});
    add(2, seen(0, __builtin_shufflevector(low, high, 0, 2, 8, 10, 4, 6, 12, 14))
               .or_later(seen(1, __builtin_shufflevector(low, high, 1, 3, 9, 11, 5, 7, 13, 15))));
  }
  Best seen(int k, const Floats& value) {
    sum += value;
    signs |= reinterpret_cast<Ints>(value);
    return {value, Ints{} + k};
  }
  void add(int classes, const Best& of) {
    best = best.or_later({of.top, of.at + next});
    next += classes;
  }
};

/// Where -1 is in a lane, and 0 elsewhere.
struct Found {
  Ints sound, decided;
};

/// Writes what is known of eight rows.
[[gnu::always_inline]] inline Found eight(Rows row, int classes, Shorts labels, float tolerance, SampleRow* out) {
  const Scan scan(row, classes);
  const Floats off = scan.sum - 1.f, top = scan.best.top;
  // Comparisons are -1 where they hold, NaN holds for none.
  const Ints decided = top <= 1.f, right = scan.best.at == __builtin_convertvector(labels, Ints);
  const Ints flags = decided ? right & (Ints{} + int{SampleRow::correct}) : Ints{} + int{SampleRow::undecided};
  const Ints start = (decided ? scan.best.at : Ints{} + int{kNoPrediction}) | flags << 16;
  const auto confidence = reinterpret_cast<Ints>(decided ? top : Floats{});
  static_assert(kLanes * sizeof(SampleRow) == 4 * sizeof(Longs) && offsetof(SampleRow, prediction) == 0 &&
                offsetof(SampleRow, flags) == 2 && offsetof(SampleRow, confidence) == 4);
  const Longs starts[2] = {
      reinterpret_cast<Longs>(__builtin_shufflevector(start, confidence, 0, 8, 1, 9, 4, 12, 5, 13)),
      reinterpret_cast<Longs>(__builtin_shufflevector(start, confidence, 2, 10, 3, 11, 6, 14, 7, 15))};
  auto* rows = reinterpret_cast<LongsAnywhere*>(out);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Longs even = __builtin_shufflevector(starts[i], Longs{}, 0, 4, 2, 6);
    const Longs odd = __builtin_shufflevector(starts[i], Longs{}, 1, 5, 3, 7);
    rows[i] = __builtin_shufflevector(even, odd, 0, 1, 4, 5);
    rows[i + 2] = __builtin_shufflevector(even, odd, 2, 3, 6, 7);
  }
  return {(scan.signs >= 0) & (off < tolerance) & (-off < tolerance), decided};
}

/// Of some rows of top_labels how many are undecided; -1: some row is not sound.
std::int64_t some_top_labels(std::int64_t n, int classes, const float* probabilities, const std::uint16_t* labels,
                             float tolerance, SampleRow* out) {
  // As far as eight rows are less than a page, memory is read in one stream, which processors follow to a page's end.
  constexpr int kLine = 16, kPage = 1024;
  const int ahead = kLanes * classes < kPage ? kLanes * classes : 0;
  Ints sound = Ints{} - 1, decided = Ints{};
  std::int64_t left = n;
  const float* row[kLanes];
  for (; left >= kLanes; left -= kLanes) {
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; ++i) row[i] = probabilities + std::int64_t{i} * classes;
    for (int i = 0; i < ahead; i += kLine) __builtin_prefetch(probabilities + kPage + i);
    const Found found = eight(row, classes, *reinterpret_cast<const ShortsAnywhere*>(labels), tolerance, out);
    sound &= found.sound;
    decided += found.decided;
    probabilities += std::int64_t{kLanes} * classes;
    labels += kLanes;
    out += kLanes;
  }
  if (left > 0) {  // the last row several times
    for (int i = 0; i < kLanes; ++i) row[i] = probabilities + std::min<std::int64_t>(i, left - 1) * classes;
    Shorts truth = {};
    std::memcpy(&truth, labels, static_cast<std::size_t>(left) * sizeof *labels);
    SampleRow rows[kLanes];
    const Found found = eight(row, classes, truth, tolerance, rows);
    sound &= found.sound;
    decided += found.decided & (Ints{0, 1, 2, 3, 4, 5, 6, 7} < static_cast<std::int32_t>(left));
    std::copy_n(rows, left, out);
  }
  bool all = true;
  std::int64_t undecided = n;
  for (int i = 0; i < kLanes; ++i) {
    all = all && sound[i] != 0;
    undecided += decided[i];
  }
  return all ? undecided : -1;
}

}  // namespace

std::optional<std::int64_t> top_labels(std::int64_t n, int classes, const float* probabilities,
                                       const std::uint16_t* labels, float tolerance, SampleRow* out) {
  constexpr int kValues = 1 << 13;  // of a thread at a time
  const std::int64_t at_once = std::max(1, kValues / classes / kLanes) * kLanes;
  bool sound = true;
  std::int64_t undecided = 0;
#pragma omp parallel for schedule(static) reduction(&& : sound) reduction(+ : undecided)
  for (std::int64_t first = 0; first < n; first += at_once) {
    const std::int64_t found = some_top_labels(std::min(at_once, n - first), classes, probabilities + first * classes,
                                               labels + first, tolerance, out + first);
    sound = sound && found >= 0;
    undecided += found;
  }
  return sound ? std::optional(undecided) : std::nullopt;
}

}  // namespace assay
