// The worst bin over bins of equal mass. Golden: uncertainty-calibration 0.1.4, its bins over
// get_equal_bins(15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(MceEqualMass, IsThatOfUncertaintyCalibration) {
  EXPECT_NEAR(measure("mce_equal_mass", no_ties()).value, 0.9296875, 1e-14);
}

TEST(MceEqualMass, TakesTheWorstBin) {
  // 30 samples, 2 a bin; the three of .5 begin in bin 0 and share it with the one below.
  std::vector<SampleRow> rows = {sample(.25f, true), sample(.5f, true), sample(.5f, false), sample(.5f, false)};
  for (int i = 0; i < 26; ++i) rows.push_back(sample(1.f, true));
  EXPECT_NEAR(measure("mce_equal_mass", rows).value, (2 - 1.75) / 4, 1e-15);
}

}  // namespace
}  // namespace assay
