// HSV with V + c, Hendrycks & Dietterich 2019.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "cuda/corruption_run.hpp"

namespace assay {
namespace {

constexpr Published kShift = {{.05, .1, .15, .2, .3}, {.1, .2, .3, .4, .5}, {.1, .2, .3, .4, .5}};

/// To hue (in sixths), saturation and value, and back with another value; by the textbook (Smith 1978), in double.
std::array<double, 3> with_value(const std::array<double, 3>& rgb, double shift) {
  const auto [r, g, b] = rgb;
  const double value = std::max({r, g, b}), chroma = value - std::min({r, g, b});
  const double saturation = value > 0 ? chroma / value : 0;
  double hue = 0;
  if (chroma > 0) hue = value == r ? (g - b) / chroma : (value == g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma);
  if (hue < 0) hue += 6;
  const double v = std::clamp(value + shift, 0.0, 1.0);
  const auto channel = [&](double n) {
    const double k = std::fmod(n + hue, 6.0);
    return v - v * saturation * std::clamp(std::min(k, 4 - k), 0.0, 1.0);
  };
  return {channel(5), channel(3), channel(1)};
}

TEST(Brightness, IsTheWayThroughHsv) {
  ByteImages images = noise_images(1, 3, 40, 40);
  const std::uint8_t colours[][3] = {{0, 0, 0},   {255, 255, 255}, {1, 0, 0},     {0, 0, 255}, {255, 255, 0},
                                     {3, 200, 3}, {128, 128, 128}, {254, 255, 0}, {0, 1, 1},   {200, 3, 200}};
  for (std::size_t i = 0; i < std::size(colours); ++i)
    for (std::size_t c = 0; c < 3; ++c) images.data[c * 1600 + i] = colours[i][c];
  for (const CorruptionArgs& args : all_args()) {
    const Corrupted result = corrupt("brightness", args, images);
    for (std::size_t i = 0; i < 1600; ++i) {
      std::array<double, 3> rgb{};
      for (std::size_t c = 0; c < 3; ++c) rgb[c] = images.data[c * 1600 + i] / 255.0;
      const std::array<double, 3> expected = with_value(rgb, kShift.at(args));
      for (std::size_t c = 0; c < 3; ++c)
        ASSERT_NEAR(result.out[c * 1600 + i], expected[c], 3e-7) << text(args) << ", pixel " << i << ", channel " << c;
    }
  }
}

// Exactly: many shifts are whole levels, and truncation would make 254 of anything below 255.
TEST(Brightness, MovesTheLargestChannelToTheNewValuesLevel) {
  const ByteImages images = noise_images(1, 3, 64, 64);
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<float> out = corrupt("brightness", args, images).out;
    for (std::size_t i = 0; i < 4096; ++i) {
      const std::uint8_t top = std::max({images.data[i], images.data[4096 + i], images.data[8192 + i]});
      const double value = std::min(top / 255.0 + kShift.at(args), 1.0);
      ASSERT_EQ(static_cast<int>(std::max({out[i], out[4096 + i], out[8192 + i]}) * 255.f),
                static_cast<int>(value * 255))
          << text(args) << ", " << int{top};
    }
  }
}

}  // namespace
}  // namespace assay
