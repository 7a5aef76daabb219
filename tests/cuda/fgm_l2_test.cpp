// x = clamp(clean + epsilon g / ||g||).
#include <gtest/gtest.h>

#include "cuda/attack_run.hpp"

namespace assay {
namespace {

TEST(FgmL2, RaisesALinearModelsMarginByEpsilonTimesTheL2Norm) {
  const DataSet data = inner_data(20, 3, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  for (const double epsilon : {0.01, 0.5, 1.0})
    for (const double rise : rises(w, data, attack("fgm_l2", {{"epsilon", epsilon}}, data, model).points))
      EXPECT_NEAR(rise, epsilon * dual_norm("l2", w), 1e-5 * dual_norm("l2", w)) << epsilon;
}

TEST(FgmL2, MovesAlongTheGradientUpToTheBox) {
  DataSet data = inner_data(1, 1, 1, 3);
  data.floats = {0.5f, 0.25f, 0.75f};
  LinearModel model = two_class_model({3.f, 0.f, 4.f}, 0.f);
  const Attacked result = attack("fgm_l2", {{"epsilon", 0.5}}, data, model);
  EXPECT_NEAR(result.points[0], 0.8f, 1e-6f);
  EXPECT_EQ(result.points[1], 0.25f);
  EXPECT_EQ(result.points[2], 1.f);  // 1.15 without the box
}

}  // namespace
}  // namespace assay
