// By hand: gaps that cancel across predicted classes in ECE do not here.
#include <gtest/gtest.h>

#include "cuda/metric_run.hpp"
#include "metrics/output_run.hpp"

namespace assay {
namespace {

TEST(EceTopLabel, BinsWithinThePredictedClass) {
  const SomeOutputs outputs(2, {.75f, .25f, .25f, .75f, .75f, .25f, .25f, .75f}, {0, 0, 0, 1});
  // Predicted 0: two right of .75 each; predicted 1: one of two.
  EXPECT_NEAR(measure("ece_top_label", outputs).value, ((2 - 1.5) + (1.5 - 1)) / 4, 1e-9);
  EXPECT_EQ(measure("ece", outputs.rows).value, 0);
}

TEST(EceTopLabel, IsEceWhereOneClassIsPredicted) {
  const SomeOutputs outputs(3, {.5f, .25f, .25f, .75f, .125f, .125f, 1, 0, 0}, {0, 2, 1});
  EXPECT_EQ(measure("ece_top_label", outputs).value, measure("ece", outputs.rows).value);
}

}  // namespace
}  // namespace assay
