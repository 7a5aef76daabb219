// Half a normal kernel along a direction, as ImageMagick's.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr Published kRadius = {{6, 6, 6, 8, 9}, {10, 10, 10, 10, 12}, {10, 15, 15, 15, 20}};
constexpr Published kSigma = {{1, 1.5, 2, 2, 2.5}, {1, 1.5, 2, 2.5, 3}, {3, 5, 8, 12, 15}};

TEST(MotionBlur, SpreadsAPixelBackAlongItsAngle) {
  constexpr std::int64_t kSide = 91;
  for (const CorruptionArgs& args : all_args())
    for (const std::uint32_t sample : {0u, 1u, 2u, 3u}) {
      const Corrupted result = corrupt("motion_blur", args, one_white_pixel(kSide), {.sample = {sample}});
      const double degrees = static_cast<double>(result.draws.at(0)), radians = degrees * kPi / 180;
      ASSERT_TRUE(degrees >= -45 && degrees < 45);
      // The pixel is seen by those from which a tap reaches it.
      std::map<std::pair<std::int64_t, std::int64_t>, double> expected;
      double total = 0;
      const int taps = 2 * static_cast<int>(kRadius.at(args)) + 1;
      const auto weight = [&](int i) { return std::exp(-0.5 * i * i / (kSigma.at(args) * kSigma.at(args))); };
      for (int i = 0; i < taps; ++i) total += weight(i);
      for (int i = 0; i < taps; ++i) {
        const auto dx = static_cast<std::int64_t>(std::ceil(i * std::cos(radians) - 0.5));
        const auto dy = static_cast<std::int64_t>(std::ceil(i * std::sin(radians) - 0.5));
        expected[{-dy, -dx}] += 255 * weight(i) / total;
      }
      for (std::int64_t dy = -45; dy <= 45; ++dy)
        for (std::int64_t dx = -45; dx <= 45; ++dx)
          ASSERT_EQ(std::lround(255 * from_middle(result.out, kSide, dy, dx)),
                    std::lround(expected.contains({dy, dx}) ? expected[{dy, dx}] : 0.0))
              << text(args) << ", angle " << degrees << ": " << dy << " " << dx;
    }
}

TEST(MotionBlur, KeepsItsSumsAsTheyAreInThePackage) {
  constexpr std::int64_t kSide = 91;
  for (const CorruptionArgs& args : package_args())
    for (const std::uint32_t sample : {0u, 1u, 2u, 3u}) {
      const Corrupted result = corrupt("motion_blur", args, one_white_pixel(kSide), {.sample = {sample}});
      const double radians = static_cast<double>(result.draws.at(0)) * kPi / 180;
      const CorruptionArgs constants{args.severity, Table::c224};
      const int taps = 2 * static_cast<int>(kRadius.at(constants)) + 1;
      const double sigma = kSigma.at(constants);
      const auto weight = [sigma](int i) { return std::exp(-0.5 * i * i / (sigma * sigma)); };
      double total = 0;
      for (int i = 0; i < taps; ++i) total += weight(i);
      std::map<std::pair<std::int64_t, std::int64_t>, double> expected;
      for (int i = 0; i < taps; ++i) {
        const auto dx = static_cast<std::int64_t>(std::ceil(i * std::cos(radians) - 0.5));
        const auto dy = static_cast<std::int64_t>(std::ceil(i * std::sin(radians) - 0.5));
        expected[{-dy, -dx}] += weight(i) / total;
      }
      for (const auto& [at, share] : expected)
        ASSERT_NEAR(from_middle(result.out, kSide, at.first, at.second), share, 1e-7) << text(args);
    }
}

// Of a flat image what is left are the taps that lie less than a side away.
TEST(MotionBlur, LeavesOffPastTheBordersInThePackage) {
  const CorruptionArgs args{5, Table::imagecorruptions};  // 41 taps, sigma 15
  std::set<int> counts;
  for (const std::uint32_t sample : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u}) {
    const Corrupted result = corrupt("motion_blur", args, flat_images(1, 3, 32, 200), {.sample = {sample}});
    const double radians = static_cast<double>(result.draws.at(0)) * kPi / 180;
    double total = 0, inside = 0;
    int taps = 0;
    for (int i = 0; i < 41; ++i) {
      const double weight = std::exp(-0.5 * i * i / 225.);
      total += weight;
      if (std::ceil(i * std::cos(radians) - 0.5) >= 32 || std::abs(std::ceil(i * std::sin(radians) - 0.5)) >= 32)
        continue;
      inside += weight;
      ++taps;
    }
    counts.insert(taps);
    for (const float v : result.out) ASSERT_NEAR(v, 200 / 255. * inside / total, 1e-7) << sample;
  }
  EXPECT_GE(counts.size(), 3u);
  EXPECT_LT(*counts.begin(), 35);
}

TEST(MotionBlur, LeavesFlatImagesAlone) {
  for (const CorruptionArgs& args : all_args())
    for (const int level : {1, 77, 128, 255})
      for (const float v : corrupt("motion_blur", args, flat_images(1, 3, 20, static_cast<std::uint8_t>(level))).out)
        ASSERT_EQ(v, static_cast<float>(level) / 255.f) << text(args);
}

TEST(MotionBlur, DrawsAnglesFromTheWholeRange) {
  std::vector<std::uint32_t> sample(2000);
  for (std::uint32_t i = 0; i < 2000; ++i) sample[i] = i;
  const Corrupted result = corrupt("motion_blur", {1, Table::c32}, flat_images(2000, 1, 3, 9), {.sample = sample});
  double sum = 0, squares = 0;
  for (const float v : result.draws) {
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  EXPECT_NEAR(sum / 2000, 0, 4 * 90 / std::sqrt(12.0 * 2000));
  EXPECT_NEAR(squares / 2000, 90.0 * 90 / 12, 4 * 604 / std::sqrt(2000.0));  // 90^2 / sqrt(180)
}

}  // namespace
}  // namespace assay
