// Goldens: statsmodels 0.14.5 and SciPy 1.17.1. What is claimed of coverage and of errors is computed, or simulated,
// and printed.
#include "assay/statistics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <string>

#include "data/mutate.hpp"
#include "statistics.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct RateCase {
  std::uint64_t k, n;
  double confidence, wilson_lo, wilson_hi, exact_lo, exact_hi;
};
// statsmodels.stats.proportion.proportion_confint, methods "wilson" and "beta"; its 6.9e-18 for none of 50 is 0.
constexpr RateCase kRates[] = {
    {0, 50, 0.95, 0, 0.071347599133358724, 0, 0.071121736464197644},
    {1, 50, 0.95, 0.0035392592716462362, 0.10495443589637815, 0.00050622798304082945, 0.1064695457114999},
    {25, 50, 0.95, 0.3664451431682858, 0.6335548568317142, 0.35527299712990862, 0.64472700287009133},
    {49, 50, 0.95, 0.8950455641036219, 0.99646074072835389, 0.89353045428850009, 0.99949377201695921},
    {50, 50, 0.95, 0.92865240086664136, 1, 0.92887826353580238, 1},
    {3, 5000, 0.95, 0.00020407465419434642, 0.001762706048528709, 0.0001237515204693129, 0.0017524436033960471},
    {2500, 5000, 0.95, 0.48614628258320963, 0.51385371741679042, 0.48604437400092582, 0.51395562599907418},
    {4999, 5000, 0.95, 0.9988679109191605, 0.99996469421656076, 0.99888618061966605, 0.99999493645122295},
    {0, 1, 0.95, 0, 0.79345068562276255, 0, 0.975},
    {1, 1, 0.95, 0.20654931437723745, 1, 0.025, 1},
    {16777000, 16777217, 0.95, 0.99998522660957623, 0.99998867601333374, 0.99998522558911862, 0.99998872956220275},
    {1, 50, 0.99, 0.002352480614833341, 0.15011352743408951, 0.00010024581152369896, 0.13940412456107221},
    {25, 50, 0.99, 0.32886256128652913, 0.67113743871347087, 0.31551042112981265, 0.68448957887018735},
    {3, 5000, 0.99, 0.00015156536513571831, 0.0023720651495636822, 6.7583912066711456e-05, 0.0021937447379880804},
    {4999, 5000, 0.99, 0.99829879083701456, 0.99997651847166236, 0.99851492926715268, 0.99999899749213783},
};

TEST(Statistics, IntervalsOfARateAreThoseOfStatsmodels) {
  for (const RateCase& c : kRates) {
    SCOPED_TRACE(std::to_string(c.k) + " of " + std::to_string(c.n));
    const Interval score = wilson(c.k, c.n, c.confidence), exact = clopper_pearson(c.k, c.n, c.confidence);
    EXPECT_NEAR(score.lo, c.wilson_lo, 1e-14);
    EXPECT_NEAR(score.hi, c.wilson_hi, 1e-14);
    EXPECT_NEAR(exact.lo, c.exact_lo, 1e-12);
    EXPECT_NEAR(exact.hi, c.exact_hi, 1e-12);
  }
}

TEST(Statistics, IntervalsOfARateEndAtNoneAndAll) {
  for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{50}, std::uint64_t{1} << 40}) {
    EXPECT_EQ(wilson(0, n, 0.95).lo, 0);
    EXPECT_EQ(wilson(n, n, 0.95).hi, 1);
    EXPECT_EQ(clopper_pearson(0, n, 0.95).lo, 0);
    EXPECT_EQ(clopper_pearson(n, n, 0.95).hi, 1);
  }
  for (const Interval& nothing : {wilson(0, 0, 0.95), clopper_pearson(0, 0, 0.95)}) {
    EXPECT_EQ(nothing.lo, 0);
    EXPECT_EQ(nothing.hi, 1);
  }
}

