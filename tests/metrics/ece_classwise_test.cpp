// By hand: three samples of two classes, and the bins of both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "metrics/output_run.hpp"

namespace assay {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

TEST(EceClasswise, TakesEveryClassAgainstTheRest) {
  // Class 0: .75 and .78 (bin 11) of labels 0 and 1, .25 (bin 3) of label 1. Class 1: .25, .22 (bin 3), .75 (bin 11).
  const SomeOutputs outputs(2, {.75f, .25f, .78125f, .21875f, .25f, .75f}, {0, 1, 1});
  const Estimate estimate = measure("ece_classwise", outputs);
  const double of_0 = (std::abs(1 - .75 - .78125) + std::abs(0 - .25)) / 3;
  const double of_1 = (std::abs(1 - .25 - .21875) + std::abs(1 - .75)) / 3;
  EXPECT_NEAR(estimate.value, (of_0 + of_1) / 2, 1e-9);
  EXPECT_THAT(estimate.curves.at("by_class"), ElementsAre(DoubleNear(of_0, 1e-9), DoubleNear(of_1, 1e-9)));
}

TEST(EceClasswise, IsThatOfUncertaintyCalibration) {
  // 0.1.4: lower_bound_scaling_ce with p = 1, mode = "marginal", no debiasing, and bins of equal width.
  EXPECT_NEAR(measure("ece_classwise", table_of_squares(0, 400)).value, 0.10129977275999066, 1e-6);
}

TEST(EceClasswise, OfTwoClassesThatMirrorEachOtherIsThatOfOne) {
  const SomeOutputs outputs(2, {.9f, .1f, .6f, .4f}, {0, 1});
  EXPECT_NEAR(measure("ece_classwise", outputs).value, ((1 - .9) + .6) / 2, 1e-7);
}

TEST(EceClasswise, IsZeroForCertaintyThatIsRight) {
  EXPECT_EQ(measure("ece_classwise", {3, {1, 0, 0, 0, 0, 1}, {0, 2}}).value, 0);
}

}  // namespace
}  // namespace assay
