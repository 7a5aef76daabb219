// Root mean squared calibration error. Goldens: uncertainty-calibration 0.1.4, plugin_ce over get_equal_prob_bins(15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(Rmsce, IsTheRootOfTheWeightedSquaresOfGaps) {
  for (const std::string profile : {"", "torchmetrics-1.9"})
    EXPECT_NEAR(measure("rmsce", three_bins(), profile).value,
                std::sqrt((4 * .25 * .25 + 2 * .875 * .875 + .0625 * .0625) / 7), 1e-15);
}

TEST(Rmsce, AndEceAreThoseOfUncertaintyCalibration) {
  EXPECT_NEAR(measure("rmsce", many_bins(90)).value, 0.43711884608014673, 1e-14);
  EXPECT_NEAR(measure("ece", many_bins(90)).value, 0.3763888888888889, 1e-14);
}

}  // namespace
}  // namespace assay