/// P(X = k) of Binomial(n, p).
double binomial(int k, int n, double p) {
  return std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) + k * std::log(p) +
                  (n - k) * std::log1p(-p));
}

/// The probability that the interval has p in it, summed over what can be observed.
template <class F>
double coverage(int n, double p, const F& interval) {
  double covered = 0;
  for (int k = 0; k <= n; ++k) {
    const Interval found = interval(static_cast<std::uint64_t>(k), static_cast<std::uint64_t>(n), 0.95);
    if (found.lo <= p && p <= found.hi) covered += binomial(k, n, p);
  }
  return covered;
}

TEST(Statistics, IntervalsOfARateCoverAsTheyClaim) {
  double score = 0, exact = 0;
  int cases = 0;
  for (const int n : {50, 500, 5000})
    for (const double p : {0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999}) {
      const double of_wilson = coverage(n, p, wilson), of_exact = coverage(n, p, clopper_pearson);
      std::printf("coverage of 95%% at n = %4d, p = %5g: wilson %.4f, clopper_pearson %.4f\n", n, p, of_wilson,
                  of_exact);
      EXPECT_GE(of_exact, 0.95 - 1e-9);
      // Brown, Cai & DasGupta 2001, Stat. Sci. 16: it dips where few are expected.
      EXPECT_GE(of_wilson, n * std::min(p, 1 - p) < 5 ? 0.83 : 0.925);
      score += of_wilson;
      exact += of_exact;
      ++cases;
    }
  EXPECT_NEAR(score / cases, 0.95, 0.01);
  EXPECT_GT(exact, score);
}

struct PairCase {
  std::uint64_t b, c;
  double exact, mid;
};
// statsmodels.stats.contingency_tables.mcnemar(exact=True); mid-p from scipy.stats.binom.
constexpr PairCase kPairs[] = {{0, 0, 1, 1},
                               {0, 1, 1, 0.5},
                               {1, 0, 1, 0.5},
                               {5, 5, 1, 1},
                               {2, 9, 0.0654296875, 0.03857421875},
                               {9, 2, 0.0654296875, 0.03857421875},
                               {10, 30, 0.0022214337732293643, 0.0014504910141113232},
                               {100, 140, 0.011664092317677691, 0.0098315411786087346},
                               {0, 20, 1.9073486328125e-06, 9.5367431640625e-07},
                               {12345, 12000, 0.027471663212771995, 0.027027967272204991}};

TEST(Statistics, McNemarsTestsAreThoseOfStatsmodels) {
  for (const PairCase& pair : kPairs) {
    SCOPED_TRACE(std::to_string(pair.b) + " against " + std::to_string(pair.c));
    EXPECT_NEAR(mcnemar_exact(pair.b, pair.c), pair.exact, 1e-10 * pair.exact);
    EXPECT_NEAR(mcnemar_mid_p(pair.b, pair.c), pair.mid, 1e-10 * pair.mid);
  }
}

TEST(Statistics, McNemarsTestsErrAsOftenAsTheirLevelSays) {
  for (const int pairs : {50, 500, 5000}) {
    double exact = 0, mid = 0;
    for (int b = 0; b <= pairs; ++b) {
      const auto of = static_cast<std::uint64_t>(b), rest = static_cast<std::uint64_t>(pairs - b);
      if (mcnemar_exact(of, rest) <= 0.05) exact += binomial(b, pairs, 0.5);
      if (mcnemar_mid_p(of, rest) <= 0.05) mid += binomial(b, pairs, 0.5);
    }
    std::printf("error of the first kind at 5%%, %4d discordant pairs: mcnemar_exact %.4f, mcnemar_mid_p %.4f\n", pairs,
                exact, mid);
    EXPECT_LE(exact, 0.05);
    EXPECT_GE(mid, exact);
    EXPECT_NEAR(mid, 0.05, 0.017);
  }
}

