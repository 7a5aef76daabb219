// Accuracy among the most confident samples, counted by hand.
#include <gtest/gtest.h>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

/// n samples, no two alike in confidence, of which all but the `right` surest are wrong.
std::vector<SampleRow> surest_right(int n, int right) {
  std::vector<SampleRow> rows;
  for (int i = 0; i < n; ++i) rows.push_back(sample(static_cast<float>(n - i) / static_cast<float>(n + 1), i < right));
  return rows;
}

TEST(AccuracyAtCoverage, CountsTheMostConfident) {
  // The one wrong sample among 10 is the seventh.
  std::vector<SampleRow> rows = surest_right(10, 10);
  rows[6] = sample(rows[6].confidence, false);
  EXPECT_EQ(measure("accuracy_at_coverage_80", rows).value, 1 - 1 / 8.0);
  EXPECT_EQ(measure("accuracy_at_coverage_90", rows).value, 1 - 1 / 9.0);
  EXPECT_EQ(measure("accuracy_at_coverage_95", rows).value, 1 - 1 / 10.0);
}

TEST(AccuracyAtCoverage, RoundsTheirNumberUp) {
  // With all wrong but the surest one, accuracy is 1 over their number.
  for (int n = 1; n <= 300; ++n) {
    const std::vector<SampleRow> rows = surest_right(n, 1);
    EXPECT_NEAR(measure("accuracy_at_coverage_80", rows).value, 1.0 / ((4 * n + 4) / 5), 1e-15) << n;
    EXPECT_NEAR(measure("accuracy_at_coverage_90", rows).value, 1.0 / ((9 * n + 9) / 10), 1e-15) << n;
    EXPECT_NEAR(measure("accuracy_at_coverage_95", rows).value, 1.0 / ((19 * n + 19) / 20), 1e-15) << n;
  }
}

TEST(AccuracyAtCoverage, ExpectsWhatIsDrawnFromTies) {
  // Of 10, 4 are surer and right; 4 of the 6 of .5, of which 3 are right, make 8.
  std::vector<SampleRow> rows(4, sample(.75f, true));
  for (int i = 0; i < 6; ++i) rows.push_back(sample(.5f, i % 2 == 0));
  EXPECT_EQ(measure("accuracy_at_coverage_80", rows).value, 1 - 2 / 8.0);
  EXPECT_EQ(measure("accuracy_at_coverage_90", rows).value, 1 - 2.5 / 9);
}

TEST(AccuracyAtCoverage, IsTheAccuracyWhereConfidenceSaysNothing) {
  for (const char* name : {"accuracy_at_coverage_80", "accuracy_at_coverage_90", "accuracy_at_coverage_95"})
    EXPECT_NEAR(measure(name, {sample(.5f, true), sample(.5f, false), sample(.5f, false), sample(.5f, true)}).value, .5,
                1e-15);
}

}  // namespace
}  // namespace assay
