#include "assay/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "assay/core/error.hpp"
#include "assay/core/philox.hpp"

namespace assay {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

void expect(bool holds, const std::string& otherwise) {
  if (!holds) throw Error(ExitCode::internal, otherwise);
}

void check_confidence(double confidence) {
  expect(confidence > 0 && confidence < 1, fmt::format("a confidence of {}, expected one between 0 and 1", confidence));
}

void check_rate(std::uint64_t k, std::uint64_t n, double confidence) {
  expect(k <= n, fmt::format("a rate of {} in {}", k, n));
  check_confidence(confidence);
}

double normal_quantile(double p) {
  return boost::math::quantile(boost::math::normal(), p);
}
double normal_cdf(double z) {
  return boost::math::cdf(boost::math::normal(), z);
}

/// Binomial(b + c, 1/2) at the smaller of both.
struct Discordant {
  double below_or_at, at;
};
Discordant discordant(std::uint64_t b, std::uint64_t c) {
  const boost::math::binomial pairs(static_cast<double>(b + c), 0.5);
  const auto fewer = static_cast<double>(std::min(b, c));
  return {boost::math::cdf(pairs, fewer), boost::math::pdf(pairs, fewer)};
}

/// Indices of p-values, the smallest first.
std::vector<std::size_t> rising(std::span<const double> p) {
  for (const double value : p) expect(value >= 0 && value <= 1, fmt::format("a p-value of {}", value));
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(p[i], i); });
  return order;
}

std::vector<double> sorted_numbers(std::span<const double> values) {
  std::vector<double> numbers;
  std::ranges::copy_if(values, std::back_inserter(numbers), [](double v) { return !std::isnan(v); });
  std::ranges::sort(numbers);
  return numbers;
}

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty() || std::isnan(q)) return kNone;
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const double low = sorted[below], high = sorted[std::min(below + 1, sorted.size() - 1)];
  return low + (high - low) * (at - static_cast<double>(below));
}

Draw weights_of(std::uint64_t seed, std::uint32_t sample) {
  static const std::uint32_t stream = stream_id("statistics", "bootstrap", 0, -1, "weights");
  return {seed, stream, sample};
}

/// Poisson(1) of 32 random bits.
std::uint32_t poisson(std::uint32_t word) {
  // floor(2^32 P(Poisson(1) <= k))
  constexpr std::array<std::uint32_t, 12> kBelow = {1580030168, 3160060337, 3950075421, 4213413783,
                                                    4279248373, 4292415291, 4294609777, 4294923276,
                                                    4294962463, 4294966817, 4294967252, 4294967292};
  std::uint32_t k = 0;
  while (k < kBelow.size() && word >= kBelow[k]) ++k;
  return k;
}

constexpr double kUnit = 0x1p-32;
constexpr double kLargest = 0x1p20;

}  // namespace

Interval wilson(std::uint64_t k, std::uint64_t n, double confidence) {
  check_rate(k, n, confidence);
  if (n == 0) return {0, 1};
  const double z = normal_quantile((1 + confidence) / 2), z2 = z * z;
  const auto count = static_cast<double>(n);
  const double p = static_cast<double>(k) / count;
  const double centre = p + z2 / (2 * count);
  const double half = z * std::sqrt(p * (1 - p) / count + z2 / (4 * count * count));
  // The bounds reach 0 and 1 exactly for none and all; rounding must not move them inwards or past.
  return {k == 0 ? 0.0 : (centre - half) / (1 + z2 / count), k == n ? 1.0 : (centre + half) / (1 + z2 / count)};
}

Interval clopper_pearson(std::uint64_t k, std::uint64_t n, double confidence) {
  check_rate(k, n, confidence);
  const double tail = (1 - confidence) / 2;
  const auto hits = static_cast<double>(k), misses = static_cast<double>(n - k);
  return {k == 0 ? 0.0 : boost::math::quantile(boost::math::beta_distribution(hits, misses + 1), tail),
          k == n
              ? 1.0
              : boost::math::quantile(boost::math::complement(boost::math::beta_distribution(hits + 1, misses), tail))};
}

double mcnemar_exact(std::uint64_t b, std::uint64_t c) {
  return b == c ? 1.0 : std::min(1.0, 2 * discordant(b, c).below_or_at);
}

double mcnemar_mid_p(std::uint64_t b, std::uint64_t c) {
  if (b == c) return 1;
  const Discordant fewer = discordant(b, c);
  return 2 * fewer.below_or_at - fewer.at;
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<double> adjusted(p.size());
  double worst = 0;
  std::size_t left = p.size();
  for (const std::size_t i : rising(p)) {
    worst = std::max(worst, std::min(1.0, static_cast<double>(left--) * p[i]));
    adjusted[i] = worst;
  }
  return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  std::vector<double> adjusted(p.size());
  std::vector<std::size_t> order = rising(p);
  double best = 1;
  for (std::size_t rank = order.size(); rank > 0; --rank) {
    const std::size_t i = order[rank - 1];
    best = std::min(best, static_cast<double>(p.size()) * p[i] / static_cast<double>(rank));
    adjusted[i] = best;
  }
  return adjusted;
}

