// Maximum calibration error: the worst bin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(Mce, IsTheLargestGapOfABin) {
  for (const std::string profile : {"", "torchmetrics-1.9"}) {
    EXPECT_NEAR(measure("mce", three_bins(), profile).value, .875, 1e-15);
    EXPECT_NEAR(measure("mce", {sample(.5f, true), sample(.5f, true), sample(.25f, false)}, profile).value, .5, 1e-15);
  }
}

// One sample of 1.0 that is wrong and one of .96875 that is right share a bin, where the gaps offset each other.
TEST(Mce, KeepsConfidenceOneApartForTorchMetricsOnly) {
  const std::vector<SampleRow> rows = {sample(1.f, false), sample(.96875f, true)};
  EXPECT_NEAR(measure("mce", rows).value, .96875 / 2, 1e-15);
  EXPECT_EQ(measure("mce", rows, "torchmetrics-1.9").value, 1);
}

TEST(Mce, IsZeroWhereEveryBinIsAsRightAsSure) {
  EXPECT_EQ(measure("mce", {sample(.5f, true), sample(.5f, false), sample(1.f, true)}).value, 0);
}

}  // namespace
}  // namespace assay