TEST(Statistics, ManyTestsAreAdjustedAsByStatsmodels) {
  // statsmodels.stats.multitest.multipletests, "holm" and "fdr_bh".
  const std::vector<double> p = {.01, .04, .03, .005, .2, .03, 1., 0.};
  const std::vector<double> by_holm = {0.06, 0.15, 0.15, 0.035, 0.4, 0.15, 1.0, 0.0};
  const std::vector<double> by_bh = {
      0.02666666666666667, 0.05333333333333334, 0.048, 0.02, 0.2285714285714286, 0.048, 1.0, 0.0};
  EXPECT_THAT(holm(p), Pointwise(DoubleNear(1e-15), by_holm));
  EXPECT_THAT(benjamini_hochberg(p), Pointwise(DoubleNear(1e-15), by_bh));
  EXPECT_THAT(holm({}), ElementsAre());
  EXPECT_THAT(benjamini_hochberg({}), ElementsAre());
}

/// Uniform in (0, 1).
double uniform(Lcg& random) {
  return (static_cast<double>(random.below(1 << 20)) + 0.5) * 0x1p-20;
}

TEST(Statistics, ManyTestsErrAsOftenAsTheirLevelSays) {
  constexpr int kRuns = 4000, kTrue = 15, kFalse = 5;
  Lcg random(5);
  int family = 0;
  double false_share = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> p;
    for (int i = 0; i < kTrue + kFalse; ++i) p.push_back(i < kTrue ? uniform(random) : 1e-3 * uniform(random));
    const std::vector<double> by_holm = holm(p), by_bh = benjamini_hochberg(p);
    const auto rejected = [](const std::vector<double>& of, int begin, int end) {
      return std::count_if(of.begin() + begin, of.begin() + end, [](double value) { return value <= 0.05; });
    };
    if (rejected(by_holm, 0, kTrue) > 0) ++family;
    const auto wrong = rejected(by_bh, 0, kTrue), all = rejected(by_bh, 0, kTrue + kFalse);
    if (all > 0) false_share += static_cast<double>(wrong) / static_cast<double>(all);
  }
  const double of_family = static_cast<double>(family) / kRuns, of_rejected = false_share / kRuns;
  std::printf(
      "15 of 20 hypotheses true, at 5%%: holm rejects any of them in %.4f, benjamini_hochberg's share of them is "
      "%.4f\n",
      of_family, of_rejected);
  const double noise = 4 * std::sqrt(0.05 * 0.95 / kRuns);
  EXPECT_LE(of_family, 0.05 + noise);
  EXPECT_GT(of_family, 0.02);
  // Exactly 5% of 15 / 20 where tests are independent.
  EXPECT_NEAR(of_rejected, 0.05 * 0.75, noise);
}

TEST(Statistics, BootstrapWeightsArePoisson) {
  std::vector<double> observed(9, 0), expected;
  constexpr int kSamples = 400, kResamples = 500;
  double product = 0;
  for (std::uint32_t sample = 0; sample < kSamples; ++sample)
    for (std::uint32_t r = 0; r < kResamples; ++r) {
      const std::uint32_t weight = bootstrap_weight(7, sample, r);
      ++observed[std::min(weight, 8u)];
      product += static_cast<double>(weight) * static_cast<double>(bootstrap_weight(7, sample, (r + 1) % kResamples));
    }
  double p = std::exp(-1), rest = 1;
  for (int k = 0; k < 8; p /= ++k) {
    expected.push_back(p * kSamples * kResamples);
    rest -= p;
  }
  expected.push_back(rest * kSamples * kResamples);
  EXPECT_LT(chi_squared_sigmas(observed, expected), 3.5);
  EXPECT_NEAR(product / (kSamples * kResamples), 1, 0.02) << "one resample says nothing of the next";
}

