// An affine map and a smooth displacement.
#include <gtest/gtest.h>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

constexpr Published kAffine = {
    {2.56, 2.24, 1.92, 1.6, .96}, {5.12, 3.84, 3.84, 1.92, 1.28}, {24.4, 48.8, 4.88, 4.88, 4.88}};

// On a slope that an image goes up from left to right, where a pixel came from can be read off.
TEST(ElasticTransform, MovesCornersByWhatItDrew) {
  constexpr int kSide = 96, kReach = 32, kMiddle = 48;
  ByteImages across = flat_images(1, 1, kSide, 0), down = across;
  for (int i = 0; i < kSide * kSide; ++i) {
    across.data[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(2 * (i % kSide) + 32);
    down.data[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(2 * (i / kSide) + 32);
  }
  // The smallest tables at severity 1 have no displacement.
  for (const Table table : {Table::c32, Table::c64})
    for (const std::uint32_t sample : {0u, 1u, 2u, 3u}) {
      const CorruptionArgs args{1, table};
      const Corrupted x = corrupt("elastic_transform", args, across, {.sample = {sample}});
      const Corrupted y = corrupt("elastic_transform", args, down, {.sample = {sample}});
      const int corners[3][2] = {{kMiddle + kReach, kMiddle + kReach},
                                 {kMiddle + kReach, kMiddle - kReach},
                                 {kMiddle - kReach, kMiddle - kReach}};
      for (std::size_t k = 0; k < 3; ++k) {
        // Near its new place a corner's old one is found: to a 32nd of a pixel, and half a pixel of the place's
        // rounding.
        const double to_x = corners[k][0] + static_cast<double>(x.draws[2 * k]),
                     to_y = corners[k][1] + static_cast<double>(x.draws[2 * k + 1]);
        const auto at = static_cast<std::size_t>(std::lround(to_y) * kSide + std::lround(to_x));
        EXPECT_NEAR((static_cast<double>(x.out[at]) * 255 - 32) / 2, corners[k][0], 0.75);
        EXPECT_NEAR((static_cast<double>(y.out[at]) * 255 - 32) / 2, corners[k][1], 0.75);
      }
    }
}

TEST(ElasticTransform, DrawsWithinItsRanges) {
  for (const CorruptionArgs& args : all_args()) {
    const Corrupted result = corrupt("elastic_transform", args, noise_images(1, 3, 24, 20));
    ASSERT_EQ(result.draws.size(), 6u + 2u * 24 * 20);
    for (std::size_t i = 0; i < 6; ++i)
      ASSERT_LE(std::abs(static_cast<double>(result.draws[i])), kAffine.at(args) + 1e-5);
    for (std::size_t i = 6; i < result.draws.size(); ++i) ASSERT_TRUE(result.draws[i] >= -1.f && result.draws[i] < 1.f);
  }
}

TEST(ElasticTransform, LeavesFlatImagesAlone) {
  for (const CorruptionArgs& args : all_args())
    for (const float v : corrupt("elastic_transform", args, flat_images(1, 3, 33, 100)).out)
      ASSERT_NEAR(v, 100 / 255.f, 1e-7) << text(args);
}

// The displacement at a pixel is that of the field, a mean of uniform numbers: no pixel goes further than alpha.
TEST(ElasticTransform, MovesNoPixelFurtherThanItsConstantsAllow) {
  constexpr int kSide = 64;
  ByteImages halves = flat_images(1, 1, kSide, 0);
  for (int i = 0; i < kSide * kSide; ++i)
    if (i % kSide >= 32) halves.data[static_cast<std::size_t>(i)] = 255;
  const std::vector<float> out = corrupt("elastic_transform", {5, Table::c32}, halves).out;
  for (int y = 0; y < kSide; ++y) {
    EXPECT_EQ(out[static_cast<std::size_t>(y * kSide + 16)], 0.f);
    EXPECT_NEAR(out[static_cast<std::size_t>(y * kSide + 48)], 1.f, 1e-6f);
  }
}

TEST(ElasticTransform, HasNoAffineMapInThePackage) {
  // 30 times a mean of numbers below 0.005 of the height.
  constexpr int kSide = 64, kFurthest = 10;
  ByteImages halves = flat_images(1, 1, kSide, 0);
  for (int i = 0; i < kSide * kSide; ++i)
    if (i % kSide >= 32) halves.data[static_cast<std::size_t>(i)] = 255;
  for (const CorruptionArgs& args : package_args()) {
    const Corrupted result = corrupt("elastic_transform", args, halves);
    for (std::size_t k = 0; k < 6; ++k) EXPECT_EQ(result.draws[k], 0.f);
    const std::vector<float>& out = result.out;
    int moved = 0;
    for (int y = 0; y < kSide; ++y) {
      EXPECT_EQ(out[static_cast<std::size_t>(y * kSide + 31 - kFurthest)], 0.f);
      EXPECT_NEAR(out[static_cast<std::size_t>(y * kSide + 32 + kFurthest)], 1.f, 1e-6f);
      moved += out[static_cast<std::size_t>(y * kSide + 31)] > 0.f ? 1 : 0;
    }
    EXPECT_TRUE(moved > 5 && moved < 59) << moved;
  }
}

// Lines across are smoothed by a hundredth of the width, lines down by a hundredth of the height: a field that is the
// smoother across leaves the ramp's rows nearer to each other's shapes.
TEST(ElasticTransform, SmoothsEachAxisByItsOwnSideInThePackage) {
  const std::int64_t h = 32, w = 640;
  ByteImages ramp{1, 1, h, w, {}};
  for (std::int64_t i = 0; i < h * w; ++i) ramp.data.push_back(static_cast<std::uint8_t>(i / w * 7));
  const std::vector<float> out = corrupt("elastic_transform", {5, Table::imagecorruptions}, ramp).out;
  double across = 0, down = 0;
  for (std::int64_t y = 8; y < 23; ++y)
    for (std::int64_t x = 8; x < w - 8; ++x) {
      const auto at = [&](std::int64_t row, std::int64_t column) {
        return 255 * static_cast<double>(out[static_cast<std::size_t>(row * w + column)]) -
               7 * static_cast<double>(row);
      };
      across += std::abs(at(y, x + 1) - at(y, x));
      down += std::abs(at(y + 1, x) - at(y, x));
    }
  EXPECT_GT(down, 5 * across);
}

}  // namespace
}  // namespace assay
