// The share itself, and Wilson's interval of every rate.
#include <gtest/gtest.h>

#include "cuda/metric_run.hpp"

namespace assay {
namespace {

Estimate accuracy(std::size_t right, std::size_t n, std::size_t undecided = 0) {
  return measure("accuracy", rows_with(right, SampleRow::correct) + rows_with(n - right - undecided, 0) +
                                 rows_with(undecided, SampleRow::undecided));
}

// Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score without continuity correction).
TEST(Accuracy, HasWilsonsIntervalAsPublished) {
  struct Row {
    std::size_t right, n;
    double lo, hi;
  };
  for (const Row& row :
       {Row{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0.0, 0.1611}, {1, 29, 0.0061, 0.1718}}) {
    const Estimate e = accuracy(row.right, row.n);
    EXPECT_DOUBLE_EQ(e.value, static_cast<double>(row.right) / static_cast<double>(row.n));
    EXPECT_NEAR(e.lo, row.lo, 5e-5) << row.n;
    EXPECT_NEAR(e.hi, row.hi, 5e-5) << row.n;
  }
}

// For none and all the interval is [0, z2 / (n + z2)] and [n / (n + z2), 1], z2 = 3.841458820694124.
TEST(Accuracy, ReachesTheEndsForNoneAndAll) {
  for (const std::size_t n : {1u, 3u, 10u, 49u, 1000u}) {
    const double z2 = 3.841458820694124, count = static_cast<double>(n);
    EXPECT_EQ(accuracy(0, n).lo, 0.0);
    EXPECT_NEAR(accuracy(0, n).hi, z2 / (count + z2), 1e-12);
    EXPECT_NEAR(accuracy(n, n).lo, count / (count + z2), 1e-12);
    EXPECT_EQ(accuracy(n, n).hi, 1.0);
    EXPECT_EQ(accuracy(n, n).value, 1.0);
  }
}

TEST(Accuracy, CountsUndecidedAsWrongAndWidensUpwards) {
  const Estimate e = accuracy(60, 100, 10), without = accuracy(60, 100), best = accuracy(70, 100);
  EXPECT_DOUBLE_EQ(e.value, 0.6);
  EXPECT_EQ(e.lo, without.lo);
  EXPECT_EQ(e.hi, best.hi);
  EXPECT_EQ(accuracy(90, 100, 10).hi, 1.0);
}

TEST(Accuracy, LooksAtTheLastIterateOnly) {
  EXPECT_EQ(measure("accuracy", rows_with(4, SampleRow::clean_correct | SampleRow::top5)).value, 0.0);
}

}  // namespace
}  // namespace assay