TEST(PairedBootstrap, MeansAreThoseOfWeightedSums) {
  constexpr std::uint32_t kSamples = 40, kResamples = 11;
  PairedBootstrap bootstrap(3, kResamples, 2);
  const auto value = [](std::uint32_t i) { return 0.37 * i - 4; };
  for (std::uint32_t i = 0; i < kSamples; ++i) {
    const double values[] = {value(i), i % 3 == 0 ? kNone : 1.0 * (i % 2)};
    bootstrap.add(i, values);
  }
  EXPECT_NEAR(bootstrap.mean(0), 0.37 * 19.5 - 4, 1e-9);
  EXPECT_DOUBLE_EQ(bootstrap.mean(1), 13.0 / 26);
  for (std::uint32_t r = 0; r < kResamples; ++r) {
    double sum = 0, weights = 0, odd = 0, kept = 0;
    for (std::uint32_t i = 0; i < kSamples; ++i) {
      const double weight = bootstrap_weight(3, i, r);
      sum += weight * value(i);
      weights += weight;
      if (i % 3 != 0) {
        odd += weight * (i % 2);
        kept += weight;
      }
    }
    EXPECT_NEAR(bootstrap.resampled_means(0)[r], sum / weights, 1e-9);
    EXPECT_DOUBLE_EQ(bootstrap.resampled_means(1)[r], odd / kept);
  }
}

TEST(PairedBootstrap, HasTheSameBitsForAnyOrderAndDivision) {
  constexpr std::uint32_t kSamples = 300, kResamples = 64;
  Lcg random(9);
  std::vector<double> values;
  for (std::uint32_t i = 0; i < 2 * kSamples; ++i) values.push_back(30 * uniform(random) - 3);
  const auto add = [&](PairedBootstrap& to, std::uint32_t i) { to.add(i, std::span(values).subspan(2 * i, 2)); };
  PairedBootstrap whole(1, kResamples, 2), backwards(1, kResamples, 2);
  std::vector<PairedBootstrap> parts(3, PairedBootstrap(1, kResamples, 2));
  for (std::uint32_t i = 0; i < kSamples; ++i) {
    add(whole, i);
    add(backwards, kSamples - 1 - i);
    add(parts[i % 3], i);
  }
  PairedBootstrap left = parts[2], right = parts[0], other = parts[1];
  left.merge(parts[0]);
  left.merge(parts[1]);
  other.merge(parts[2]);
  right.merge(other);
  right.merge(PairedBootstrap(1, kResamples, 2));
  for (const PairedBootstrap* one : {&backwards, &left, &right})
    for (const std::size_t column : {0, 1}) {
      EXPECT_EQ(one->mean(column), whole.mean(column));
      EXPECT_EQ(one->resampled_means(column), whole.resampled_means(column));
    }
}

TEST(PairedBootstrap, CancelsWhatColumnsHaveInCommon) {
  PairedBootstrap bootstrap(2, 200, 2);
  Lcg random(4);
  for (std::uint32_t i = 0; i < 500; ++i) {
    const double old = uniform(random), values[] = {old, old - 0.25};
    bootstrap.add(i, values);
  }
  const std::vector<double> before = bootstrap.resampled_means(0), after = bootstrap.resampled_means(1);
  for (std::size_t r = 0; r < before.size(); ++r) EXPECT_NEAR(before[r] - after[r], 0.25, 1e-9);
}

TEST(PairedBootstrap, IsUndefinedWithoutSamples) {
  PairedBootstrap bootstrap(2, 3, 2);
  EXPECT_TRUE(std::isnan(bootstrap.mean(0)));
  const double values[] = {1, kNone};
  bootstrap.add(0, values);
  EXPECT_EQ(bootstrap.mean(0), 1);
  EXPECT_TRUE(std::isnan(bootstrap.mean(1)));
  for (const double mean : bootstrap.resampled_means(1)) EXPECT_TRUE(std::isnan(mean));
  const Interval none = percentile_interval(bootstrap.resampled_means(1), 0.95);
  EXPECT_TRUE(std::isnan(none.lo) && std::isnan(none.hi));
}

