#include "data/resample.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>

#include "core/sha256.hpp"
#include "data/mutate.hpp"
#include "golden.hpp"

namespace assay {
namespace {

RgbImage noise(std::int64_t h, std::int64_t w) {
  RgbImage image{h, w, {}};
  Lcg random(1);
  for (std::int64_t i = 0; i < h * w * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  return image;
}

TEST(Resample, IsThatOfPillow) {
  int lines = 0;
  for (const auto& [line, digest] : read_golden("pillow.txt")) {
    std::istringstream words(line);
    std::string kind, end;
    char x = 0;
    std::int64_t h = 0, w = 0;
    Resample steps;
    words >> kind >> h >> x >> w >> steps.shorter >> steps.crop >> end;
    if (kind != "resample") continue;
    const RgbImage out = resampled(noise(h, w), steps), size = resampled_size(h, w, steps);
    EXPECT_EQ(Sha256().update(out.pixels.data(), out.pixels.size()).hex(), digest) << line;
    EXPECT_EQ(fmt::format("{}x{}", out.h, out.w), end) << line;
    EXPECT_EQ(fmt::format("{}x{}", size.h, size.w), end) << line;
    ++lines;
  }
  EXPECT_GE(lines, 20);
}

TEST(Resample, ImageOfOneColourStaysThat) {
  const RgbImage image{90, 130, std::vector<std::uint8_t>(90 * 130 * 3, 255)};
  for (const std::int64_t shorter : {1, 7, 89, 90, 200})
    for (const std::uint8_t value : resampled(image, {.shorter = shorter, .crop = 0}).pixels) ASSERT_EQ(value, 255);
}

TEST(Resample, CropOfALongImageTakesNoMemoryForTheRest) {
  // Enlarged as a whole it would have 2^54 pixels.
  const RgbImage image = noise(1 << 22, 1), out = resampled(image, {.shorter = 1 << 16, .crop = 4});
  EXPECT_EQ(out.pixels.size(), 4u * 4 * 3);
}

}  // namespace
}  // namespace assay
