// Sets by hand, and the coverage that theory gives: Beta-binomial, whatever the model is worth.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "assay/statistics.hpp"
#include "data/mutate.hpp"
#include "metrics/output_run.hpp"

namespace assay {
namespace {

using testing::ElementsAre;

constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<double> nonconformity(const std::string& name, const SomeOutputs& outputs) {
  std::vector<double> scores(outputs.labels.size());
  Registry<OutputMetric>::find(name)->nonconformity(outputs.all(), scores.data());
  return scores;
}

const SomeOutputs& by_hand() {
  static const SomeOutputs outputs(4,
                                   {.5f, .25f, .125f, .125f,  //
                                    .125f, .125f, .25f, .5f,  //
                                    .25f, .25f, .25f, .25f,   //
                                    NAN, 0, 0, 0},
                                   {0, 1, 2, 1});
  return outputs;
}

TEST(ConformalLac, SetsAreClassesThatAreLikelyEnough) {
  EXPECT_THAT(nonconformity("conformal_lac", by_hand()), ElementsAre(.5, .875, .75, kInf));
  const Estimate estimate = measure("conformal_lac", by_hand(), .75);  // p >= .25: sets of 2, 2, 4 and none
  EXPECT_EQ(estimate.value, .5);                                       // the first and the third
  EXPECT_EQ(estimate.curves.at("mean_size"), std::vector<double>{2.0});
  EXPECT_THAT(estimate.curves.at("count_by_size"), ElementsAre(1, 0, 2, 0, 1));
  EXPECT_THAT(estimate.curves.at("covered_by_size"), ElementsAre(0, 0, 1, 0, 1));
  EXPECT_EQ(estimate.curves.at("size_stratified_coverage"), std::vector<double>{0.0});
}

TEST(ConformalAps, SetsAreTheLikeliestClassesUpToAMass) {
  EXPECT_THAT(nonconformity("conformal_aps", by_hand()), ElementsAre(.5, 1, .75, kInf));  // ties by index
  const Estimate estimate = measure("conformal_aps", by_hand(), .75);                     // sets of 2, 2, 3 and none
  EXPECT_EQ(estimate.value, .5);
  EXPECT_THAT(estimate.curves.at("count_by_size"), ElementsAre(1, 0, 2, 1));
  EXPECT_EQ(measure("conformal_aps", by_hand(), .4).curves.at("count_by_size")[0], 3);  // a set may be empty
}

TEST(ConformalSets, AreThoseOfMapieAndTorchcp) {
  // MAPIE 1.1.0, SplitConformalClassifier on rows 0 .. 199, sets of rows 200 .. 399: LAC as it is; APS with
  // include_last_label=False and without random numbers (its `u` as 0). No set is empty, which MAPIE would fill, and
  // no two probabilities of a row are equal, which it orders the other way round. RAPS, whose penalty MAPIE searches:
  // TorchCP 1.2.1, RAPS(randomized=False, penalty=0.01, kreg=5) on the same rows.
  struct Golden {
    const char* metric;
    double alpha;
    std::vector<double> counts, covered;  // by size, up to the largest
  };
  const SomeOutputs held_out = table_of_squares(0, 200), tested = table_of_squares(200, 400);
  for (const Golden& golden :
       {Golden{"conformal_lac", .05, {0, 0, 0, 0, 0, 0, 20, 177, 3}, {0, 0, 0, 0, 0, 0, 18, 170, 3}},
        {"conformal_lac", .1, {0, 0, 0, 0, 0, 10, 162, 28}, {0, 0, 0, 0, 0, 9, 145, 28}},
        {"conformal_lac", .2, {0, 0, 0, 3, 163, 34}, {0, 0, 0, 1, 124, 31}},
        {"conformal_aps", .05, {0, 0, 0, 0, 0, 1, 58, 141}, {0, 0, 0, 0, 0, 1, 49, 137}},
        {"conformal_aps", .1, {0, 0, 0, 0, 0, 4, 174, 22}, {0, 0, 0, 0, 0, 3, 156, 22}},
        {"conformal_aps", .2, {0, 0, 0, 8, 168, 24}, {0, 0, 0, 6, 129, 22}},
        {"conformal_raps", .05, {0, 0, 0, 0, 0, 0, 59, 141}, {0, 0, 0, 0, 0, 0, 50, 137}},
        {"conformal_raps", .1, {0, 0, 0, 0, 0, 0, 178, 22}, {0, 0, 0, 0, 0, 0, 159, 22}},
        {"conformal_raps", .2, {0, 0, 0, 8, 168, 24}, {0, 0, 0, 6, 129, 22}}}) {
    const double threshold = conformal_quantile(nonconformity(golden.metric, held_out), golden.alpha);
    const Estimate estimate = measure(golden.metric, tested, threshold);
    EXPECT_EQ(estimate.curves.at("count_by_size"), golden.counts) << golden.metric << " at " << golden.alpha;
    EXPECT_EQ(estimate.curves.at("covered_by_size"), golden.covered) << golden.metric << " at " << golden.alpha;
  }
}

TEST(ConformalRaps, PenalisesRanksBeyondTheFifth) {
  const SomeOutputs even(8, std::vector<float>(8, .125f), {7});
  EXPECT_THAT(nonconformity("conformal_raps", even), ElementsAre(1 + .01 * 3));
  EXPECT_THAT(nonconformity("conformal_raps", by_hand()), ElementsAre(.5, 1, .75, kInf));
  EXPECT_EQ(measure("conformal_raps", even, .76).curves.at("mean_size"), std::vector<double>{6.0});  // .75 + .01
  EXPECT_EQ(measure("conformal_raps", even, .75).curves.at("mean_size"), std::vector<double>{5.0});
}

TEST(Conformal, TakesAllClassesWhereTheSplitIsTooSmall) {
  EXPECT_EQ(conformal_quantile({.1, .2, .3}, .1), kInf);
  EXPECT_EQ(measure("conformal_lac", {3, {.5f, .25f, .25f}, {2}}, kInf).curves.at("mean_size")[0], 3);
}

TEST(Conformal, QuantileIsTheRankThatIsAskedFor) {
  std::vector<double> scores;
  for (int i = 99; i > 0; --i) scores.push_back(i);
  EXPECT_EQ(conformal_quantile(scores, .1), 90);    // ceil(100 * .9)
  EXPECT_EQ(conformal_quantile(scores, .3), 70);    // 100 * (1 - .3) is above 70 by a rounding
  EXPECT_EQ(conformal_quantile(scores, .305), 70);  // ceil(69.5)
  EXPECT_EQ(conformal_quantile(scores, .999), 1);
}

/// Of `m` samples how many are covered after `n` held-out ones: P(covered <= k) where the rank is r, by the sum of the
/// Beta-binomial(m, r, n + 1 - r).
double beta_binomial_cdf(int k, int m, int r, int n) {
  const double a = r, b = n + 1 - r;
  double sum = 0;
  for (int x = 0; x <= k; ++x)
    sum += std::exp(std::lgamma(m + 1) - std::lgamma(x + 1) - std::lgamma(m - x + 1) + std::lgamma(x + a) +
                    std::lgamma(m - x + b) - std::lgamma(m + a + b) - std::lgamma(a) - std::lgamma(b) +
                    std::lgamma(a + b));
  return sum;
}

/// Probabilities that say little about labels.
SomeOutputs drawn(Lcg& random, int n) {
  constexpr int kClasses = 10;
  std::vector<float> p;
  std::vector<std::uint16_t> labels;
  for (int i = 0; i < n; ++i) {
    double sum = 0;
    double row[kClasses];
    for (double& v : row) sum += v = -std::log((static_cast<double>(random.below(1 << 24)) + 0.5) * 0x1p-24);
    for (const double v : row) p.push_back(static_cast<float>(v / sum));
    labels.push_back(static_cast<std::uint16_t>(random.below(random.below(kClasses) + 1)));
  }
  return {kClasses, p, labels};
}

TEST(Conformal, CoversAsOftenAsTheoryHasIt) {
  constexpr int kRuns = 1000, kTested = 500, kHeldOut = 199;
  constexpr double kAlpha = .1;
  constexpr int kRank = 180;  // ceil(200 * .9)
  for (const char* name : {"conformal_lac", "conformal_aps", "conformal_raps"}) {
    Lcg random(1);
    double mean = 0;
    int outside = 0;
    for (int run = 0; run < kRuns; ++run) {
      const double threshold = conformal_quantile(nonconformity(name, drawn(random, kHeldOut)), kAlpha);
      const double coverage = measure(name, drawn(random, kTested), threshold).value;
      mean += coverage / kRuns;
      const double below =
          beta_binomial_cdf(static_cast<int>(std::lround(coverage * kTested)), kTested, kRank, kHeldOut);
      outside += below < .025 || below > .975 ? 1 : 0;
    }
    fmt::print("{}: mean coverage {:.4f} of 0.9, {} of {} runs outside the central 95% of Beta-binomial({}, {}, {})\n",
               name, mean, outside, kRuns, kTested, kRank, kHeldOut + 1 - kRank);
    // Four standard deviations of the mean (0.025 a run) and of a Binomial(1000, .05).
    EXPECT_NEAR(mean, .9, .0032) << name;
    EXPECT_LE(outside, 77) << name;
  }
}

}  // namespace
}  // namespace assay
