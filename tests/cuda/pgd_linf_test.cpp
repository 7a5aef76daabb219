// Madry et al. 2018, eq. (2), in L-infinity.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cuda/attack_run.hpp"
#include "statistics.hpp"

namespace assay {
namespace {

TEST(PgdLinf, RaisesALinearModelsMarginByEpsilonTimesTheL1Norm) {
  const DataSet data = inner_data(20, 3, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  for (const bool random : {false, true})
    for (const double epsilon : {1.0 / 255, 8.0 / 255, 0.25})
      for (const double rise :
           rises(w, data, attack("pgd_linf", {{"epsilon", epsilon}, {"random_start", random}}, data, model).points))
        EXPECT_NEAR(rise, epsilon * dual_norm("linf", w), 1e-5 * dual_norm("linf", w)) << epsilon;
}

TEST(PgdLinf, TakesAsManyStepsOfTheGivenLengthAsAskedFor) {
  const DataSet data = inner_data(4, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  for (const std::int64_t steps : {1, 2, 7}) {
    const Params params = {{"epsilon", 0.25}, {"steps", steps}, {"step", 0.01}, {"random_start", false}};
    for (const double rise : rises(w, data, attack("pgd_linf", params, data, model).points))
      EXPECT_NEAR(rise, 0.01 * static_cast<double>(steps) * dual_norm("linf", w), 1e-5 * dual_norm("linf", w)) << steps;
  }
}

TEST(PgdLinf, StepsBy2Point5EpsilonOverStepsUnlessToldOtherwise) {
  const Perturbation p = check_perturbation(Perturbation::Kind::attack, "pgd_linf",
                                            {{"epsilon", 0.2}, {"steps", std::int64_t{10}}}, "test");
  EXPECT_DOUBLE_EQ(real_param(p.params, "step"), 0.05);
  EXPECT_EQ(integer_param(check_perturbation(Perturbation::Kind::attack, "pgd_linf", {{"epsilon", 0.2}}, "test").params,
                          "steps"),
            20);
}

/// A model without gradient leaves the random start where it is: offsets from the clean image in units of epsilon.
std::vector<std::vector<double>> starts(const DataSet& data, double epsilon, std::uint64_t seed) {
  LinearModel model(data.dim(), std::vector<float>(static_cast<std::size_t>(2 * data.dim())), {1.f, 0.f});
  const Attacked result =
      attack("pgd_linf", {{"epsilon", epsilon}, {"steps", std::int64_t{1}}}, data, model, {.batch = 64, .seed = seed});
  std::vector<std::vector<double>> all;
  for (std::size_t i = 0; i < result.points.size(); ++i) {
    if (i % static_cast<std::size_t>(data.dim()) == 0) all.emplace_back();
    all.back().push_back((static_cast<double>(result.points[i]) - static_cast<double>(data.floats[i])) / epsilon);
  }
  return all;
}

TEST(PgdLinf, StartsUniformlyInTheCube) {
  const DataSet data = inner_data(200, 3, 3, 7);
  std::vector<double> all, halves;
  for (const std::vector<double>& start : starts(data, 0.25, 3)) {
    double product = 0;
    for (std::size_t i = 0; i < start.size(); ++i) {
      all.push_back((start[i] + 1) / 2);
      if (i > 0) product += start[i] * start[i - 1];
    }
    halves.push_back(product);
  }
  EXPECT_LT(ks_statistic(all, uniform_cdf), kKsBound);
  // Up to the faces: each comes within 0.1% for all but 1e-5 of the seeds.
  EXPECT_LT(*std::ranges::min_element(all), 0.001);
  EXPECT_GT(*std::ranges::max_element(all), 0.999);
  EXPECT_GE(*std::ranges::min_element(all), 0);
  EXPECT_LE(*std::ranges::max_element(all), 1);
  const Moments m = moments(all);
  EXPECT_NEAR(m.mean, 0.5, 4 * std::sqrt(1.0 / 12 / static_cast<double>(all.size())));
  EXPECT_NEAR(m.variance, 1.0 / 12, 4 * std::sqrt(1.0 / 180 / static_cast<double>(all.size())));
  // Neighbours are independent: 62 products of variance 1 / 9 a sample.
  EXPECT_NEAR(moments(halves).mean, 0, 4 * std::sqrt(62.0 / 9 / 200));
}

TEST(PgdLinf, StartsElsewhereForEverySampleAndSeed) {
  const DataSet data = inner_data(50, 1, 3, 3);
  std::set<std::vector<double>> seen;
  for (const std::uint64_t seed : {3ull, 4ull, 3ull << 32})
    for (const std::vector<double>& start : starts(data, 0.25, seed)) seen.insert(start);
  EXPECT_EQ(seen.size(), 150u);
}

TEST(PgdLinf, StartsInTheSameDirectionForEveryEpsilon) {
  const DataSet data = inner_data(10, 1, 3, 3);
  const auto near = starts(data, 0.125, 3), far = starts(data, 0.25, 3);
  for (std::size_t s = 0; s < near.size(); ++s)
    for (std::size_t i = 0; i < near[s].size(); ++i) EXPECT_NEAR(near[s][i], far[s][i], 1e-6);
}

}  // namespace
}  // namespace assay
