#include <gtest/gtest.h>

#include <cmath>

#include "cuda/metric_run.hpp"

namespace assay {
namespace {

constexpr unsigned kClean = SampleRow::clean_correct, kAny = SampleRow::fooled_any, kFinal = SampleRow::fooled_final,
                   kUndecided = SampleRow::undecided, kRight = SampleRow::correct;

double robust(unsigned flags) {
  return measure("robust_accuracy_final", rows_with(1, flags)).value;
}

TEST(RobustAccuracyFinal, NeedsARightCleanAnswerAndARightLastIterate) {
  EXPECT_EQ(robust(kClean | kRight), 1.0);
  EXPECT_EQ(robust(kRight), 0.0);
  EXPECT_EQ(robust(kClean | kAny | kRight), 1.0);  // fooled on the way does not count here
  EXPECT_EQ(robust(kClean | kAny | kFinal), 0.0);
  EXPECT_EQ(robust(kClean | kUndecided), 0.0);
}

TEST(RobustAccuracyFinal, CouldBeHigherByUndecidedSamplesThatTheEndDoesNotFool) {
  const auto hi = [](const std::vector<SampleRow>& rows) { return measure("robust_accuracy_final", rows).hi; };
  const std::vector<SampleRow> sure = rows_with(5, kClean) + rows_with(3, kAny | kFinal);
  EXPECT_EQ(hi(sure + rows_with(2, kClean | kUndecided | kAny)), hi(rows_with(7, kClean) + rows_with(3, kFinal)));
  EXPECT_EQ(hi(sure + rows_with(2, kClean | kUndecided | kAny | kFinal)),
            hi(rows_with(5, kClean) + rows_with(5, kFinal)));
}

TEST(RobustAccuracyFinal, IsUndefinedWhereASampleRetired) {
  const std::vector<SampleRow> rows = rows_with(5, kClean) + rows_with(1, kAny | kFinal | SampleRow::retired);
  EXPECT_TRUE(std::isnan(measure("robust_accuracy_final", rows).value));
}

TEST(RobustAccuracyFinal, IsOfAttackedCellsOnly) {
  EXPECT_FALSE(metric_of("robust_accuracy_final").applies(CellKind::clean));
  EXPECT_FALSE(metric_of("robust_accuracy_final").applies(CellKind::corrupted));
}

}  // namespace
}  // namespace assay
