// Root mean square calibration error over bins of equal mass. Golden: uncertainty-calibration 0.1.4, plugin_ce(power=2)
// over get_equal_bins(15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(RmsceEqualMass, IsThatOfUncertaintyCalibration) {
  EXPECT_NEAR(measure("rmsce_equal_mass", no_ties()).value, 0.5864095320873601, 1e-14);
}

TEST(RmsceEqualMass, WeighsBinsByTheirSamples) {
  std::vector<SampleRow> rows = {sample(.25f, true), sample(.5f, true), sample(.5f, false), sample(.5f, false)};
  for (int i = 0; i < 26; ++i) rows.push_back(sample(1.f, true));
  EXPECT_NEAR(measure("rmsce_equal_mass", rows).value, std::sqrt(4 * .0625 * .0625 / 30), 1e-15);
}

}  // namespace
}  // namespace assay
