// The mean of the image and of zooms of it.
#include <gtest/gtest.h>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

/// How many factors NumPy's arange(1, end, step) gives, and how far apart.
std::pair<int, double> factors(const CorruptionArgs& args) {
  static const std::pair<int, double> small[5] = {{7, .01}, {12, .01}, {16, .01}, {21, .01}, {26, .01}};
  static const std::pair<int, double> large[5] = {{12, .01}, {16, .01}, {11, .02}, {13, .02}, {11, .03}};
  return (args.table == Table::c224 ? large : small)[args.severity - 1];
}

// Along a line v = a x + b every zoom about the middle is the line v = a (x - m) / z + a m + b, which interpolation
// keeps.
TEST(ZoomBlur, FlattensALineByTheMeanOfTheInverseFactors) {
  constexpr int kSide = 224;
  ByteImages images = flat_images(1, 1, kSide, 0);
  for (int i = 0; i < kSide * kSide; ++i)
    images.data[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i % kSide);
  for (const CorruptionArgs& args : all_args()) {
    const auto [count, step] = factors(args);
    const std::vector<float> out = corrupt("zoom_blur", args, images).out;
    double slope = 1;
    for (int i = 0; i < count; ++i) {
      // Corners on corners: so a zoom's true factor is (zoomed - 1) / (crop - 1).
      const double z = 1 + i * step, crop = std::ceil(kSide / z), zoomed = std::nearbyint(crop * z);
      slope += (crop - 1) / (zoomed - 1);
    }
    slope /= count + 1;
    for (int x = 8; x < kSide - 8; ++x) {
      const double measured = 255 * static_cast<double>(out[static_cast<std::size_t>(100 * kSide + x)] -
                                                        out[static_cast<std::size_t>(100 * kSide + x - 1)]);
      ASSERT_NEAR(measured, slope, 2e-3) << text(args) << " " << x;
    }
    // Crops and trims are whole pixels: the middle may move by half of one.
    ASSERT_NEAR(255 * static_cast<double>(out[100 * kSide + 111] + out[100 * kSide + 112]) / 2, 111.5, 0.6)
        << text(args);
  }
}

// Trimmed at the far sides alone, pixel x of a zoom is the line's at top + x (crop - 1) / (zoomed - 1).
TEST(ZoomBlur, BeginsEveryZoomAtItsFirstPixelInThePackage) {
  constexpr int kSide = 150;
  ByteImages images = flat_images(1, 1, kSide, 0);
  for (int i = 0; i < kSide * kSide; ++i)
    images.data[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i / kSide);
  for (const CorruptionArgs& args : package_args()) {
    const auto [count, step] = factors({args.severity, Table::c224});
    const std::vector<float> out = corrupt("zoom_blur", args, images).out;
    for (int y = 0; y < kSide; ++y) {
      double sum = y;
      for (int i = 0; i < count; ++i) {
        const double z = 1 + i * step, crop = std::ceil(kSide / z), zoomed = std::nearbyint(crop * z);
        sum += std::floor((kSide - crop) / 2) + y * (crop - 1) / (zoomed - 1);
      }
      ASSERT_NEAR(255 * static_cast<double>(out[static_cast<std::size_t>(y * kSide + 7)]), sum / (count + 1), 1e-3)
          << text(args) << " " << y;
    }
  }
}

TEST(ZoomBlur, LeavesFlatImagesAlone) {
  for (const CorruptionArgs& args : all_args())
    for (const int level : {0, 77, 128})
      for (const float v : corrupt("zoom_blur", args, flat_images(1, 3, 32, static_cast<std::uint8_t>(level))).out)
        ASSERT_NEAR(v, static_cast<float>(level) / 255.f, 2e-7) << text(args);
}

TEST(ZoomBlur, CountsTheImageItselfTwice) {
  // Where only one pixel is white, every zoom adds at most that pixel's own weight.
  constexpr std::int64_t kSide = 33;
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<float> out = corrupt("zoom_blur", args, one_white_pixel(kSide)).out;
    ASSERT_GE(from_middle(out, kSide, 0, 0), 2.0 / (factors(args).first + 1) - 1e-6) << text(args);
  }
}

}  // namespace
}  // namespace assay
