// Brier score of the top label and its parts. Golden: scikit-learn 1.9.1, brier_score_loss of what is right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

double part(const Estimate& estimate, const char* name) {
  const std::vector<double>& values = estimate.curves.at(name);
  EXPECT_EQ(values.size(), 1u);
  return values[0];
}
double sum_of_parts(const Estimate& e) {
  return part(e, "reliability") - part(e, "resolution") + part(e, "uncertainty") + part(e, "within_bin_variance") -
         part(e, "within_bin_covariance");
}

TEST(BrierTopLabel, IsThatOfScikitLearn) {
  EXPECT_NEAR(measure("brier_top_label", many_bins(90)).value, 0.28720703125, 1e-15);
}

TEST(BrierTopLabel, IsTheSumOfItsParts) {
  for (const std::vector<SampleRow>& rows : {many_bins(90), no_ties(), three_bins()})
    EXPECT_NEAR(sum_of_parts(measure("brier_top_label", rows)), measure("brier_top_label", rows).value, 1e-15);
  std::vector<SampleRow> rows;  // whose squares are truncated
  for (int i = 0; i < 10000; ++i) rows.push_back(sample(static_cast<float>(i) / 9999.f, i * i % 11 < 5));
  EXPECT_NEAR(sum_of_parts(measure("brier_top_label", rows)), measure("brier_top_label", rows).value, 1e-13);
}

TEST(BrierTopLabel, HasThePartsOfAHandCount) {
  // Bin 7 (.467 to .533): .5 wrong, .515625 right. Bin 14: .9375 and 1 right. Means .5078125 and .96875, rates .5
  // and 1.
  const Estimate e =
      measure("brier_top_label", {sample(.5f, false), sample(.515625f, true), sample(.9375f, true), sample(1.f, true)});
  EXPECT_EQ(e.value, (.25 + .484375 * .484375 + .0625 * .0625) / 4);
  EXPECT_EQ(part(e, "reliability"), (.0078125 * .0078125 + .03125 * .03125) / 2);
  EXPECT_EQ(part(e, "resolution"), .0625);
  EXPECT_EQ(part(e, "uncertainty"), .1875);
  EXPECT_EQ(part(e, "within_bin_variance"), (.0078125 * .0078125 + .03125 * .03125) / 2);
  EXPECT_EQ(part(e, "within_bin_covariance"), .0078125 / 2);
}

TEST(BrierTopLabel, HasNothingWithinABinOfOneConfidence) {
  const Estimate e = measure("brier_top_label", three_bins());
  EXPECT_NEAR(e.value, (3 * .25 + .25 + 2 * .875 * .875 + .0625 * .0625) / 7, 1e-15);
  EXPECT_EQ(part(e, "within_bin_variance"), 0);
  EXPECT_EQ(part(e, "within_bin_covariance"), 0);
}

TEST(BrierTopLabel, IsZeroWhenSureAndRightAndOneWhenSureAndWrong) {
  EXPECT_EQ(measure("brier_top_label", std::vector<SampleRow>(5000, sample(1.f, true))).value, 0);
  EXPECT_EQ(measure("brier_top_label", std::vector<SampleRow>(5000, sample(1.f, false))).value, 1);
}

TEST(BrierTopLabel, IsNotNegativeWhereSquaresAreTruncated) {
  float confidence = 1.f;
  for (int i = 0; i < 300; ++i, confidence = std::nextafter(confidence, 0.f)) {
    const double value = measure("brier_top_label", {sample(confidence, true)}).value;
    const double gap = 1 - static_cast<double>(confidence);
    EXPECT_GE(value, 0);
    EXPECT_NEAR(value, gap * gap, 0x1p-32);
  }
}

TEST(BrierTopLabel, LeavesUndecidedOut) {
  SampleRow undecided = sample(0.f, false);
  undecided.flags = SampleRow::undecided;
  EXPECT_EQ(measure("brier_top_label", {sample(.5f, true), undecided, undecided}).value, .25);
}

}  // namespace
}  // namespace assay
