// Area under the risk-coverage curve. Goldens: NumPy, the mean of cumulated errors over k; with ties, over all orders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(Aurc, IsTheMeanRiskOverCoverages) {
  EXPECT_NEAR(measure("aurc", no_ties()).value, 0.6480642636992602, 1e-14);
}

TEST(Aurc, ExpectsTheRiskOfTies) {
  const std::vector<SampleRow> rows = {sample(.5f, true),   sample(.5f, false), sample(.5f, true),
                                       sample(.25f, false), sample(.25f, true), sample(.75f, true)};
  EXPECT_NEAR(measure("aurc", rows).value, 0.21203703703703702, 1e-15);
}

TEST(Aurc, IsTheErrorRateWhereConfidenceSaysNothing) {
  EXPECT_NEAR(measure("aurc", {sample(.5f, true), sample(.5f, false), sample(.5f, false), sample(.5f, true)}).value, .5,
              1e-15);
  EXPECT_EQ(measure("aurc", {sample(.5f, true), sample(.25f, true)}).value, 0);
  EXPECT_EQ(measure("aurc", {sample(.5f, false), sample(.25f, false)}).value, 1);
}

}  // namespace
}  // namespace assay
