// The parts that kernels share, on a block of threads as on a CUDA device: the same bits as on one CPU thread.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attacks/attack_kernel.hpp"
#include "core/softmax.hpp"
#include "core/threads_block.hpp"
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

TEST(SoftmaxOnABlock, HasTheBitsOfOneThread) {
  for (const int classes : {2, 10, 257, 1000}) {
    const std::vector<float> logits = noise(static_cast<std::size_t>(classes), 20);
    SerialTeam serial;
    const Softmax expected = Softmax::of(serial, logits.data(), classes);
    const int top = arg_max(serial, logits.data(), classes);
    EXPECT_EQ(top, std::ranges::max_element(logits) - logits.begin());
    std::vector<double> sums(kTeamWidth), tops(kTeamWidth);
    std::vector<int> predictions(kTeamWidth);
    on_block([&](auto& team, int worker) {
      const auto w = static_cast<std::size_t>(worker);
      const Softmax softmax = Softmax::of(team, logits.data(), classes);
      sums[w] = softmax.sum;
      tops[w] = softmax.top;
      predictions[w] = arg_max(team, logits.data(), classes);
    });
    EXPECT_THAT(sums, testing::Each(expected.sum)) << classes;
    EXPECT_THAT(tops, testing::Each(expected.top)) << classes;
    EXPECT_THAT(predictions, testing::Each(top)) << classes;
  }
}

TEST(ProjectL2OnABlock, HasTheBitsOfOneThread) {
  constexpr std::size_t kDim = 3001;
  const std::vector<float> clean(kDim, 0.5f);
  std::vector<float> start = noise(kDim, 0.6);
  for (float& v : start) v += 0.5f;
  const auto row = [&](std::vector<float>& point) {
    return LaneRow{{0, 2.5f}, static_cast<std::int64_t>(kDim), clean.data(), point.data(), nullptr, nullptr, 0.f, 0};
  };
  std::vector<float> expected = start, threaded = start;
  SerialTeam serial;
  project_l2(serial, row(expected), 2.5f);
  on_block([&](auto& team, int) { project_l2(team, row(threaded), 2.5f); });
  EXPECT_EQ(threaded, expected);
  double squares = 0;
  for (const float v : expected) squares += (static_cast<double>(v) - 0.5) * (static_cast<double>(v) - 0.5);
  EXPECT_NEAR(std::sqrt(squares), 2.5, 1e-5);
}

class L2NormOf : public testing::TestWithParam<double> {};
INSTANTIATE_TEST_SUITE_P(Scales, L2NormOf, testing::Values(1e-41, 1e-38, 1e-20, 1.0, 1e18, 1e36, 3e38));

TEST_P(L2NormOf, MakesUnitVectorsOfGradientsOfAnySize) {
  const std::vector<float> v = noise(1000, GetParam());
  double squares = 0, unit = 0;
  for (const float x : v) squares += static_cast<double>(x) * static_cast<double>(x);
  SerialTeam team;
  const L2Norm norm = L2Norm::of(team, 1000, [&](std::int64_t i) { return v[static_cast<std::size_t>(i)]; });
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
    const L2Norm norm = L2Norm::of(team, 3, [&](std::int64_t i) { return v[static_cast<std::size_t>(i)]; });
    for (const float x : v) EXPECT_EQ(norm.unit(x), 0.f) << odd;
  }
}

}  // namespace
}  // namespace assay
