// The projection onto box and L1 ball, and selection, against sorting in double.
#include "attacks/l1_ball.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/mutate.hpp"

namespace assay {
namespace {

/// The nearest point in box and ball by the sorted breakpoints of the piecewise linear sum.
std::vector<double> nearest(const std::vector<float>& clean, const std::vector<float>& point, double epsilon) {
  const std::size_t n = clean.size();
  std::vector<double> size(n), room(n), breaks = {0.0};
  for (std::size_t i = 0; i < n; ++i) {
    const float v = point[i] - clean[i];
    size[i] = std::abs(static_cast<double>(v));
    room[i] = v > 0 ? static_cast<double>(1.f - clean[i]) : static_cast<double>(clean[i]);
    breaks.push_back(size[i]);
    breaks.push_back(std::max(0.0, size[i] - room[i]));
  }
  std::ranges::sort(breaks);
  const auto total = [&](double alpha) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::clamp(size[i] - alpha, 0.0, room[i]);
    return sum;
  };
  double alpha = 0;
  if (total(0) > epsilon)
    for (std::size_t b = 0; b + 1 < breaks.size(); ++b) {
      const double high = total(breaks[b]), low = total(breaks[b + 1]);
      if (high < epsilon || low > epsilon) continue;
      const double part = high > low ? (high - epsilon) / (high - low) : 0;
      alpha = breaks[b] + part * (breaks[b + 1] - breaks[b]);
      break;
    }
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double d = std::clamp(size[i] - alpha, 0.0, room[i]);
    out[i] = static_cast<double>(clean[i]) + (point[i] < clean[i] ? -d : d);
  }
  return out;
}

std::vector<float> projected(const std::vector<float>& clean, std::vector<float> point, float epsilon) {
  SerialTeam team;
  LaneRow row{};
  row.dim = static_cast<std::int64_t>(clean.size());
  row.clean = clean.data();
  row.point = point.data();
  project_l1(team, row, epsilon);
  return point;
}

TEST(L1Ball, ProjectsAsSortingDoes) {
  Lcg random(5);
  for (int round = 0; round < 10000; ++round) {
    const std::size_t n = 1 + random.below(40);
    const bool coarse = round % 2 == 0;  // ties and corners
    std::vector<float> clean, point;
    for (std::size_t i = 0; i < n; ++i) {
      clean.push_back(coarse ? static_cast<float>(random.below(5)) / 4
                             : static_cast<float>(random.below(10001)) / 10000);
      const float d =
          coarse ? static_cast<float>(random.below(9)) / 4 - 1 : static_cast<float>(random.below(20001)) / 8000 - 1.25f;
      point.push_back(clean.back() + d);
    }
    const float epsilon = static_cast<float>(random.below(1000)) / 100;
    const std::vector<float> got = projected(clean, point, epsilon);
    const std::vector<double> expected = nearest(clean, point, static_cast<double>(epsilon));
    double norm = 0;
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_NEAR(static_cast<double>(got[i]), expected[i], 1e-6) << "round " << round << ", " << i << " of " << n;
      ASSERT_TRUE(got[i] >= 0.f && got[i] <= 1.f);
      norm += std::abs(static_cast<double>(got[i]) - static_cast<double>(clean[i]));
    }
    EXPECT_LE(norm, static_cast<double>(epsilon) * (1 + 1e-6) + 0x1p-25 * static_cast<double>(n));
  }
}

TEST(L1Ball, LeavesWhatIsInsideAndReturnsToTheImageForRadiusZero) {
  const std::vector<float> clean = {0.f, 0.5f, 1.f}, near = {0.1f, 0.4f, 1.f};
  EXPECT_EQ(projected(clean, near, 0.3f)[1], clean[1] - (clean[1] - near[1]));
  EXPECT_EQ(projected(clean, {5.f, -3.f, 0.2f}, 0.f), clean);
}

TEST(SelectRising, FindsTheElementThatSortingPutsThere) {
  Lcg random(6);
  for (int round = 0; round < 2000; ++round) {
    std::vector<float> values;
    const std::size_t n = 1 + random.below(60);
    for (std::size_t i = 0; i < n; ++i)
      values.push_back(
          round % 2 == 0 ? static_cast<float>(random.below(4))
                         : std::ldexp(static_cast<float>(random.below(1000)), static_cast<int>(random.below(60)) - 60));
    std::vector<float> sorted = values;
    std::ranges::sort(sorted);
    SerialTeam team;
    const float* const data = values.data();
    for (std::size_t below = 0; below < n; ++below)
      ASSERT_EQ(
          select_rising(
              team, static_cast<std::int64_t>(n), static_cast<std::int64_t>(below), [](float v) { return v; }, data),
          sorted[below]);
  }
}

}  // namespace
}  // namespace assay
