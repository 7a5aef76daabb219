// The debiased squared calibration error. Goldens: uncertainty-calibration 0.1.4, unbiased_l2_ce over
// get_equal_prob_bins(15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(RmsceDebiased, IsThatOfUncertaintyCalibration) {
  for (const std::string profile : {"", "uncertainty-calibration-0.1"}) {
    EXPECT_NEAR(measure("rmsce_debiased", many_bins(90), profile).value, 0.4219607891456989, 1e-14);
    EXPECT_EQ(measure("rmsce_debiased", many_bins(12), profile).value, 0) << "its square would be -0.048";
  }
}

TEST(RmsceDebiased, TakesTheNoiseOffEachBinsSquare) {
  // 4 samples, 3 right: .25^2 - .75 * .25 / 3 is 0. 2 samples, none right: .875^2. A bin of one sample has no variance.
  EXPECT_NEAR(measure("rmsce_debiased", three_bins()).value, std::sqrt(2 * .875 * .875 / 7), 1e-15);
}

TEST(RmsceDebiased, ClosesItsBinsAboveWhereAskedTo) {
  // On no edge but 0 and 1 lies a float32; the one below 3/15 is in bin 2 either way, the one above in bin 3.
  const float below = std::nextafter(.2f, 0.f);
  EXPECT_EQ(measure("rmsce_debiased", {sample(below, true)}, "uncertainty-calibration-0.1").curves.at("count")[2], 1);
  EXPECT_EQ(measure("rmsce_debiased", {sample(.2f, true)}, "uncertainty-calibration-0.1").curves.at("count")[3], 1);
  EXPECT_EQ(measure("rmsce_debiased", {sample(1.f, true)}, "uncertainty-calibration-0.1").curves.at("count")[14], 1);
}

}  // namespace
}  // namespace assay
