// The parts that attacks share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attacks/attack_kernel.hpp"
#include "data/mutate.hpp"

namespace assay {
namespace {

std::vector<float> noise(std::size_t n, double scale) {
  Lcg random(3);
  std::vector<float> values;
  for (std::size_t i = 0; i < n; ++i)
    values.push_back(static_cast<float>(scale * (static_cast<double>(random.below(200001)) / 100000 - 1)));
  return values;
}

class L2NormOf : public testing::TestWithParam<double> {};
INSTANTIATE_TEST_SUITE_P(Scales, L2NormOf, testing::Values(1e-41, 1e-38, 1e-20, 1.0, 1e18, 1e36, 3e38));

TEST_P(L2NormOf, MakesUnitVectorsOfGradientsOfAnySize) {
  const std::vector<float> v = noise(1000, GetParam());
  double squares = 0, unit = 0;
  for (const float x : v) squares += static_cast<double>(x) * static_cast<double>(x);
  SerialTeam team;
  const L2Norm norm = L2Norm::of(team, 1000, v.data());
  for (const float x : v) {
    const auto part = static_cast<double>(norm.unit(x));
    EXPECT_NEAR(part, static_cast<double>(x) / std::sqrt(squares), 1e-6);
    unit += part * part;
  }
  EXPECT_NEAR(unit, 1, 1e-5);
  const double expected = std::sqrt(squares);
  if (expected < 3e38) {
    EXPECT_NEAR(norm.value(), expected, 1e-5 * expected + 1.5e-45);
  }
}

TEST(L2Norm, HasNoDirectionWithoutOne) {
  SerialTeam team;
  for (const float odd : {0.f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> v = {0.f, odd, odd == 0.f ? 0.f : 1.f};
    const L2Norm norm = L2Norm::of(team, 3, v.data());
    for (const float x : v) EXPECT_EQ(norm.unit(x), 0.f) << odd;
  }
}

}  // namespace
}  // namespace assay
