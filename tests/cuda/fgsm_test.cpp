// Goodfellow et al. 2015: x = clamp(clean + epsilon sign(g)).
#include <gtest/gtest.h>

#include "cuda/attack_run.hpp"

namespace assay {
namespace {

TEST(Fgsm, RaisesALinearModelsMarginByEpsilonTimesTheL1Norm) {
  const DataSet data = inner_data(20, 3, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  for (const double epsilon : {1.0 / 255, 8.0 / 255, 0.25})
    for (const double rise : rises(w, data, attack("fgsm", {{"epsilon", epsilon}}, data, model).points))
      EXPECT_NEAR(rise, epsilon * dual_norm("linf", w), 1e-5 * dual_norm("linf", w)) << epsilon;
}

TEST(Fgsm, MovesEveryPixelByEpsilonUpToTheBox) {
  DataSet data = inner_data(1, 1, 1, 6);
  data.floats = {0.5f, 0.5f, 0.95f, 0.05f, 0.f, 1.f};
  LinearModel model = two_class_model({2.f, -0.01f, 5.f, -5.f, -1.f, -1.f}, 0.f);
  const Attacked result = attack("fgsm", {{"epsilon", 0.125}}, data, model);
  EXPECT_EQ(result.points, (std::vector<float>{0.625f, 0.375f, 1.f, 0.f, 0.f, 0.875f}));
}

TEST(Fgsm, LeavesPixelsWithoutGradient) {
  DataSet data = inner_data(1, 1, 1, 3);
  data.floats = {0.5f, 0.25f, 0.75f};
  LinearModel model = two_class_model({0.f, 1.f, -0.f}, 0.f);
  EXPECT_EQ(attack("fgsm", {{"epsilon", 0.125}}, data, model).points, (std::vector<float>{0.5f, 0.375f, 0.75f}));
}

}  // namespace
}  // namespace assay
