#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cuda/metric_run.hpp"

namespace assay {
namespace {

std::vector<SampleRow> with_nll(std::size_t count, float nll) {
  return std::vector<SampleRow>(count, {0, 0, 0.5f, nll, 0.f});
}

TEST(Nll, IsTheMean) {
  EXPECT_NEAR(measure("nll", with_nll(1, 0.25f) + with_nll(3, 1.75f)).value, 1.375, 1e-11);
  EXPECT_EQ(measure("nll", with_nll(5, 0.f)).value, 0.0);
  EXPECT_EQ(measure("nll", with_nll(5, -0.f)).value, 0.0);
}

// Units of 2^-40 are truncated: below 2^-40 absolute, and exact for floats whose last bit is above that.
TEST(Nll, KeepsTinyAndOrdinaryValues) {
  for (const float nll : {1e-9f, 1e-7f, 0.1f, 1.f / 3, 2.302585f, 17.3f, 103.9f, 12345.678f})
    EXPECT_NEAR(measure("nll", with_nll(1000, nll)).value, static_cast<double>(nll), 0x1p-40) << nll;
}

TEST(Nll, DoesNotOverflowOnHugeValues) {
  for (const float nll : {1e6f, 3.3e9f, 1e12f, 9e14f}) {
    const double value = static_cast<double>(nll);
    EXPECT_NEAR(measure("nll", with_nll(5000, nll)).value, value, 1e-9 * value) << nll;
    EXPECT_NEAR(measure("nll", with_nll(2500, nll) + with_nll(2500, 0.f)).value, value / 2, 1e-9 * value) << nll;
  }
}

TEST(Nll, IsInfiniteForASingleLabelOfProbabilityZero) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(measure("nll", with_nll(100, 1.f) + with_nll(1, infinity)).value, static_cast<double>(infinity));
}

TEST(Nll, LeavesUndecidedOut) {
  std::vector<SampleRow> undecided = with_nll(3, 50.f);
  for (SampleRow& row : undecided) row.flags = SampleRow::undecided;
  EXPECT_EQ(measure("nll", with_nll(2, 0.5f) + undecided).value, 0.5);
}

}  // namespace
}  // namespace assay
