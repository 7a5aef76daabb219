#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "assay/output_metric.hpp"
#include "metrics/metric_kernel.hpp"

// Prediction sets of split conformal prediction (Vovk et al. 2005; Angelopoulos & Bates 2021, arXiv:2107.07511): the
// classes whose nonconformity is at most a quantile of that of held-out labels. Not randomised; a set may be empty.
namespace assay {

/// count and covered, by size of the set: 0 to `classes`.
inline std::int64_t conformal_words(int classes) {
  return 2 * (static_cast<std::int64_t>(classes) + 1);
}

/// Classes by falling probability, equal ones by index, until f(class, nonconformity) is false.
template <class Penalty>
class ByProbability {
 public:
  template <class F>
  void each(const float* p, int classes, const F& f) {
    order_.resize(static_cast<std::size_t>(classes));
    std::iota(order_.begin(), order_.end(), 0);
    std::ranges::sort(order_, [p](int a, int b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
    double mass = 0;
    int rank = 0;
    for (const int k : order_) {
      mass += static_cast<double>(p[k]);
      if (!f(k, mass + Penalty::of(++rank))) return;
    }
  }

 private:
  std::vector<int> order_;
};

/// Nonconformity: the probability of all classes down to the label, and a penalty for its rank.
template <class Penalty>
struct Cumulative {
  static void nonconformity(const Outputs& held_out, double* scores) {
#pragma omp parallel
    {
      ByProbability<Penalty> by_probability;
#pragma omp for schedule(static)
      for (std::int64_t i = 0; i < held_out.n; ++i) {
        scores[i] = std::numeric_limits<double>::infinity();
        if (held_out.rows[i].has(SampleRow::undecided)) continue;
        by_probability.each(held_out.probabilities + i * held_out.classes, held_out.classes, [&](int k, double score) {
          if (k == held_out.labels[i]) scores[i] = score;
          return k != held_out.labels[i];
        });
      }
    }
  }
  static void reduce(const Outputs& outputs, double threshold, std::uint64_t* state) {
    ByProbability<Penalty> by_probability;
    for (std::int64_t i = 0; i < outputs.n; ++i) {
      int size = 0;
      bool covered = false;
      if (!outputs.rows[i].has(SampleRow::undecided))
        by_probability.each(outputs.probabilities + i * outputs.classes, outputs.classes, [&](int k, double score) {
          if (!(score <= threshold)) return false;
          ++size;
          covered = covered || k == outputs.labels[i];
          return true;
        });
      ++state[2 * size];
      state[2 * size + 1] += covered ? 1 : 0;
    }
  }
};

inline Estimate finish_conformal(const std::uint64_t* state, int classes) {
  std::uint64_t n = 0, covered = 0;
  double sizes = 0, worst = std::numeric_limits<double>::quiet_NaN();
  int largest = 0;
  for (int size = 0; size <= classes; ++size) {
    const std::uint64_t count = state[2 * size], right = state[2 * size + 1];
    if (count == 0) continue;
    n += count;
    covered += right;
    sizes += static_cast<double>(size) * static_cast<double>(count);
    worst = std::fmin(worst, static_cast<double>(right) / static_cast<double>(count));
    largest = size;
  }
  Estimate estimate = rate_estimate(covered, n, 0);
  if (n == 0) return estimate;
  estimate.curves["mean_size"] = {sizes / static_cast<double>(n)};
  estimate.curves["size_stratified_coverage"] = {worst};
  for (int size = 0; size <= largest; ++size) {
    estimate.curves["count_by_size"].push_back(static_cast<double>(state[2 * size]));
    estimate.curves["covered_by_size"].push_back(static_cast<double>(state[2 * size + 1]));
  }
  return estimate;
}

}  // namespace assay
