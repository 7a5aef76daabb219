#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

// Statistics that tests put to random numbers. Seeds are fixed, so that a bound which holds once holds always.
namespace assay {

/// Mean and variance of a sample.
struct Moments {
  double mean = 0, variance = 0;
};
template <class T>
Moments moments(const std::vector<T>& values) {
  Moments m;
  for (const T v : values) m.mean += static_cast<double>(v);
  m.mean /= static_cast<double>(values.size());
  for (const T v : values) m.variance += (static_cast<double>(v) - m.mean) * (static_cast<double>(v) - m.mean);
  m.variance /= static_cast<double>(values.size() - 1);
  return m;
}

/// Kolmogorov-Smirnov distance to a continuous distribution, times sqrt(n): below 1.95 with probability 0.999.
template <class Cdf>
double ks_statistic(std::vector<double> values, const Cdf& cdf) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = cdf(values[i]);
    worst = std::max({worst, static_cast<double>(i + 1) / n - expected, expected - static_cast<double>(i) / n});
  }
  return worst * std::sqrt(n);
}
constexpr double kKsBound = 1.95;

inline double uniform_cdf(double x) {
  return std::clamp(x, 0.0, 1.0);
}
inline double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

/// Pearson's chi-squared of observed against expected counts, in standard deviations above its mean. Cells that expect
/// fewer than 10 are counted together.
inline double chi_squared_sigmas(const std::vector<double>& observed, const std::vector<double>& expected) {
  double statistic = 0, rest_observed = 0, rest_expected = 0;
  int cells = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    if (expected[i] < 10) {
      rest_observed += observed[i];
      rest_expected += expected[i];
      continue;
    }
    statistic += (observed[i] - expected[i]) * (observed[i] - expected[i]) / expected[i];
    ++cells;
  }
  if (rest_expected >= 1) {
    statistic += (rest_observed - rest_expected) * (rest_observed - rest_expected) / rest_expected;
    ++cells;
  }
  const double freedom = cells - 1;
  return (statistic - freedom) / std::sqrt(2 * freedom);
}

}  // namespace assay
