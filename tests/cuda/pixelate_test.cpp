// Pillow's BOX filter down and up, to the byte; the goldens are Pillow's own (golden/pillow.py).
#include <gtest/gtest.h>

#include <cmath>

#include "core/sha256.hpp"
#include "cuda/corruption_run.hpp"
#include "golden.hpp"

namespace assay {
namespace {

/// SHA-256 of the first planes as bytes. Fails where a value is not a whole number of 255ths.
std::string digest(const std::vector<float>& out, std::size_t count) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < count; ++i) {
    const double level = static_cast<double>(out[i]) * 255;
    EXPECT_NEAR(level, std::round(level), 1e-4);
    bytes.push_back(static_cast<std::uint8_t>(std::lround(level)));
  }
  return Sha256().update(bytes.data(), bytes.size()).hex();
}

class Pixelate : public testing::TestWithParam<ByteImages> {};
INSTANTIATE_TEST_SUITE_P(Images, Pixelate,
                         testing::Values(noise_images(1, 1, 28, 28), noise_images(1, 3, 32, 32),
                                         noise_images(1, 3, 31, 45), noise_images(1, 3, 224, 224)),
                         [](const auto& of) { return "Of" + of.param.shape(); });

TEST_P(Pixelate, IsPillowsToTheByte) {
  const ByteImages& images = GetParam();
  const std::map<std::string, std::string> golden = read_golden("pillow.txt");
  for (const CorruptionArgs& args : all_args()) {
    const std::string key =
        "pixelate " + images.shape() + " " + table_name(args.table) + " " + std::to_string(args.severity);
    EXPECT_EQ(digest(corrupt("pixelate", args, images).out, images.data.size()), golden.at(key)) << key;
  }
}

TEST(PixelatePackage, IsEnlargedByPillowsNearestPixelsAsInThePackage) {
  const std::map<std::string, std::string> golden = read_golden("pillow.txt");
  for (const ByteImages& images :
       {noise_images(1, 3, 32, 32), noise_images(1, 3, 42, 57), noise_images(1, 3, 224, 224)})
    for (const CorruptionArgs& args : package_args()) {
      const std::string key = "pixelate " + images.shape() + " imagecorruptions-1.1.2 " + std::to_string(args.severity);
      EXPECT_EQ(digest(corrupt("pixelate", args, images).out, images.data.size()), golden.at(key)) << key;
    }
}

TEST(PixelateSmall, AveragesWholeBlocksAndRounds) {
  // Half of the side at severity 2 of the larger table: blocks of 2 x 2, rows averaged and rounded first.
  const ByteImages images{1, 1, 2, 4, {10, 11, 200, 200, 20, 20, 0, 255}};
  const std::vector<float> out = corrupt("pixelate", {2, Table::c224}, images).out;
  // (10 + 11) / 2 -> 11, (11 + 20) / 2 -> 16; (0 + 255) / 2 -> 128, (200 + 128) / 2 = 164.
  const std::vector<float> expected = {16 / 255.f, 16 / 255.f, 164 / 255.f, 164 / 255.f,
                                       16 / 255.f, 16 / 255.f, 164 / 255.f, 164 / 255.f};
  for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(out[i], expected[i % 8]) << i;
}

TEST(PixelateSmall, KeepsAtLeastOnePixel) {
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<float> out = corrupt("pixelate", args, {1, 1, 1, 1, {77}}).out;
    for (const float v : out) EXPECT_EQ(v, 77 / 255.f) << text(args);
  }
}

}  // namespace
}  // namespace assay
