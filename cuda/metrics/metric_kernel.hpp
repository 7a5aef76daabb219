#pragma once
#include <limits>
#include <type_traits>

#include "assay/core/team.hpp"
#include "assay/metric.hpp"
#include "assay/statistics.hpp"

namespace assay {

/// Adds to a metric's state, which others add to at the same time.
struct SharedTally {
  std::uint64_t* state;
  ASSAY_HD void add(int word, std::uint64_t amount) const {
    if (amount != 0) atomic_add(state + word, amount);
  }
};
/// Adds to a state of one's own.
struct OwnTally {
  std::uint64_t* state;
  ASSAY_HD void add(int word, std::uint64_t amount) const { state[word] += amount; }
};

constexpr std::int64_t kRowsPerTeam = 4096;

/// Runs M::observe(row, tally) on every sample.
template <class M>
struct MetricKernel {
  const SampleRow* rows;
  std::int64_t n;
  std::uint64_t* state;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t chunk) const {
    const std::int64_t first = chunk * kRowsPerTeam;
    const SampleRow* from = rows + first;
    const std::int64_t count = n - first < kRowsPerTeam ? n - first : kRowsPerTeam;
    const SharedTally shared{state};
    if constexpr (std::is_same_v<Team, SerialTeam>) {  // an atomic addition takes as long as all else of a row
      std::uint64_t sums[M::kWords] = {};
      if constexpr (requires { M::observe_batch(from, 0, OwnTally{sums}); }) {
        for (std::int64_t i = 0; i < count; i += M::kBatch)
          M::observe_batch(from + i, static_cast<int>(count - i < M::kBatch ? count - i : M::kBatch), OwnTally{sums});
      } else {
        // In turn to two sums, as one that has just been added to is not at hand yet.
        std::uint64_t others[M::kWords] = {};
        std::int64_t i = 0;
        for (; i + 1 < count; i += 2) {
          M::observe(from[i], OwnTally{sums});
          M::observe(from[i + 1], OwnTally{others});
        }
        if (i < count) M::observe(from[i], OwnTally{sums});
        for (int word = 0; word < M::kWords; ++word) sums[word] += others[word];
      }
      for (int word = 0; word < M::kWords; ++word) shared.add(word, sums[word]);
    } else {
      team.each(count, [=](std::int64_t i) { M::observe(from[i], shared); });
    }
  }
};

template <class M>
void launch_metric(const Exec& exec, const SampleRow* rows, std::int64_t n, std::uint64_t* state) {
  for_each_team(exec, (n + kRowsPerTeam - 1) / kRowsPerTeam, MetricKernel<M>{rows, n, state});
}

/// x in [0, 1] (or a small multiple) in units of 2^-32, truncated. By way of a signed number, which x86 converts to in
/// one instruction.
ASSAY_HD std::uint64_t fixed32(double x) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(x * 4294967296.0));
}

inline Estimate undefined_estimate(const std::string& why = {}) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  return {kNone, kNone, kNone, kNone, {}, why};
}
/// Why what leaves undecided samples out has no value.
constexpr const char* kNoneDecided = "no sample was decided";
inline Estimate point_estimate(double value) {
  Estimate e = undefined_estimate();
  e.value = value;
  return e;
}

/// A rate k / n with Wilson's 95% score interval. `unknown` samples could have counted: they widen the interval
/// upwards, to Wilson's bound for k + unknown.
inline Estimate rate_estimate(std::uint64_t k, std::uint64_t n, std::uint64_t unknown) {
  if (n == 0) return undefined_estimate("no samples");
  constexpr double kConfidence = 0.95;
  return {static_cast<double>(k) / static_cast<double>(n),
          wilson(k, n, kConfidence).lo,
          wilson(k + unknown, n, kConfidence).hi,
          kConfidence,
          {}};
}

inline bool every_cell(CellKind) {
  return true;
}
inline bool attacked_cell(CellKind kind) {
  return kind == CellKind::attacked;
}

/// A metric that is the share of samples with a property: Test::holds(row), and Test::unknown(row) where undecided.
template <class Test>
struct Rate {
  static constexpr int kWords = 3;  // n, holds, unknown
  template <class Tally>
  ASSAY_HD static void observe(const SampleRow& row, const Tally& tally) {
    tally.add(0, 1);
    tally.add(1, Test::holds(row) ? 1 : 0);
    tally.add(2, Test::unknown(row) ? 1 : 0);
  }
  static Estimate finish(const std::uint64_t* s) { return rate_estimate(s[1], s[0], s[2]); }
};

}  // namespace assay
