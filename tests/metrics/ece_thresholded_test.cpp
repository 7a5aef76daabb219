// By hand: what is below 0.01 does not count, on either side of the division.
#include <gtest/gtest.h>

#include <cmath>

#include "metrics/output_run.hpp"

namespace assay {
namespace {

TEST(EceThresholded, LeavesOutNegligibleProbabilities) {
  // Class 0: .5 and .995, labels 1 and 0. Class 1: .5, label 1; .005 is left out. Class 2 has none.
  const SomeOutputs outputs(3, {.5f, .5f, 0.f, .995f, .005f, 0.f}, {1, 0});
  const Estimate estimate = measure("ece_thresholded", outputs);
  EXPECT_NEAR(estimate.value, ((.5 + .005) / 2 + .5 / 1) / 2, 1e-7);
  EXPECT_TRUE(std::isnan(estimate.curves.at("by_class")[2]));
}

TEST(EceThresholded, TakesAProbabilityOfTheThresholdItself) {
  const SomeOutputs outputs(2, {.99f, .01f}, {0});
  EXPECT_NEAR(measure("ece_thresholded", outputs).value, .01, 1e-7);
  const SomeOutputs below(2, {.995f, std::nextafter(.01f, 0.f)}, {0});
  EXPECT_NEAR(measure("ece_thresholded", below).value, .005, 1e-7);
}

}  // namespace
}  // namespace assay
