// A plasma fractal laid over the image.
#include <gtest/gtest.h>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

constexpr Published kStrength = {{.2, .5, .75, 1, 1.5}, {.4, .7, 1, 1.5, 2}, {1.5, 2, 2.5, 2.5, 3}};
constexpr Published kDecay = {{3, 3, 2.5, 2, 1.75}, {3, 3, 2.5, 2, 1.75}, {2, 2, 1.7, 1.5, 1.4}};

/// Point by point, each from its four nearest of the steps before.
std::vector<double> plasma(const std::vector<float>& uniform, int side, double decay) {
  std::vector<double> map(uniform.size());
  double wibble = 100;
  const auto at = [&](int y, int x) -> double& {
    return map[static_cast<std::size_t>((y + side) % side * side + (x + side) % side)];
  };
  for (int step = side; step >= 2; step /= 2, wibble /= decay) {
    const int half = step / 2;
    const auto fill = [&](int y, int x, int dy, int dx) {
      // Corners for the middle of a square, sides for the middle of a diamond.
      const double sum = dy != 0 && dx != 0
                             ? at(y - dy, x - dx) + at(y - dy, x + dx) + at(y + dy, x - dx) + at(y + dy, x + dx)
                             : at(y - half, x) + at(y + half, x) + at(y, x - half) + at(y, x + half);
      const double u = static_cast<double>(uniform[static_cast<std::size_t>(y * side + x)]);
      at(y, x) = sum / 4 + wibble * (2 * u - 1) * wibble;
    };
    for (int y = half; y < side; y += step)
      for (int x = half; x < side; x += step) fill(y, x, half, half);
    for (int y = 0; y < side; y += half)
      for (int x = y % step == 0 ? half : 0; x < side; x += step) fill(y, x, 0, 0);
  }
  return map;
}

TEST(Fog, IsTheFractalOfWhatItDrew) {
  for (const CorruptionArgs& args : all_args()) {
    const int side = args.table == Table::c224 ? 256 : static_cast<int>(args.table);
    const ByteImages images = noise_images(1, 3, 30, 25);
    const Corrupted result = corrupt("fog", args, images);
    ASSERT_EQ(result.draws.size(), static_cast<std::size_t>(side * side));
    const std::vector<double> map = plasma(result.draws, side, kDecay.at(args));
    const auto [low, high] = std::minmax_element(map.begin(), map.end());
    const double largest = *std::max_element(images.data.begin(), images.data.end()) / 255.0,
                 strength = kStrength.at(args);
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < 30; ++y)
        for (int x = 0; x < 25; ++x) {
          const auto i = static_cast<std::size_t>(c * 750 + y * 25 + x);
          const double haze = (map[static_cast<std::size_t>(y * side + x)] - *low) / (*high - *low);
          ASSERT_NEAR(result.out[i], (images.data[i] / 255.0 + strength * haze) * largest / (largest + strength), 2e-7)
              << text(args) << " " << y << " " << x;
        }
  }
}

TEST(Fog, TakesTheNextPowerOfTwoForLargerImages) {
  EXPECT_EQ(corrupt("fog", {1, Table::c32}, noise_images(1, 1, 20, 40)).draws.size(), 64u * 64u);
  EXPECT_EQ(corrupt("fog", {1, Table::c224}, noise_images(1, 1, 20, 257)).draws.size(), 512u * 512u);
  EXPECT_EQ(corrupt("fog", {1, Table::imagecorruptions}, noise_images(1, 1, 40, 65)).draws.size(), 128u * 128u);
  EXPECT_EQ(corrupt("fog", {1, Table::imagecorruptions}, noise_images(1, 1, 32, 32)).draws.size(), 32u * 32u);
}

TEST(Fog, LeavesBlackBlack) {
  for (const float v : corrupt("fog", {3, Table::c32}, flat_images(1, 3, 16, 0)).out) ASSERT_EQ(v, 0.f);
}

}  // namespace
}  // namespace assay
