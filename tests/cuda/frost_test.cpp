// A piece of a picture of ice over the image.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "cuda/corruption_run.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

CorruptionArgs constants_of(const CorruptionArgs& args) {
  return {args.severity, args.table == Table::imagecorruptions ? Table::c224 : args.table};
}
constexpr Published kImage = {{1, 1, .9, .85, .75}, {1, .9, .8, .75, .7}, {1, .8, .7, .65, .6}};
constexpr Published kIce = {{.2, .3, .4, .4, .45}, {.3, .4, .45, .5, .55}, {.4, .6, .7, .7, .75}};
constexpr std::int64_t kSide = 24, kPlane = kSide * kSide;

struct Crop {
  std::size_t picture;
  std::int64_t top, left;
};
Crop crop_of(const Corrupted& result) {
  return {static_cast<std::size_t>(result.draws[0]), static_cast<std::int64_t>(result.draws[1]),
          static_cast<std::int64_t>(result.draws[2])};
}

/// Expects image and ice mixed as published at every severity, where ice(picture, c, y, x) is the shrunken picture's
/// level; `slack` in levels, `of_ice` of them more for each weight of the ice.
template <class Ice>
void expect_mixed(Table table, const Ice& ice, double slack, double of_ice = 0) {
  const ByteImages image = noise_images(1, 3, kSide, kSide);
  for (int severity = 1; severity <= 5; ++severity) {
    const CorruptionArgs args{severity, table, noise_textures(kSide)};
    const Corrupted result = corrupt("frost", args, image);
    const Crop crop = crop_of(result);
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t i = 0; i < kPlane; ++i) {
        const double found = ice(args.textures->pictures[crop.picture], c, crop.top + i / kSide, crop.left + i % kSide);
        const auto at = static_cast<std::size_t>(c * kPlane + i);
        const double mixed = kImage.at(constants_of(args)) * image.data[at] + kIce.at(constants_of(args)) * found;
        ASSERT_NEAR(result.out[at] * 255, std::min(mixed, 255.), slack + of_ice * kIce.at(constants_of(args)))
            << text(args) << ' ' << at;
      }
  }
}
double level(const Textures::Picture& of, std::int64_t c, std::int64_t y, std::int64_t x) {
  return of.pixels[static_cast<std::size_t>((c * of.h + y) * of.w + x)];
}

TEST(Frost, LaysTheCropThatItDrewOverTheImage) {
  expect_mixed(Table::c224, level, 2e-5);
}

TEST(Frost, TakesEveryFifthPixelOfItsPicturesForSmallImages) {
  expect_mixed(
      Table::c32,
      [](const Textures::Picture& of, std::int64_t c, std::int64_t y, std::int64_t x) {
        return level(of, c, 5 * y + 2, 5 * x + 2);
      },
      2e-5);
}

TEST(Frost, ReadsItsPicturesBetweenTheirPixelsForThoseOfMiddleSize) {
  const auto between = [](const Textures::Picture& of, std::int64_t c, std::int64_t y, std::int64_t x) {
    const double down = (static_cast<double>(y) + .5) / .3 - .5, across = (static_cast<double>(x) + .5) / .3 - .5;
    const auto top = static_cast<std::int64_t>(down), left = static_cast<std::int64_t>(across);
    const double v = down - static_cast<double>(top), u = across - static_cast<double>(left);
    return (level(of, c, top, left) * (1 - u) + level(of, c, top, left + 1) * u) * (1 - v) +
           (level(of, c, top + 1, left) * (1 - u) + level(of, c, top + 1, left + 1) * u) * v;
  };
  expect_mixed(Table::c64, between, 0, .8);  // OpenCV rounds to a level, and on its way there
}

/// Keys' kernel of cubic convolution with a = -3/4, by the distance.
double keys(double distance) {
  const double d = std::abs(distance);
  if (d >= 2) return 0;
  return d < 1 ? 1.25 * d * d * d - 2.25 * d * d + 1 : -.75 * (d * d * d - 5 * d * d + 8 * d - 4);
}
/// The level between a picture's pixels, at (y, x).
double enlarged(const Textures::Picture& of, std::int64_t c, double y, double x) {
  double sum = 0;
  for (auto row = static_cast<std::int64_t>(y) - 3; row < static_cast<std::int64_t>(y) + 4; ++row)
    for (auto column = static_cast<std::int64_t>(x) - 3; column < static_cast<std::int64_t>(x) + 4; ++column)
      sum += keys(y - static_cast<double>(row)) * keys(x - static_cast<double>(column)) *
             level(of, c, std::clamp<std::int64_t>(row, 0, of.h - 1), std::clamp<std::int64_t>(column, 0, of.w - 1));
  return std::clamp(sum, 0., 255.);
}
double place(std::int64_t at, std::int64_t side, double scale) {
  const double to = std::ceil(static_cast<double>(side) * scale);
  return (static_cast<double>(at) + .5) * static_cast<double>(side) / to - .5;
}

