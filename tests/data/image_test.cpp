#include "data/image.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "assay/core/error.hpp"
#include "core/sha256.hpp"
#include "data/mutate.hpp"
#include "golden.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::AnyOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string stored(const std::string& name) {
  return read_file(fs::path(ASSAY_ROOT) / "tests/golden/images" / name);
}

std::string shown(const RgbImage& image) {
  return fmt::format("{}x{} {}", image.h, image.w, Sha256().update(image.pixels.data(), image.pixels.size()).hex());
}

TEST(Image, IsThatOfPillow) {
  int images = 0;
  for (const auto& [name_and_size, digest] : read_golden("images.txt")) {
    const std::string name = name_and_size.substr(0, name_and_size.find(' ')), bytes = stored(name);
    EXPECT_EQ(name + ' ' + shown(decode_image(bytes, name)), name_and_size + ' ' + digest);
    const RgbImage size = image_size(bytes, name);
    EXPECT_EQ(fmt::format("{} {}x{}", name, size.h, size.w), name_and_size);
    ++images;
  }
  EXPECT_EQ(images, std::distance(fs::directory_iterator(fs::path(ASSAY_ROOT) / "tests/golden/images"), {}));
}

TEST(Image, WhatIsNoPngOrJpegIsSaid) {
  EXPECT_ERROR(decode_image("", "a.png"), ExitCode::input, "'a.png' is empty; expected a PNG or a JPEG");
  EXPECT_ERROR(decode_image("GIF89a", "b.jpg"), ExitCode::input,
               "'b.jpg' is no PNG or JPEG: it begins with 47 49 46 38");
  EXPECT_ERROR(image_size("G", "b.jpg"), ExitCode::input, "'b.jpg' is no PNG or JPEG: it begins with 47");
}

TEST(Image, ImageCutOffAnywhereIsRefused) {
  for (const char* name : {"rgb_8.png", "interlaced_palette.png", "rgb_420.jpg", "progressive_420.jpg", "gray.jpg"}) {
    const std::string whole = stored(name);
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_ERROR(decode_image(whole.substr(0, size), name), ExitCode::input,
                   AnyOf(HasSubstr("is damaged: "), HasSubstr("is empty"), HasSubstr("is no PNG or JPEG")));
  }
}

TEST(Image, EveryChangedByteOfAPngsPixelsIsSeen) {
  const std::string whole = stored("rgb_8.png");
  for (std::size_t at = whole.find("IDAT"); at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] ^= 1;
    EXPECT_ERROR(decode_image(changed, "a.png"), ExitCode::input, HasSubstr("is damaged: "));
  }
}

TEST(Image, MissingJpegDataAreSeen) {
  // A restart's data, without which Pillow shows gray.
  std::string bytes = stored("restarts.jpg");
  const std::size_t from = bytes.find("\xff\xd0"), to = bytes.find("\xff\xd1");
  ASSERT_LT(from, to);
  bytes.erase(from + 3, to - from - 3);
  EXPECT_ERROR(decode_image(bytes, "a.jpg"), ExitCode::input, HasSubstr("'a.jpg' is damaged: Corrupt JPEG data: "));
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

/// rgb_8.png with another size in its header.
std::string png_of(std::uint32_t w, std::uint32_t h) {
  std::string bytes = stored("rgb_8.png");
  const std::size_t at = bytes.find("IHDR"), size = 17;
  bytes.replace(at + 4, 8, big_endian(w) + big_endian(h));
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(bytes.data() + at), size);
  return bytes.replace(at + size, 4, big_endian(static_cast<std::uint32_t>(sum)));
}

TEST(Image, HugeSizesTakeNoMemory) {
  std::string jpeg = stored("rgb_444.jpg");
  jpeg.replace(jpeg.find("\xff\xc0") + 5, 4, "\xea\x60\xea\x60");
  for (const std::string& bytes : {jpeg, png_of(60000, 60000)}) {
    const std::string expected = "'a' has 60000 x 60000 pixels (W x H); expected at most 178956970 in all";
    EXPECT_ERROR(decode_image(bytes, "a"), ExitCode::input, expected);
    EXPECT_ERROR(image_size(bytes, "a"), ExitCode::input, expected);
  }
  EXPECT_ERROR(image_size(png_of(2147483647, 2147483647), "a"), ExitCode::input,
               HasSubstr("has 2147483647 x 2147483647 pixels"));
}

TEST(Image, OrientationCountsBeforeTheFirstScanOnly) {
  using namespace std::string_literals;
  // Found by fuzzing: the size from the header was another one than the image's. Pillow reads no further either.
  const std::string turned = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"s;
  const std::string marker = "\xff\xe1\0"s + static_cast<char>(turned.size() + 2) + turned;
  const std::string jpeg = stored("gray_progressive.jpg");
  const RgbImage plain = decode_image(jpeg, "a.jpg");
  ASSERT_NE(plain.h, plain.w);
  const std::size_t first = jpeg.find("\xff\xda"), second = jpeg.find("\xff\xc4", first);
  const auto with = [&](std::size_t at) { return jpeg.substr(0, at) + marker + jpeg.substr(at); };
  EXPECT_EQ(image_size(with(2), "a.jpg").h, plain.w);
  EXPECT_EQ(decode_image(with(2), "a.jpg").h, plain.w);
  EXPECT_EQ(image_size(with(second), "a.jpg").h, plain.h);
  EXPECT_EQ(decode_image(with(second), "a.jpg").pixels, plain.pixels);
}

TEST(Image, MoreScansThanAnImageNeedsAreRefused) {
  // The first scan, to its last bit, again and again.
  std::string jpeg = stored("gray_progressive.jpg");
  const std::size_t first = jpeg.find("\xff\xda"), second = jpeg.find("\xff\xc4", first);
  std::string scan = jpeg.substr(first, second - first);
  ASSERT_EQ(scan[9], '\1');
  scan[9] = '\0';
  jpeg.resize(first);
  for (int i = 0; i < 501; ++i) jpeg += scan;
  EXPECT_ERROR(decode_image(jpeg + "\xff\xd9", "a.jpg"), ExitCode::input,
               "'a.jpg' is damaged: it has more than 500 scans");
}

TEST(Image, DamagedFilesDecodeOrThrowAnError) {
  Lcg random(4);
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(fs::path(ASSAY_ROOT) / "tests/golden/images"))
    files.push_back(entry.path().filename().string());
  std::ranges::sort(files);
  int decoded = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::string name = files[random.below(files.size())], whole = stored(name);
    const std::string bytes = mutated(whole, whole.size() / 2, random);
    for (const bool pixels : {false, true}) {
      try {
        const RgbImage image = pixels ? decode_image(bytes, name) : image_size(bytes, name);
        EXPECT_LE(image.h * image.w, kMostPixels);
        decoded += pixels ? 1 : 0;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::input) << error.what();
      }
    }
  }
  EXPECT_GT(decoded, 0);
}

}  // namespace
}  // namespace assay
