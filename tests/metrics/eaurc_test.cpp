// Excess area under the risk-coverage curve. Golden: NumPy, less the curve of the errors sorted to the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(Eaurc, IsWhatTheBestOrderWouldSave) {
  EXPECT_NEAR(measure("eaurc", no_ties()).value, 0.5512509933935195, 1e-14);
}

TEST(Eaurc, IsZeroForTheBestOrder) {
  EXPECT_EQ(measure("eaurc", {sample(.9f, true), sample(.8f, true), sample(.7f, false), sample(.1f, false)}).value, 0);
  EXPECT_EQ(measure("eaurc", {sample(.9f, true), sample(.8f, true)}).value, 0);
  EXPECT_EQ(measure("eaurc", {sample(.9f, false), sample(.8f, false)}).value, 0);
}

}  // namespace
}  // namespace assay