double conformal_quantile(std::vector<double> scores, double alpha) {
  expect(alpha > 0 && alpha < 1, fmt::format("an alpha of {}, expected one between 0 and 1", alpha));
  // (n + 1)(1 - alpha) may be off a whole number by a rounding, which must not cost a whole rank.
  const double rank = std::ceil(static_cast<double>(scores.size() + 1) * (1 - alpha) - 1e-9);
  if (rank > static_cast<double>(scores.size())) return std::numeric_limits<double>::infinity();
  const auto at = scores.begin() + std::max<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(rank), 1) - 1;
  std::ranges::nth_element(scores, at);
  return *at;
}

std::uint32_t bootstrap_weight(std::uint64_t seed, std::uint32_t sample, std::uint32_t resample) {
  return poisson(weights_of(seed, sample).words(resample / 4).v[resample % 4]);
}

double PairedBootstrap::Sum::mean() const {
  return weight == 0 ? kNone : static_cast<double>(value) * kUnit / static_cast<double>(weight);
}

PairedBootstrap::PairedBootstrap(std::uint64_t seed, std::uint32_t resamples, std::size_t columns)
    : seed_(seed), resamples_(resamples), columns_(columns), sums_((std::size_t{resamples} + 1) * columns) {}

void PairedBootstrap::add(std::uint32_t sample, std::span<const double> values) {
  expect(values.size() == columns_, fmt::format("{} values of a sample, expected {}", values.size(), columns_));
  for (const double value : values)
    expect(std::isnan(value) || std::abs(value) <= kLargest,
           fmt::format("a value of {} to resample, expected at most 2^20 in size", value));
  const auto count = [&](Sum* sums, std::uint32_t weight) {
    for (std::size_t c = 0; c < columns_; ++c) {
      if (weight == 0 || std::isnan(values[c])) continue;
      sums[c].value += std::llround(values[c] / kUnit) * static_cast<std::int64_t>(weight);
      sums[c].weight += weight;
    }
  };
  count(sums_.data(), 1);
  const Draw draw = weights_of(seed_, sample);
  for (std::uint32_t block = 0; block < (resamples_ + 3) / 4; ++block) {
    const Words4 words = draw.words(block);
    for (std::uint32_t r = 4 * block; r < std::min(4 * block + 4, resamples_); ++r)
      count(&sums_[(std::size_t{r} + 1) * columns_], poisson(words.v[r % 4]));
  }
}

void PairedBootstrap::merge(const PairedBootstrap& other) {
  expect(seed_ == other.seed_ && resamples_ == other.resamples_ && columns_ == other.columns_,
         "two bootstraps with other seeds, resamples or columns cannot be merged");
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    sums_[i].value += other.sums_[i].value;
    sums_[i].weight += other.sums_[i].weight;
  }
}

double PairedBootstrap::mean(std::size_t column) const {
  return sums_.at(column).mean();
}

std::vector<double> PairedBootstrap::resampled_means(std::size_t column) const {
  std::vector<double> means;
  for (std::size_t r = 1; r <= resamples_; ++r) means.push_back(sums_.at(r * columns_ + column).mean());
  return means;
}

Interval percentile_interval(std::span<const double> resampled, double confidence) {
  check_confidence(confidence);
  const std::vector<double> sorted = sorted_numbers(resampled);
  return {quantile(sorted, (1 - confidence) / 2), quantile(sorted, (1 + confidence) / 2)};
}

Interval bca_interval(double estimate, std::span<const double> resampled, std::span<const double> influence,
                      double confidence) {
  check_confidence(confidence);
  const std::vector<double> sorted = sorted_numbers(resampled);
  const auto [first, last] = std::ranges::equal_range(sorted, estimate);
  // Ties count half on either side.
  const double below = static_cast<double>((first - sorted.begin()) + (last - sorted.begin())) / 2;
  const double share = below / static_cast<double>(sorted.size());
  if (!(share > 0 && share < 1)) return {kNone, kNone};
  double squares = 0, cubes = 0;
  for (const double u : influence) {
    squares += u * u;
    cubes += u * u * u;
  }
  const double bias = normal_quantile(share);
  const double acceleration = squares == 0 ? 0 : cubes / (6 * squares * std::sqrt(squares));
  const auto corrected = [&](double q) {
    const double z = bias + normal_quantile(q);
    return quantile(sorted, normal_cdf(bias + z / (1 - acceleration * z)));
  };
  return {corrected((1 - confidence) / 2), corrected((1 + confidence) / 2)};
}

NonInferiority non_inferiority(std::span<const double> resampled, double margin, double alpha) {
  expect(margin >= 0, fmt::format("a margin of {}, expected 0 or more", margin));
  expect(alpha > 0 && alpha <= 0.5, fmt::format("a level of {}, expected one in (0, 0.5]", alpha));
  const double lower = quantile(sorted_numbers(resampled), alpha);
  return {lower, lower > -margin};
}

}  // namespace assay
