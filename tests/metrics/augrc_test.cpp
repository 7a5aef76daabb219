// Area under the generalised risk-coverage curve. Goldens: NumPy; with ties, the mean over all orders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(Augrc, IsTheMeanShareOfUndetectedErrors) {
  EXPECT_NEAR(measure("augrc", no_ties()).value, 0.26333333333333336, 1e-14);
}

TEST(Augrc, ExpectsTheErrorsOfTies) {
  const std::vector<SampleRow> rows = {sample(.5f, true),   sample(.5f, false), sample(.5f, true),
                                       sample(.25f, false), sample(.25f, true), sample(.75f, true)};
  EXPECT_NEAR(measure("augrc", rows).value, 0.15277777777777776, 1e-15);
}

}  // namespace
}  // namespace assay
