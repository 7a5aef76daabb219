// Pillow's JPEG and back, to the byte; the goldens are Pillow's own (golden/pillow.py).
#include <gtest/gtest.h>

#include <cmath>

#include "core/rows.hpp"
#include "core/sha256.hpp"
#include "cuda/corruption_run.hpp"
#include "engine/corrupt.hpp"
#include "engine/loaded_corruption.hpp"
#include "golden.hpp"

namespace assay {
namespace {

std::string digest(const std::vector<float>& out, std::size_t count) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(out[i] * 255.f));
  return Sha256().update(bytes.data(), bytes.size()).hex();
}

class JpegCompression : public testing::TestWithParam<ByteImages> {};
INSTANTIATE_TEST_SUITE_P(Images, JpegCompression,
                         testing::Values(noise_images(1, 3, 1, 1), noise_images(1, 3, 3, 5), noise_images(1, 3, 7, 16),
                                         noise_images(1, 1, 16, 9), noise_images(1, 1, 28, 28),
                                         noise_images(1, 3, 32, 32), noise_images(1, 3, 31, 45),
                                         noise_images(1, 3, 50, 33), noise_images(1, 3, 224, 224)),
                         [](const auto& of) { return "Of" + of.param.shape(); });

TEST_P(JpegCompression, IsPillowsToTheByte) {
  const ByteImages& images = GetParam();
  const std::map<std::string, std::string> golden = read_golden("pillow.txt");
  for (const CorruptionArgs& args : all_args()) {
    const std::string key = "jpeg " + images.shape() + " " + std::to_string(static_cast<int>(args.table)) + " " +
                            std::to_string(args.severity);
    EXPECT_EQ(digest(corrupt("jpeg_compression", args, images).out, images.data.size()), golden.at(key)) << key;
  }
}

TEST_P(JpegCompression, IsPillowsAtTheQualityOfTheStoredFiles) {
  const ByteImages& images = GetParam();
  const LoadedCorruption pass({}, stored_pass(), {{}, images.h, images.w}, 1);
  std::vector<float> out(static_cast<std::size_t>(3 * images.h * images.w));
  const std::uint32_t sample = 0;
  pass.apply({},
             {.images = {images.data.data(), 1, images.c, images.h, images.w}, .out = out.data(), .sample = &sample});
  EXPECT_EQ(digest(out, images.data.size()), read_golden("pillow.txt").at("stored " + images.shape()));
}

TEST(StoredPipeline, IsThePassOverWhatWasCorrupted) {
  const ByteImages images = noise_images(3, 3, 20, 17);
  const DataSet data = byte_data(images);
  const StopFlag stop{false};
  CorruptRequest request{"gaussian_noise", {2, Table::c32}, 3, 0, 3, true, false, false};
  const CorruptedImages plain = corrupt_images({}, data, request, stop);
  request.stored = true;
  const CorruptedImages stored = corrupt_images({}, data, request, stop);
  EXPECT_EQ(stored.floats, plain.floats);
  const LoadedCorruption pass({}, stored_pass(), {{}, 20, 17}, 3);
  std::vector<float> out(plain.bytes.size());
  const std::uint32_t sample[] = {0, 1, 2};
  pass.apply({}, {.images = {plain.bytes.data(), 3, 3, 20, 17}, .out = out.data(), .sample = sample});
  std::vector<std::uint8_t> bytes(plain.bytes.size());
  quantise({}, out.data(), {bytes.data(), 3, 3, 20, 17}, nullptr);
  EXPECT_EQ(stored.bytes, bytes);
  EXPECT_NE(stored.bytes, plain.bytes);
}

}  // namespace
}  // namespace assay
