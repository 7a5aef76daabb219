// Madry et al. 2018, eq. (2), in L2, with a start that is uniform in the ball.
#include <gtest/gtest.h>

#include <set>

#include "cuda/attack_run.hpp"
#include "statistics.hpp"

namespace assay {
namespace {

TEST(PgdL2, RaisesALinearModelsMarginByEpsilonTimesTheL2Norm) {
  const DataSet data = inner_data(20, 3, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  for (const double epsilon : {0.01, 0.5, 1.0}) {
    const double expected = epsilon * dual_norm("l2", w);
    for (const double rise :
         rises(w, data, attack("pgd_l2", {{"epsilon", epsilon}, {"random_start", false}}, data, model).points))
      EXPECT_NEAR(rise, expected, 1e-5 * expected + 1e-6) << epsilon;
    // A step as long as the radius halves the angle to w: after 20 the start is forgotten.
    for (const double rise :
         rises(w, data, attack("pgd_l2", {{"epsilon", epsilon}, {"step", epsilon}}, data, model).points))
      EXPECT_NEAR(rise, expected, 1e-5 * expected + 1e-6) << epsilon;
  }
}

TEST(PgdL2, TakesAsManyStepsOfTheGivenLengthAsAskedFor) {
  const DataSet data = inner_data(4, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  for (const std::int64_t steps : {1, 2, 7}) {
    const Params params = {{"epsilon", 0.5}, {"steps", steps}, {"step", 0.01}, {"random_start", false}};
    for (const double rise : rises(w, data, attack("pgd_l2", params, data, model).points))
      EXPECT_NEAR(rise, 0.01 * static_cast<double>(steps) * dual_norm("l2", w), 1e-5) << steps;
  }
}

TEST(PgdL2, ComesBackToTheSphereAlongTheRadius) {
  DataSet data = inner_data(1, 1, 1, 2);
  data.floats = {0.5f, 0.5f};
  LinearModel model = two_class_model({3.f, 4.f}, 0.f);
  const Params params = {{"epsilon", 0.25}, {"steps", std::int64_t{3}}, {"step", 100.0}, {"random_start", false}};
  const Attacked result = attack("pgd_l2", params, data, model);
  EXPECT_NEAR(result.points[0], 0.65f, 1e-6f);
  EXPECT_NEAR(result.points[1], 0.70f, 1e-6f);
}

// A gradient of norm 5 beside an offset of 15 makes a quarter of a step.
TEST(PgdL2, DividesByTheNormPlusTheOffset) {
  DataSet data = inner_data(1, 1, 1, 2);
  data.floats = {0.5f, 0.5f};
  LinearModel model = two_class_model({3.f, 4.f}, 0.f);
  const Params params = {{"epsilon", 1.0},        {"steps", std::int64_t{1}},      {"step", 0.4},
                         {"random_start", false}, {"loss", std::string("margin")}, {"norm_offset", 15.0}};
  const Attacked result = attack("pgd_l2", params, data, model);
  EXPECT_NEAR(result.points[0], 0.5f + 0.1f * 0.6f, 1e-6f);
  EXPECT_NEAR(result.points[1], 0.5f + 0.1f * 0.8f, 1e-6f);
}

/// A model without gradient leaves the random start where it is: offsets from the clean image in units of epsilon.
std::vector<std::vector<double>> starts(const DataSet& data, double epsilon, std::uint64_t seed) {
  LinearModel model(data.dim(), std::vector<float>(static_cast<std::size_t>(2 * data.dim())), {1.f, 0.f});
  const Attacked result =
      attack("pgd_l2", {{"epsilon", epsilon}, {"steps", std::int64_t{1}}}, data, model, {.batch = 64, .seed = seed});
  std::vector<std::vector<double>> all;
  for (std::size_t i = 0; i < result.points.size(); ++i) {
    if (i % static_cast<std::size_t>(data.dim()) == 0) all.emplace_back();
    all.back().push_back((static_cast<double>(result.points[i]) - static_cast<double>(data.floats[i])) / epsilon);
  }
  return all;
}

class PgdL2Start : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Dimensions, PgdL2Start, testing::Values(1, 2, 3, 4, 5, 6, 7, 48),
                         testing::PrintToStringParamName());

// Uniform in the ball: (r / epsilon)^D is uniform in [0, 1], every coordinate has mean 0 and variance 1 / (D + 2).
TEST_P(PgdL2Start, IsUniformInTheBall) {
  const int dim = GetParam();
  DataSet data = inner_data(2000, 1, 1, dim);
  std::ranges::fill(data.floats, 0.5f);
  std::vector<double> volumes;
  std::vector<std::vector<double>> coordinates(static_cast<std::size_t>(dim));
  for (const std::vector<double>& start : starts(data, 0.25, 3)) {
    double squares = 0;
    for (std::size_t i = 0; i < start.size(); ++i) {
      squares += start[i] * start[i];
      coordinates[i].push_back(start[i]);
    }
    volumes.push_back(std::pow(squares, dim / 2.0));
  }
  EXPECT_LT(ks_statistic(volumes, uniform_cdf), kKsBound);
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    const Moments m = moments(coordinates[i]);
    const double variance = 1.0 / (dim + 2), fourth = 3.0 / ((dim + 2.0) * (dim + 4.0));
    EXPECT_NEAR(m.mean, 0, 4 * std::sqrt(variance / 2000)) << i;
    EXPECT_NEAR(m.variance, variance, 4 * std::sqrt((fourth - variance * variance) / 2000)) << i;
  }
}

TEST(PgdL2, StartsElsewhereForEverySampleAndSeed) {
  const DataSet data = inner_data(50, 1, 3, 3);
  std::set<std::vector<double>> seen;
  for (const std::uint64_t seed : {3ull, 4ull, 3ull << 32})
    for (const std::vector<double>& start : starts(data, 0.25, seed)) seen.insert(start);
  EXPECT_EQ(seen.size(), 150u);
}

}  // namespace
}  // namespace assay