// scipy.stats.bootstrap of the mean of these ten with 99 resamples; intervals by methods "percentile" and "BCa".
const std::vector<double> kValues = {.1, .4, .35, .8, .2, .9, .65, .05, .55, 1.7};
const std::vector<double> kResampled = {
    .4,   .38,  .485, .58,  .75,  .325, .81,  .365, .61,  .72,  .57,  .73,  .615, .735, .83,  .425, .54,
    .555, .57,  .51,  .635, .64,  .555, .48,  .625, .51,  .515, .65,  .655, .455, .745, .675, .525, .59,
    .48,  .385, .575, .675, .555, .645, .415, .505, .66,  .375, .36,  .61,  .655, .74,  .57,  .625, .575,
    .72,  .53,  .515, .5,   .8,   .645, .54,  .35,  .465, .57,  .53,  .57,  .845, .52,  .385, .495, .48,
    .665, .44,  .41,  .48,  .655, .61,  .485, .245, .8,   .71,  .615, .675, .565, .52,  .635, .7,   .43,
    .32,  .265, .54,  .755, .605, .54,  .535, .445, .335, .585, .675, .38,  .53,  .525};

TEST(Statistics, IntervalsOverResamplesAreThoseOfSciPy) {
  ASSERT_EQ(kResampled.size(), 99u);
  const auto near = [](const Interval& found, double lo, double hi) {
    EXPECT_NEAR(found.lo, lo, 1e-12);
    EXPECT_NEAR(found.hi, hi, 1e-12);
  };
  near(percentile_interval(kResampled, 0.9), 0.3485, 0.7595);
  near(percentile_interval(kResampled, 0.95), 0.32225, 0.8055);
  std::vector<double> influence;
  for (const double value : kValues) influence.push_back(value - 0.57);
  near(bca_interval(0.57, kResampled, influence, 0.9), 0.38, 0.81150816195010189);
  near(bca_interval(0.57, kResampled, influence, 0.95), 0.357734747616823, 0.83498831531924944);
  const Interval outside = bca_interval(2, kResampled, influence, 0.95);
  EXPECT_TRUE(std::isnan(outside.lo) && std::isnan(outside.hi));
}

TEST(Statistics, IntervalsOverResamplesCoverAsTheyClaim) {
  constexpr int kRuns = 300, kResamples = 200;
  for (const std::uint32_t n : {50u, 500u}) {
    std::map<std::string, int> covered;
    for (int run = 0; run < kRuns; ++run) {
      Lcg random(static_cast<std::uint64_t>(run) + 1);
      PairedBootstrap bootstrap(static_cast<std::uint64_t>(run), kResamples, 2);
      // Two models: right in 60% and 70%, most of it on the same samples. The difference of the means is 0.1.
      std::vector<double> differences;
      for (std::uint32_t i = 0; i < n; ++i) {
        const double ease = uniform(random), values[] = {ease < 0.6 ? 1.0 : 0.0, ease > 0.2 && ease < 0.9 ? 1.0 : 0.0};
        bootstrap.add(i, values);
        differences.push_back(values[1] - values[0]);
      }
      const std::vector<double> before = bootstrap.resampled_means(0), after = bootstrap.resampled_means(1);
      std::vector<double> resampled, influence;
      for (std::size_t r = 0; r < before.size(); ++r) resampled.push_back(after[r] - before[r]);
      const double estimate = bootstrap.mean(1) - bootstrap.mean(0);
      for (const double one : differences) influence.push_back(one - estimate);
      const Interval plain = percentile_interval(resampled, 0.95);
      const Interval corrected = bca_interval(estimate, resampled, influence, 0.95);
      covered["percentile"] += plain.lo <= 0.1 && 0.1 <= plain.hi ? 1 : 0;
      covered["BCa"] += corrected.lo <= 0.1 && 0.1 <= corrected.hi ? 1 : 0;
      covered["not inferior"] += non_inferiority(resampled, 0, 0.05).holds ? 1 : 0;
      // A margin that the true difference is exactly at: said to hold in 5% of the runs.
      for (double& one : resampled) one -= 0.2;
      covered["falsely not inferior"] += non_inferiority(resampled, 0.1, 0.05).holds ? 1 : 0;
    }
    for (const auto& [name, count] : covered)
      std::printf("paired difference, n = %3u: %s in %.4f of %d\n", n, name.c_str(), 1.0 * count / kRuns, kRuns);
    EXPECT_NEAR(covered["percentile"], 0.95 * kRuns, 0.04 * kRuns);
    EXPECT_NEAR(covered["BCa"], 0.95 * kRuns, 0.04 * kRuns);
    EXPECT_NEAR(covered["falsely not inferior"], 0.05 * kRuns, 0.035 * kRuns);
    EXPECT_GT(covered["not inferior"], (n == 50 ? 0.2 : 0.9) * kRuns) << "its power";
  }
}

