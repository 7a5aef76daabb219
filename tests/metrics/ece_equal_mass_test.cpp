// Calibration error over bins of equal mass. Golden: uncertainty-calibration 0.1.4, plugin_ce(power=1) over
// get_equal_bins(15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(EceEqualMass, IsThatOfUncertaintyCalibration) {
  EXPECT_NEAR(measure("ece_equal_mass", no_ties()).value, 0.5328125, 1e-14);
}

TEST(EceEqualMass, KeepsTiesInTheBinOfTheirFirst) {
  // 30 samples, 2 a bin: the three of .5 begin in bin 0 and share it with the one below; bin 1 stays empty.
  std::vector<SampleRow> rows = {sample(.25f, true), sample(.5f, true), sample(.5f, false), sample(.5f, false)};
  for (int i = 0; i < 26; ++i) rows.push_back(sample(1.f, true));
  EXPECT_NEAR(measure("ece_equal_mass", rows).value, std::abs(2 - 1.75) / 30, 1e-15);
}

TEST(EceEqualMass, IsDefinedForFewerSamplesThanBins) {
  EXPECT_EQ(measure("ece_equal_mass", {sample(.25f, true), sample(.75f, false)}).value, .75);
}

}  // namespace
}  // namespace assay
