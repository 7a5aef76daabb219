// A layer of snow, the same turned by half a turn, and a paler image.
#include <gtest/gtest.h>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

constexpr Published kShare = {{.95, .9, .9, .85, .8}, {.8, .8, .7, .65, .6}, {.8, .7, .7, .65, .55}};

/// The layers alone: what is on a black image beyond its paleness.
std::vector<double> layers(const CorruptionArgs& args, std::int64_t side) {
  std::vector<double> found;
  for (const float v : corrupt("snow", args, flat_images(1, 1, side, 0)).out)
    found.push_back(static_cast<double>(v) - (1 - kShare.at(args)) * 0.5);
  found.resize(static_cast<std::size_t>(side * side));
  return found;
}

TEST(Snow, IsItselfTurnedByHalfATurnOnABlackImage) {
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<float> out = corrupt("snow", args, flat_images(1, 3, 40, 0)).out;
    for (std::size_t i = 0; i < 1600; ++i) ASSERT_EQ(out[i], out[1599 - i]) << text(args);
  }
}

TEST(Snow, AddsItsLayersToAPalerImage) {
  constexpr std::int64_t kSide = 32;
  const ByteImages images = noise_images(1, 3, kSide, kSide);
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<double> snow = layers(args, kSide);
    const Corrupted result = corrupt("snow", args, images);
    const double share = kShare.at(args);
    for (std::size_t i = 0; i < 1024; ++i) {
      const double r = images.data[i] / 255.0, g = images.data[1024 + i] / 255.0, b = images.data[2048 + i] / 255.0;
      const double pale = (0.299 * r + 0.587 * g + 0.114 * b) * 1.5 + 0.5;
      // Where the black image is clipped to white, so is this one.
      for (std::size_t c = 0; c < 3; ++c) {
        const double x = images.data[c * 1024 + i] / 255.0;
        const double expected = share * x + (1 - share) * std::max(x, pale) + snow[i];
        ASSERT_NEAR(result.out[c * 1024 + i], std::clamp(expected, 0.0, 1.0), 5e-7) << text(args) << ", pixel " << i;
      }
    }
  }
}

TEST(Snow, FallsWithinItsAnglesAndMoreOfItWithSeverity) {
  double before = -1;
  for (const int severity : {1, 2, 5}) {
    double total = 0;
    for (std::uint32_t sample = 0; sample < 8; ++sample) {
      const Corrupted result = corrupt("snow", {severity, Table::c32}, flat_images(1, 1, 48, 0), {.sample = {sample}});
      const float degrees = result.draws.back();
      ASSERT_TRUE(degrees >= -135 && degrees < -45);
      for (const float v : result.out) total += static_cast<double>(v);
    }
    EXPECT_GT(total, before);
    before = total;
  }
}

}  // namespace
}  // namespace assay