TEST(Statistics, NonInferiorityIsALowerBoundAboveTheMargin) {
  std::vector<double> differences(101);
  std::iota(differences.begin(), differences.end(), -10.0);  // the 5% quantile is -5
  EXPECT_EQ(non_inferiority(differences, 0, 0.05).lower, -5);
  EXPECT_FALSE(non_inferiority(differences, 5, 0.05).holds) << "at the margin";
  EXPECT_TRUE(non_inferiority(differences, 5.001, 0.05).holds);
  EXPECT_FALSE(non_inferiority({}, 1, 0.05).holds);
}

TEST(Statistics, WhatIsNoProbabilityIsRefused) {
  const double two[] = {0.5, 1.5}, none[] = {kNone};
  EXPECT_ERROR(wilson(3, 2, 0.95), ExitCode::internal, HasSubstr("a rate of 3 in 2"));
  EXPECT_ERROR(clopper_pearson(3, 2, 0.95), ExitCode::internal, HasSubstr("a rate of 3 in 2"));
  for (const double confidence : {0.0, 1.0, -0.5, 95.0, kNone})
    EXPECT_ERROR(wilson(1, 2, confidence), ExitCode::internal, HasSubstr("a confidence of "));
  EXPECT_ERROR(percentile_interval(two, 1), ExitCode::internal, HasSubstr("a confidence of 1,"));
  EXPECT_ERROR(bca_interval(1, two, two, 95), ExitCode::internal, HasSubstr("a confidence of 95,"));
  EXPECT_ERROR(holm(two), ExitCode::internal, HasSubstr("a p-value of 1.5"));
  EXPECT_ERROR(benjamini_hochberg(none), ExitCode::internal, HasSubstr("a p-value of nan"));
  EXPECT_ERROR(non_inferiority(two, -1, 0.05), ExitCode::internal, HasSubstr("a margin of -1"));
  EXPECT_ERROR(non_inferiority(two, 1, 0.95), ExitCode::internal, HasSubstr("a level of 0.95"));
  PairedBootstrap bootstrap(0, 4, 2);
  const double large[] = {0, 1e9}, infinite[] = {0, HUGE_VAL};
  EXPECT_ERROR(bootstrap.add(0, none), ExitCode::internal, HasSubstr("1 values of a sample, expected 2"));
  EXPECT_ERROR(bootstrap.add(0, large), ExitCode::internal, HasSubstr("a value of 1000000000"));
  EXPECT_ERROR(bootstrap.add(0, infinite), ExitCode::internal, HasSubstr("a value of inf"));
  EXPECT_TRUE(std::isnan(bootstrap.mean(0))) << "nothing of what was refused is counted";
  EXPECT_ERROR(bootstrap.merge(PairedBootstrap(1, 4, 2)), ExitCode::internal, HasSubstr("cannot be merged"));
}

}  // namespace
}  // namespace assay
