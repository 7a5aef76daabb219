#include <gtest/gtest.h>

#include "cuda/metric_run.hpp"

namespace assay {
namespace {

std::vector<SampleRow> with_brier(std::size_t count, float brier) {
  return std::vector<SampleRow>(count, {0, 0, 0.5f, 0.f, brier});
}

TEST(Brier, IsTheMean) {
  EXPECT_EQ(measure("brier", with_brier(1, 0.25f) + with_brier(3, 1.75f)).value, 1.375);
  EXPECT_NEAR(measure("brier", with_brier(777, 0.1f)).value, static_cast<double>(0.1f), 0x1p-32);
}

TEST(Brier, ReachesZeroAndTwo) {
  EXPECT_EQ(measure("brier", with_brier(10000, 0.f)).value, 0.0);
  EXPECT_EQ(measure("brier", with_brier(10000, 2.f)).value, 2.0);
}

TEST(Brier, LeavesUndecidedOut) {
  std::vector<SampleRow> undecided = with_brier(3, 2.f);
  for (SampleRow& row : undecided) row.flags = SampleRow::undecided;
  EXPECT_EQ(measure("brier", with_brier(2, 0.5f) + undecided).value, 0.5);
}

}  // namespace
}  // namespace assay
