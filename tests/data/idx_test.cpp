#include "data/idx.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/mutate.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using namespace std::string_literals;
namespace fs = std::filesystem;

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string idx(std::uint32_t magic, const std::vector<std::uint32_t>& shape, const std::string& values) {
  std::string bytes = big_endian(magic);
  for (const std::uint32_t extent : shape) bytes += big_endian(extent);
  return bytes + values;
}

std::string gzip(std::string text) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  if (deflateInit2(&stream, 6, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("deflate");
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate");
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

class Idx : public ::testing::Test {
 protected:
  fs::path file(const std::string& name) const { return dir_.path() / name; }
  DataSet load() { return load_data("idx:" + dir_.path().string(), {}); }
  DataSet load(const std::string& images, const std::string& labels) {
    write_file(file("t10k-images-idx3-ubyte"), images);
    write_file(file("t10k-labels-idx1-ubyte"), labels);
    return load();
  }

  TempDir dir_;
  const std::string images_ = idx(0x803, {2, 1, 3}, "\1\2\3\4\5\6");
  const std::string labels_ = idx(0x801, {2}, "\0\7"s);
};

TEST_F(Idx, ReadsPlainFiles) {
  const DataSet data = load(images_, labels_);
  EXPECT_EQ(data.n, 2);
  EXPECT_EQ(data.c, 1);
  EXPECT_EQ(data.h, 1);
  EXPECT_EQ(data.w, 3);
  EXPECT_THAT(data.bytes, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(data.labels, ElementsAre(0, 7));
  EXPECT_EQ(data.classes, 8);
  EXPECT_FALSE(data.classes_known);
}

TEST_F(Idx, ReadsGzipFilesAsThePlainOnes) {
  const DataSet plain = load(images_, labels_), packed = load(gzip(images_), gzip(labels_));
  EXPECT_EQ(packed.bytes, plain.bytes);
  EXPECT_EQ(packed.sha256, plain.sha256);
}

TEST_F(Idx, ReadsAGzipFileOfSeveralMembers) {
  EXPECT_THAT(load(gzip(images_.substr(0, 9)) + gzip(images_.substr(9)), labels_).bytes, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(Idx, ReadsFilesLargerThanItsBuffer) {
  std::string pixels(3000 * 28 * 28, '\0');
  Lcg random(2);  // noise, which stays large when packed
  for (char& pixel : pixels) pixel = static_cast<char>(random.below(256));
  const std::string images = idx(0x803, {3000, 28, 28}, pixels);
  const DataSet data = load(gzip(images), idx(0x801, {3000}, std::string(3000, '\1')));
  EXPECT_EQ(std::string(data.bytes.begin(), data.bytes.end()), pixels);
  EXPECT_EQ(load(images, idx(0x801, {3000}, std::string(3000, '\1'))).sha256, data.sha256);
}

TEST_F(Idx, FindsPackedFilesByTheirName) {
  write_file(file("train-images-idx3-ubyte.gz"), gzip(images_));
  write_file(file("train-labels-idx1-ubyte.gz"), gzip(labels_));
  EXPECT_EQ(load().n, 2);
}

TEST_F(Idx, PrefersTheUnpackedOfTwoCopies) {
  write_file(file("t10k-images-idx3-ubyte.gz"), "damaged");
  EXPECT_EQ(load(images_, labels_).n, 2);
}

TEST_F(Idx, TakesTheOnlyCompletePair) {
  write_file(file("train-images-idx3-ubyte"), "damaged");
  EXPECT_EQ(load(images_, labels_).n, 2);
}

TEST_F(Idx, TakesOneFileOfEachKindWhateverTheirNames) {
  write_file(file("my-images.idx3-ubyte"), images_);
  write_file(file("labels.idx1-ubyte"), labels_);
  EXPECT_EQ(load().n, 2);
}

TEST_F(Idx, RefusesToChooseBetweenPairs) {
  write_file(file("train-images-idx3-ubyte.gz"), gzip(images_));
  write_file(file("train-labels-idx1-ubyte.gz"), gzip(labels_));
  const auto call = [&] { load(images_, labels_); };
  EXPECT_ERROR(call(), ExitCode::input,
               "'" + dir_.path().string() +
                   "' holds images: t10k-images-idx3-ubyte, train-images-idx3-ubyte.gz; labels: "
                   "t10k-labels-idx1-ubyte, train-labels-idx1-ubyte.gz; expected one *images*idx3-ubyte[.gz] and one "
                   "*labels*idx1-ubyte[.gz]");
  EXPECT_EQ(thrown_by(call).hint(), "put the wanted pair into a folder of its own");
}

TEST_F(Idx, SaysWhatAFolderWithoutAPairHolds) {
  write_file(file("t10k-images-idx3-ubyte"), images_);
  write_file(file("t10k-labels-idx1-ubyte.sha256"), "");
  EXPECT_ERROR(load(), ExitCode::input, HasSubstr("holds images: t10k-images-idx3-ubyte; labels: none; expected one"));
}

TEST_F(Idx, MissingFolderIsNamed) {
  EXPECT_ERROR(load_data("idx:none", dir_.path()), ExitCode::input,
               "'" + file("none").string() +
                   "' does not exist; expected a folder that holds one *images*idx3-ubyte[.gz] and one "
                   "*labels*idx1-ubyte[.gz]");
}

TEST_F(Idx, WrongMagicNumberIsShown) {
  EXPECT_ERROR(load(labels_, labels_), ExitCode::input,
               EndsWith("t10k-images-idx3-ubyte' has magic number 0x00000801; expected 0x00000803, idx with unsigned "
                        "bytes and 3 dimensions"));
  EXPECT_ERROR(load(images_, images_), ExitCode::input,
               EndsWith("has magic number 0x00000803; expected 0x00000801, idx with unsigned bytes and 1 dimension"));
}

TEST_F(Idx, TruncationIsToldInBytes) {
  const std::string expected = "is truncated: found 5 bytes after its header; expected 2 x 1 x 3";
  const std::string cut = images_.substr(0, images_.size() - 1);
  EXPECT_ERROR(load(cut, labels_), ExitCode::input, EndsWith(expected));
  EXPECT_ERROR(load(gzip(cut), labels_), ExitCode::input, EndsWith(expected));
}

TEST_F(Idx, EndWithinTheHeaderIsRefused) {
  EXPECT_ERROR(load(images_.substr(0, 14), labels_), ExitCode::input,
               EndsWith("is truncated: it ends within the idx header"));
  EXPECT_ERROR(load("", labels_), ExitCode::input, EndsWith("is truncated: it ends within the idx header"));
}

TEST_F(Idx, TrailingBytesAreRefused) {
  const std::string expected = "has trailing bytes: found more than the 6 bytes after its header; expected 2 x 1 x 3";
  EXPECT_ERROR(load(images_ + "x", labels_), ExitCode::input, EndsWith(expected));
  EXPECT_ERROR(load(gzip(images_ + "x"), labels_), ExitCode::input, EndsWith(expected));
}

TEST_F(Idx, HugeSizesTakeNoMemory) {
  EXPECT_ERROR(load(idx(0x803, {0xffffffff, 0xffff, 0xffff}, "abc"), labels_), ExitCode::input,
               EndsWith("is truncated: found 3 bytes after its header; expected 4294967295 x 65535 x 65535"));
  EXPECT_ERROR(load(idx(0x803, {0xffffffff, 0xffffffff, 0xffffffff}, "abc"), labels_), ExitCode::input,
               EndsWith("expected 4294967295 x 4294967295 x 4294967295"));
}

TEST_F(Idx, TruncatedGzipIsRefused) {
  const std::string packed = gzip(images_);
  EXPECT_ERROR(load(packed.substr(0, packed.size() / 2), labels_), ExitCode::input,
               EndsWith("is truncated: its gzip stream ends within " + std::to_string(packed.size() / 2) +
                        " bytes of compressed data"));
}

TEST_F(Idx, GzipWithoutItsWholeTrailerIsRefused) {  // all pixels are there, their checksum is not
  const std::string packed = gzip(images_);
  EXPECT_ERROR(load(packed.substr(0, packed.size() - 3), labels_), ExitCode::input,
               HasSubstr("is truncated: its gzip"));
}

TEST_F(Idx, GzipWithAWrongChecksumIsRefused) {
  std::string packed = gzip(images_);
  packed[packed.size() - 8] ^= 1;
  EXPECT_ERROR(load(packed, labels_), ExitCode::input, EndsWith("is damaged gzip data: incorrect data check"));
}

TEST_F(Idx, BytesAfterTheGzipStreamAreRefused) {
  EXPECT_ERROR(load(gzip(images_) + "xyz", labels_), ExitCode::input, HasSubstr("is damaged gzip data: "));
}

TEST_F(Idx, AnotherNumberOfLabelsIsRefused) {
  EXPECT_ERROR(load(images_, idx(0x801, {1}, "\1")), ExitCode::input,
               EndsWith("found 1 labels for 2 images; expected one label an image"));
}

TEST_F(Idx, DamagedFilesLoadOrThrowAnError) {
  Lcg random(3);
  int loaded = 0;
  for (int round = 0; round < 4000; ++round) {
    const bool pack = random.below(2) == 0, damage_labels = random.below(3) == 0;
    const std::string images = pack ? gzip(images_) : images_, labels = pack ? gzip(labels_) : labels_;
    try {
      loaded += load(damage_labels ? images : mutated(images, 16, random),
                     damage_labels ? mutated(labels, 8, random) : labels)
                    .n == 2;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::input) << error.what();
    }
  }
  EXPECT_GT(loaded, 0);
}

}  // namespace
}  // namespace assay
