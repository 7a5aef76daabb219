// A layer of snow, the same turned by half a turn, and a paler image.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

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

/// What the package makes of a field of normal numbers, in the open: one axis of its zoom at a time.
struct PackageSnow {
  double mean, sigma, zoom, threshold;
  int radius;
  double spread;
};
int zoomed(int side, double zoom) {
  return static_cast<int>(std::nearbyint(std::ceil(side / zoom) * zoom));
}
/// Levels of the layer, h x w, from `drawn` (h x w, and the angle behind them).
std::vector<double> fallen(const PackageSnow& c, const std::vector<float>& drawn, int h, int w) {
  const auto at = [](int side, double zoom, int i) {
    const double crop = std::ceil(side / zoom), place = i * (crop - 1) / (zoomed(side, zoom) - 1);
    return std::floor((side - crop) / 2) + std::min(place, crop - 1);
  };
  const int wide = zoomed(w, c.zoom);
  const auto flake = [&](int y, int x) {
    const double down = at(h, c.zoom, y), right = at(w, c.zoom, x);
    double v = 0;
    for (const int dy : {0, 1})
      for (const int dx : {0, 1}) {
        const int row = std::min(static_cast<int>(down) + dy, h - 1),
                  column = std::min(static_cast<int>(right) + dx, w - 1);
        const double part_y = down - std::floor(down), part_x = right - std::floor(right);
        v += (dy == 1 ? part_y : 1 - part_y) * (dx == 1 ? part_x : 1 - part_x) *
             (c.mean + c.sigma * static_cast<double>(drawn[static_cast<std::size_t>(row * w + column)]));
      }
    return v < c.threshold ? 0 : std::clamp(v, 0., 1.);
  };
  const double radians = static_cast<double>(drawn.back()) * 3.14159265358979323846 / 180;
  double total = 0;
  for (int i = 0; i <= 2 * c.radius; ++i) total += std::exp(-.5 * i * i / (c.spread * c.spread));
  std::vector<double> levels;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      double sum = 0;
      for (int i = 0; i <= 2 * c.radius; ++i) {
        const int row = y + static_cast<int>(std::ceil(i * std::sin(radians) - .5));
        const int column = x + static_cast<int>(std::ceil(i * std::cos(radians) - .5));
        sum += std::exp(-.5 * i * i / (c.spread * c.spread)) / total *
               flake(std::clamp(row, 0, h - 1), std::clamp(column, 0, wide - 1));
      }
      levels.push_back(std::nearbyint(255 * sum));
    }
  return levels;
}

TEST(Snow, IsZoomedBlurredAndThenRoundedInThePackage) {
  const PackageSnow constants[] = {{.1, .3, 3, .5, 10, 4}, {.55, .3, 4.5, .85, 12, 8}, {.55, .3, 2.5, .85, 12, 12}};
  constexpr int kH = 33, kW = 37;
  const ByteImages black{1, 1, kH, kW, std::vector<std::uint8_t>(kH * kW)};
  for (std::size_t k = 0; k < 3; ++k)
    for (const std::uint32_t sample : {0u, 1u}) {
      const int severity = std::array{1, 4, 5}[k];
      const CorruptionArgs args{severity, Table::imagecorruptions};
      const Corrupted result = corrupt("snow", args, black, {.sample = {sample}});
      const std::vector<double> levels = fallen(constants[k], result.draws, kH, kW);
      for (std::size_t i = 0; i < kH * kW; ++i) {
        const double pale = (1 - kShare.at({severity, Table::c224})) * .5;
        const double expected = pale + (levels[i] + levels[kH * kW - 1 - i]) / 255;
        ASSERT_NEAR(result.out[i], std::min(expected, 1.), 2e-7) << severity << ' ' << i;
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