TEST(Frost, EnlargesItsPicturesAsThePackage) {
  const auto ice = [](const Textures::Picture& of, std::int64_t c, std::int64_t y, std::int64_t x) {
    return enlarged(of, c, place(y, of.h, 1.1), place(x, of.w, 1.1));
  };
  expect_mixed(Table::imagecorruptions, ice, 2e-5, .5);
}

TEST(Frost, EnlargesItsPicturesBeyondTheImageInThePackage) {
  const ByteImages image = flat_images(1, 1, 200, 0);
  const CorruptionArgs args{1, Table::imagecorruptions, noise_textures(16)};  // pictures of 90 to 94 x 91 to 95
  Registry<Corruption>::find("frost")->check({args, 200, 200});
  std::set<std::size_t> pictures;
  for (std::uint32_t sample = 0; sample < 12; ++sample) {
    const Corrupted result = corrupt("frost", args, image, {.sample = {sample}});
    const Crop crop = crop_of(result);
    const Textures::Picture& of = args.textures->pictures[crop.picture];
    pictures.insert(crop.picture);
    const double scale = 1.1 * std::max(200. / static_cast<double>(of.h), 200. / static_cast<double>(of.w));
    for (std::int64_t i = 0; i < 40000; i += 173) {
      const double found =
          enlarged(of, 1, place(crop.top + i / 200, of.h, scale), place(crop.left + i % 200, of.w, scale));
      ASSERT_NEAR(result.out[static_cast<std::size_t>(40000 + i)] * 255, .4 * found, .2 + 2e-5) << sample << ' ' << i;
    }
  }
  EXPECT_GE(pictures.size(), 3u);
}

TEST(Frost, DrawsEveryPictureAndPlaceButTheLast) {
  const std::int64_t side = 8;
  CorruptionArgs args{1, Table::c32, noise_textures(side)};  // pictures of 10 or 11 x 11 or 10, shrunken
  std::set<std::size_t> pictures;
  std::set<std::int64_t> tops, lefts;
  for (std::uint32_t sample = 0; sample < 200; ++sample) {
    const Crop crop = crop_of(corrupt("frost", args, flat_images(1, 1, side, 0), {.sample = {sample}}));
    pictures.insert(crop.picture);
    tops.insert(crop.top);
    lefts.insert(crop.left);
    const Textures::Picture& picture = args.textures->pictures[crop.picture];
    ASSERT_LT(crop.top, std::nearbyint(static_cast<double>(picture.h) * .2) - side);
    ASSERT_LT(crop.left, std::nearbyint(static_cast<double>(picture.w) * .2) - side);
  }
  EXPECT_THAT(pictures, testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(tops, testing::Contains(0));
  EXPECT_THAT(tops, testing::Contains(1));
  EXPECT_THAT(lefts, testing::Contains(0));
  EXPECT_THAT(lefts, testing::Contains(1));
}

TEST(Frost, RefusesImagesAsLargeAsAPicture) {
  const Corruption& entry = *Registry<Corruption>::find("frost");
  const CorruptionArgs small{1, Table::c32, noise_textures(20)}, large{1, Table::c224, noise_textures(20)};
  entry.check({small, 21, 21});
  EXPECT_ERROR(entry.check({small, 22, 21}), ExitCode::input,
               testing::HasSubstr("one has 22 x 23 pixels with table 32; images of 22 x 21 are too large"));
  EXPECT_ERROR(entry.check({small, 21, 23}), ExitCode::input, testing::HasSubstr("images of 21 x 23 are too large"));
  entry.check({large, 109, 110});
  EXPECT_ERROR(entry.check({large, 110, 110}), ExitCode::input, testing::HasSubstr("110 x 115 pixels with table 224"));
}

}  // namespace
}  // namespace assay
