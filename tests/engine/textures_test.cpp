// Frost's pictures, from the folder that a user names.
#include "engine/textures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "data/image.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kStored[] = {"rgb_8.png", "gray_8.png", "rgba_8.png", "rgb_420.jpg", "progressive_444.jpg"};
constexpr const char* kNames[] = {"frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg"};

class TexturesTest : public ::testing::Test {
 protected:
  static std::string stored(const char* name) { return read_file(fs::path(ASSAY_ROOT) / "tests/golden/images" / name); }
  void put_all(const fs::path& folder) const {
    fs::create_directories(folder);
    for (int k = 0; k < 5; ++k) write_file(folder / kNames[k], stored(kStored[k]));
  }
  fs::path path(const std::string& name) const { return dir_.path() / name; }

 private:
  TempDir dir_;
};

TEST_F(TexturesTest, AreTheFivePicturesAsPlanes) {
  put_all(path("ice"));
  write_file(path("ice/frost6.jpg"), "never drawn, so never read");
  const auto textures = load_textures(path("ice"));
  ASSERT_EQ(textures->pictures.size(), 5u);
  for (std::size_t k = 0; k < 5; ++k) {
    const RgbImage image = decode_image(stored(kStored[k]), "");
    const Textures::Picture& picture = textures->pictures[k];
    ASSERT_EQ(picture.h, image.h);
    ASSERT_EQ(picture.w, image.w);
    ASSERT_EQ(picture.pixels.size(), image.pixels.size());
    const std::size_t plane = picture.pixels.size() / 3;
    for (std::size_t i = 0; i < plane; ++i)
      for (std::size_t c = 0; c < 3; ++c) ASSERT_EQ(picture.pixels[c * plane + i], image.pixels[3 * i + c]);
  }
}

TEST_F(TexturesTest, MayLieWhereThePythonPackageHasThem) {
  put_all(path("imagecorruptions/frost"));
  EXPECT_EQ(load_textures(path("imagecorruptions"))->sha256, load_textures(path("imagecorruptions/frost"))->sha256);
}

TEST_F(TexturesTest, AreKnownByTheirBytes) {
  put_all(path("one"));
  put_all(path("same"));
  put_all(path("other"));
  write_file(path("other/frost2.png"), stored("gray_4.png"));
  EXPECT_EQ(load_textures(path("one"))->sha256, load_textures(path("same"))->sha256);
  EXPECT_NE(load_textures(path("one"))->sha256, load_textures(path("other"))->sha256);
}

TEST_F(TexturesTest, ThatAreMissingOrDamagedAreRefusedByName) {
  EXPECT_ERROR(load_textures(path("none")), ExitCode::input, HasSubstr("frost1.png' does not exist"));
  put_all(path("ice"));
  fs::remove(path("ice/frost4.jpg"));
  EXPECT_ERROR(load_textures(path("ice")), ExitCode::input, HasSubstr("frost4.jpg' does not exist"));
  const std::string whole = stored(kStored[3]);
  write_file(path("ice/frost4.jpg"), whole.substr(0, whole.size() / 2));
  EXPECT_ERROR(load_textures(path("ice")), ExitCode::input, HasSubstr("frost4.jpg'"));
  write_file(path("ice/frost4.jpg"), "");
  EXPECT_ERROR(load_textures(path("ice")), ExitCode::input, HasSubstr("frost4.jpg' is empty"));
  fs::remove(path("ice/frost4.jpg"));
  fs::create_directories(path("ice/frost4.jpg"));
  EXPECT_ERROR(load_textures(path("ice")), ExitCode::input, HasSubstr("frost4.jpg'"));
}

}  // namespace
}  // namespace assay
