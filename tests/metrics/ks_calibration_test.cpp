// The Kolmogorov-Smirnov calibration error. Golden: NumPy, the largest cumulated difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(KsCalibration, IsTheLargestCumulatedDifference) {
  EXPECT_NEAR(measure("ks_calibration", no_ties()).value, 0.3234375, 1e-15);
}

TEST(KsCalibration, TakesTiesTogether) {
  // One by one the first, right, would leave a gap of .5 / 4.
  EXPECT_EQ(
      measure("ks_calibration", {sample(.5f, true), sample(.5f, false), sample(1.f, true), sample(1.f, true)}).value,
      0);
}

TEST(KsCalibration, SeesErrorsThatOffsetEachOther) {
  EXPECT_EQ(measure("ks_calibration", {sample(.25f, true), sample(.75f, false)}).value, .375);
}

}  // namespace
}  // namespace assay
