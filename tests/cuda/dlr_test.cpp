// Croce & Hein 2020, eqs. (6) and (7).
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/loss_run.hpp"

namespace assay {
namespace {

TEST(Dlr, IsTheMarginOverTheGapOfFirstAndThird) {
  // sorted 5 3 2 1: label 0 is first, label 1 second, label 2 third
  const std::vector<float> z = {5, 3, 2, 1};
  EXPECT_FLOAT_EQ(evaluate("dlr", z, {0}).value[0], -(5.f - 3.f) / 3.f);
  EXPECT_FLOAT_EQ(evaluate("dlr", z, {1}).value[0], -(3.f - 5.f) / 3.f);
  EXPECT_FLOAT_EQ(evaluate("dlr", z, {3}).value[0], -(1.f - 5.f) / 3.f);
  EXPECT_EQ(evaluate("dlr", z, {2}).value[0], 1.f) << "constant where the label ranks third";
  for (const float slope : evaluate("dlr", z, {2}).cotangent) EXPECT_NEAR(slope, 0.f, 1e-7f);
}

TEST(DlrTargeted, IsTheGapToTheTargetOverThatOfFirstAndTheMeanOfThirdAndFourth) {
  const std::vector<float> z = {5, 3, 2, 1, 0};
  EXPECT_FLOAT_EQ(evaluate("dlr_targeted", z, {0}, {3}).value[0], -(5.f - 1.f) / (5.f - 1.5f));
  EXPECT_FLOAT_EQ(evaluate("dlr_targeted", z, {4}, {1}).value[0], -(0.f - 3.f) / (5.f - 1.5f));
}

TEST(LogitDifference, IsTheTargetsLogitLessTheLabels) {
  const Evaluated got = evaluate("logit_difference", {5, 3, 2}, {0}, {2});
  EXPECT_EQ(got.value[0], -3.f);
  EXPECT_EQ(got.cotangent, (std::vector<float>{-1, 0, 1}));
}

TEST(CrossEntropyTargeted, IsTheTargetsLogProbability) {
  const Evaluated got = evaluate("cross_entropy_targeted", {0, 0, 0, 0}, {0}, {2});
  EXPECT_FLOAT_EQ(got.value[0], -std::log(4.f));
  EXPECT_EQ(got.cotangent, (std::vector<float>{-.25f, -.25f, .75f, -.25f}));
}

}  // namespace
}  // namespace assay
