#include <gtest/gtest.h>

#include "cuda/metric_run.hpp"

namespace assay {
namespace {

TEST(Top5Accuracy, CountsLabelsAmongTheFirstFive) {
  const Estimate e =
      measure("top5_accuracy", rows_with(3, SampleRow::top5 | SampleRow::correct) + rows_with(4, SampleRow::top5) +
                                   rows_with(2, 0) + rows_with(1, SampleRow::undecided));
  EXPECT_DOUBLE_EQ(e.value, 0.7);
  EXPECT_EQ(e.hi, measure("top5_accuracy", rows_with(8, SampleRow::top5) + rows_with(2, 0)).hi);
}

}  // namespace
}  // namespace assay
