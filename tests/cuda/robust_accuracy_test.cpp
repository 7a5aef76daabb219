#include <gtest/gtest.h>

#include "cuda/metric_run.hpp"

namespace assay {
namespace {

constexpr unsigned kClean = SampleRow::clean_correct, kAny = SampleRow::fooled_any, kFinal = SampleRow::fooled_final,
                   kUndecided = SampleRow::undecided, kRight = SampleRow::correct;

double robust(unsigned flags) {
  return measure("robust_accuracy", rows_with(1, flags)).value;
}

TEST(RobustAccuracy, NeedsARightCleanAnswerAndNoFoolingIterate) {
  EXPECT_EQ(robust(kClean | kRight), 1.0);
  EXPECT_EQ(robust(kRight), 0.0);  // wrong when clean, right under attack
  EXPECT_EQ(robust(kClean | kAny), 0.0);
  EXPECT_EQ(robust(kClean | kAny | kRight), 0.0);  // fooled on the way, right at the end
  EXPECT_EQ(robust(kClean | kAny | kFinal), 0.0);
  EXPECT_EQ(robust(kClean | kUndecided), 0.0);
}

TEST(RobustAccuracy, CouldBeHigherByUndecidedSamplesThatNothingFooled) {
  const auto hi = [](const std::vector<SampleRow>& rows) { return measure("robust_accuracy", rows).hi; };
  const std::vector<SampleRow> sure = rows_with(5, kClean) + rows_with(3, kAny);
  EXPECT_EQ(hi(sure + rows_with(2, kClean | kUndecided)), 1.0 * hi(rows_with(7, kClean) + rows_with(3, kAny)));
  EXPECT_EQ(hi(sure + rows_with(2, kClean | kUndecided | kAny)), hi(rows_with(5, kClean) + rows_with(5, kAny)));
}

TEST(RobustAccuracy, IsOfAttackedCellsOnly) {
  EXPECT_TRUE(metric_of("robust_accuracy").applies(CellKind::attacked));
  EXPECT_FALSE(metric_of("robust_accuracy").applies(CellKind::clean));
  EXPECT_FALSE(metric_of("robust_accuracy").applies(CellKind::corrupted));
}

}  // namespace
}  // namespace assay
