// The debiased calibration error over bins of equal mass. Golden: uncertainty-calibration 0.1.4, unbiased_l2_ce over
// get_equal_bins(15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(RmsceDebiasedEqualMass, IsThatOfUncertaintyCalibration) {
  EXPECT_NEAR(measure("rmsce_debiased_equal_mass", no_ties()).value, 0.5572636772566316, 1e-14);
}

TEST(RmsceDebiasedEqualMass, IsZeroWhereChanceExplainsTheGaps) {
  // One bin of 30 ties: a gap of .5 - 16/30, of which chance alone is sqrt(16 * 14 / 30^2 / 29) = .093.
  std::vector<SampleRow> rows;
  for (int i = 0; i < 30; ++i) rows.push_back(sample(.5f, i < 16));
  EXPECT_EQ(measure("rmsce_debiased_equal_mass", rows).value, 0);
}

TEST(RmsceDebiasedEqualMass, SaysNothingOfSingleSamples) {
  EXPECT_EQ(measure("rmsce_debiased_equal_mass", {sample(.25f, true), sample(.75f, false)}).value, 0);
}

}  // namespace
}  // namespace assay
