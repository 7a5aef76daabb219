#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "assay/source.hpp"
#include "core/sha256.hpp"
#include "data/image.hpp"
#include "data/resample.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string stored(const std::string& name) {
  return read_file(fs::path(ASSAY_ROOT) / "tests/golden/images" / name);
}

/// An image as the planes that a data set has.
std::vector<std::uint8_t> planes(const RgbImage& image) {
  std::vector<std::uint8_t> values;
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = c; i < image.pixels.size(); i += 3) values.push_back(image.pixels[i]);
  return values;
}

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("XDG_CACHE_HOME", cache_.path().c_str(), 1);
    put("a/1.png", "rgb_8.png");
    put("b/1.jpg", "rgb_420.jpg");
    put("b/2.jpg", "progressive_444.jpg");
  }
  void TearDown() override { unsetenv("XDG_CACHE_HOME"); }

  fs::path file(const std::string& name) const { return dir_.path() / name; }
  void put(const std::string& name, const std::string& image) { write(name, stored(image)); }
  void write(const std::string& name, const std::string& bytes) {
    fs::create_directories(file(name).parent_path());
    write_file(file(name), bytes);
  }
  DataSet load(const std::string& options = {}) { return load_data("folder:" + dir_.path().string() + options, {}); }
  /// What the images were decoded from, by their pixels.
  static std::vector<std::vector<std::uint8_t>> images(const DataSet& data) {
    const Pixels all = data.pixels(0, data.n);
    std::vector<std::vector<std::uint8_t>> each;
    for (std::int64_t i = 0; i < data.n; ++i)
      each.emplace_back(all.bytes + i * data.dim(), all.bytes + (i + 1) * data.dim());
    return each;
  }
  static std::vector<std::uint8_t> image(const std::string& name) { return planes(decode_image(stored(name), name)); }

  const TempDir dir_, cache_;
};

TEST_F(Folder, ClassesAreFoldersInAlphabeticalOrder) {
  write("not a class.txt", "");
  const DataSet data = load();
  EXPECT_EQ(data.classes, 2);
  EXPECT_TRUE(data.classes_known);
  EXPECT_THAT(data.labels, ElementsAre(0, 1, 1));
  EXPECT_THAT((std::vector{data.n, data.c, data.h, data.w}), ElementsAre(3, 3, 17, 23));
  EXPECT_THAT(images(data), ElementsAre(image("rgb_8.png"), image("rgb_420.jpg"), image("progressive_444.jpg")));
}

// The order of sorted(os.walk(...)), with "-" before "/".
TEST_F(Folder, ImagesOfAClassAreSortedByFolderAndThenByName) {
  put("a/x/10.png", "gray_8.png");
  put("a/x/9.JPEG", "gray.jpg");
  put("a/x/0/0.png", "rgba_8.png");
  put("a/x-y/0.PNG", "gray_4.png");
  write("a/x/readme.txt", "");
  EXPECT_THAT(images(load()),
              ElementsAre(image("rgb_8.png"), image("gray_8.png"), image("gray.jpg"), image("gray_4.png"),
                          image("rgba_8.png"), image("rgb_420.jpg"), image("progressive_444.jpg")));
}

TEST_F(Folder, LinksAreFollowed) {
  fs::create_directory_symlink("b", file("c"));
  fs::create_symlink(file("b/1.jpg"), file("a/2.jpg"));
  EXPECT_THAT(load().labels, ElementsAre(0, 0, 1, 1, 2, 2));
  fs::create_directory_symlink("..", file("a/up"));
  EXPECT_ERROR(load(), ExitCode::input, "'" + file("a/up/a").string() + "' is a link to a folder that it lies in");
}

TEST_F(Folder, FileOfClassNamesGivesTheLabels) {
  write("names.txt", "b\r\na");
  const DataSet data = load(",classes=" + file("names.txt").string());
  EXPECT_EQ(data.classes, 2);
  EXPECT_THAT(data.labels, ElementsAre(1, 0, 0));
  EXPECT_THAT(images(data), ElementsAre(image("rgb_8.png"), image("rgb_420.jpg"), image("progressive_444.jpg")));
}

TEST_F(Folder, FileOfClassNamesMustFitTheFolders) {
  const std::string names = file("names.txt").string();
  const auto load_with = [&](const std::string& lines, const std::string& options = {}) {
    write("names.txt", lines);
    return load(",classes=" + names + options);
  };
  EXPECT_ERROR(load_with("a\nc\n"), ExitCode::input,
               "'" + file("b").string() + "' is a class that '" + names + "' does not name");
  EXPECT_ERROR(load_with("a\nb\nc\n"), ExitCode::input,
               "'" + names + "' names the class 'c' in line 3; found no such folder in '" + dir_.path().string() + "'");
  EXPECT_ERROR(load_with("a\nb\na\n"), ExitCode::input, "'" + names + "', line 3: names the class 'a' a second time");
  EXPECT_ERROR(load_with("a\n\nb\n"), ExitCode::input,
               "'" + names + "', line 2: is empty; expected the name of a class folder");
  EXPECT_ERROR(load(",classes=none.txt"), ExitCode::input, EndsWith("none.txt' does not exist"));
  const DataSet some = load_with("a\nc\nb\n", ",allow_empty=true");
  EXPECT_EQ(some.classes, 3);
  EXPECT_THAT(some.labels, ElementsAre(0, 2, 2));
}

TEST_F(Folder, ImagesOfOtherSizesNeedResizeAndCrop) {
  put("b/0.jpg", "rgb_440.jpg");
  const auto call = [&] { load(); };
  EXPECT_ERROR(
      call(), ExitCode::input,
      "'" + file("b/0.jpg").string() + "' is 32 x 32 (W x H), but 'a/1.png' 23 x 17; expected images of one size");
  EXPECT_THAT(thrown_by(call).hint(), HasSubstr("resize=256,crop=224"));
  EXPECT_ERROR(load(",resize=8"), ExitCode::input, HasSubstr("is 8 x 8 (W x H) when resized, but 'a/1.png' 10 x 8;"));
  const DataSet data = load(",resize=8,crop=6");
  EXPECT_THAT((std::vector{data.n, data.c, data.h, data.w}), ElementsAre(4, 3, 6, 6));
  const RgbImage square = decode_image(stored("rgb_440.jpg"), ""), first = decode_image(stored("rgb_8.png"), "");
  const Resample steps{.shorter = 8, .crop = 6};
  EXPECT_EQ(images(data)[0], planes(resampled(first, steps)));
  EXPECT_EQ(images(data)[1], planes(resampled(square, steps)));
}

TEST_F(Folder, OnlyWhatIsAskedForIsDecoded) {
  const std::string whole = stored("progressive_444.jpg");
  write("b/2.jpg", whole.substr(0, whole.size() - 20));
  const DataSet data = load();
  EXPECT_EQ(data.n, 3);
  const Pixels two = data.pixels(0, 2);
  EXPECT_TRUE(std::ranges::equal(image("rgb_420.jpg"),
                                 std::span(two.bytes + data.dim(), static_cast<std::size_t>(data.dim()))));
  EXPECT_ERROR(data.pixels(1, 3), ExitCode::input,
               "'" + file("b/2.jpg").string() + "' is damaged: Premature end of JPEG file");
}

TEST_F(Folder, DamagedImageIsNamedOrLeftOut) {
  write("a/0.png", "");
  const std::string whole = stored("rgb_420.jpg");
  write("b/0.jpg", whole.substr(0, whole.size() / 2));
  const std::string empty = "'" + file("a/0.png").string() + "' is empty; expected a PNG or a JPEG";
  EXPECT_ERROR(load(), ExitCode::input, empty);
  EXPECT_THAT(thrown_by([&] { load(); }).hint(), HasSubstr("skip_damaged=true"));
  for (int again = 0; again < 2; ++again) {
    const DataSet data = load(",skip_damaged=true");
    EXPECT_THAT(data.left_out,
                ElementsAre(empty, "'" + file("b/0.jpg").string() + "' is damaged: Premature end of JPEG file"));
    EXPECT_THAT(data.labels, ElementsAre(0, 1, 1));
    EXPECT_THAT(images(data), ElementsAre(image("rgb_8.png"), image("rgb_420.jpg"), image("progressive_444.jpg")));
  }
}

TEST_F(Folder, WhatIsNoFolderOfClassesIsRefused) {
  EXPECT_ERROR(load("/none"), ExitCode::input,
               EndsWith("/none' does not exist; expected a folder that holds a folder "
                        "of images for each class"));
  EXPECT_ERROR(load("/a/1.png"), ExitCode::input, HasSubstr("is not a folder; expected a folder that holds"));
  EXPECT_ERROR(load("/a"), ExitCode::input,
               EndsWith("/a' holds 0 folders; expected one for each class, at most 65536"));
  fs::create_directory(file("c"));
  EXPECT_ERROR(load(), ExitCode::input,
               "'" + file("c").string() + "' holds no images; expected files named *.png, *.jpg or *.jpeg");
  EXPECT_EQ(load(",allow_empty=true").classes, 3);
  fs::remove(file("c"));
  fs::create_directory(file("a/2.png"));  // a folder, whatever its name
  EXPECT_EQ(load().n, 3);
  write("a/3.webp", "");
  EXPECT_ERROR(load(), ExitCode::input,
               "'" + file("a/3.webp").string() +
                   "' is of a format that ImageFolder reads and assay does not; expected PNG "
                   "or JPEG");
}

TEST_F(Folder, LinkToNothingIsNamed) {
  fs::create_symlink("nowhere.png", file("a/0.png"));
  EXPECT_ERROR(load(), ExitCode::input, "'" + file("a/0.png").string() + "' does not exist");
}

/// Root may read everything: it is another user until the end of the scope.
class NotRoot {
 public:
  NotRoot() {
    if (root_ && seteuid(65534) != 0) throw std::runtime_error("root cannot become another user");
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;
  ~NotRoot() {
    if (root_ && seteuid(0) != 0) std::terminate();
  }

 private:
  const bool root_ = geteuid() == 0;
};

TEST_F(Folder, WhatMayNotBeReadIsNamed) {
  fs::permissions(dir_.path(), fs::perms(0755));
  fs::permissions(file("a/1.png"), fs::perms::none);
  {
    const NotRoot somebody;
    EXPECT_ERROR(load(), ExitCode::input, "'" + file("a/1.png").string() + "' cannot be opened for reading");
  }
  fs::permissions(file("b"), fs::perms::none);
  {
    const NotRoot somebody;
    EXPECT_ERROR(load(), ExitCode::input, "'" + file("b").string() + "' cannot be read: Permission denied");
  }
  fs::permissions(file("b"), fs::perms::owner_all);
}

// The texts that are hashed, by Python's hashlib: see load_folder.
TEST_F(Folder, DigestIsTheKnownOne) {
  EXPECT_EQ(load().sha256, "e102a5684d5f4ed08a303156da7d807dc47ff4146aa330e2fe2d0948f6f68059");
  EXPECT_EQ(load(",resize=8,crop=6").sha256, "f510b7e3d562bde5e416b2e5a0a53cfdd2f1013a81a2f5e1877cbd39fb4b6e13");
}

TEST_F(Folder, DigestDependsOnFilesNamesAndLabelsAlone) {
  const std::string before = load().sha256;
  write("names.txt", "b\na\n");
  EXPECT_EQ(load(",resize=0").sha256, before);
  EXPECT_NE(load(",classes=" + file("names.txt").string()).sha256, before);
  fs::rename(file("b/1.jpg"), file("b/0.jpg"));
  EXPECT_NE(load().sha256, before);
  fs::rename(file("b/0.jpg"), file("b/1.jpg"));
  EXPECT_EQ(load().sha256, before);
  put("b/1.jpg", "rgb_422.jpg");
  EXPECT_NE(load().sha256, before);
}

TEST_F(Folder, FilesOfTheSameSizeAndTimeAreNotReadAgain) {
  const std::string before = load().sha256, bytes = stored("rgb_8.png");
  const auto time = fs::last_write_time(file("a/1.png"));
  std::string other = bytes;
  other[bytes.size() / 2] ^= 1;
  write("a/1.png", other);
  EXPECT_NE(load().sha256, before);
  write("a/1.png", bytes);
  EXPECT_EQ(load().sha256, before);
  // Nobody can tell from size and time; but nothing is computed from other pixels than the digest's.
  write("a/1.png", other);
  fs::last_write_time(file("a/1.png"), time);
  load();
  write("a/1.png", bytes);
  fs::last_write_time(file("a/1.png"), time);
  const DataSet data = load();
  EXPECT_NE(data.sha256, before);
  const auto call = [&] { data.pixels(0, 1); };
  EXPECT_ERROR(call(), ExitCode::input,
               fmt::format("'{}' has SHA-256 {}; expected {}, as when it was read first", file("a/1.png").string(),
                           sha256(bytes), sha256(other)));
  EXPECT_THAT(thrown_by(call).hint(), HasSubstr(cache_.path().string()));
}

TEST_F(Folder, CacheThatIsDamagedOrCannotBeWrittenIsNone) {
  const std::string before = load().sha256;
  fs::path cache;
  for (const auto& entry : fs::recursive_directory_iterator(cache_.path()))
    if (entry.is_regular_file()) cache = entry.path();
  std::string text = read_file(cache);
  const std::size_t at = text.find(sha256(stored("rgb_8.png")));
  ASSERT_NE(at, std::string::npos);
  text[at] = text[at] == '0' ? '1' : '0';
  for (const std::string& damaged : {text, std::string(), text.substr(0, at), std::string("assay folder 1\n")}) {
    write_file(cache, damaged);
    EXPECT_EQ(load().sha256, before);
  }
  for (const char* place : {"/dev/null", "relative", ""}) {
    setenv("XDG_CACHE_HOME", place, 1);
    setenv("HOME", cache_.path().c_str(), 1);
    EXPECT_EQ(load().sha256, before);
  }
}

TEST_F(Folder, NameAndPathHaveTheOptions) {
  write("names.txt", "a\nb\n");
  const std::string folder = dir_.path().filename().string();
  const DataSet data = load_data("folder:./" + folder + "/,resize=20,classes=" + folder + "/names.txt,crop=10",
                                 dir_.path().parent_path());
  EXPECT_EQ(data.name, "folder:" + folder + ",classes=names.txt,crop=10,resize=20");
  EXPECT_EQ(data.path,
            "folder:" + dir_.path().string() + ",classes=" + file("names.txt").string() + ",crop=10,resize=20");
  EXPECT_EQ(load_data(data.path, {}).sha256, data.sha256);
}

TEST_F(Folder, OptionsAreChecked) {
  const auto refused = [&](const std::string& options, const std::string& problem) {
    EXPECT_ERROR(load(options), ExitCode::usage,
                 "data source 'folder:" + dir_.path().string() + options + "': " + problem);
  };
  refused(",resise=3", "unknown option 'resise'");
  EXPECT_EQ(thrown_by([&] { load(",resise=3"); }).hint(), "did you mean 'resize'?");
  refused(",crop=x", "crop = 'x'; expected a whole number from 0 to 16384");
  refused(",crop=", "crop = ''; expected a whole number from 0 to 16384");
  refused(",crop=-1", "crop = '-1'; expected a whole number from 0 to 16384");
  refused(",crop=16385", "crop = '16385'; expected a whole number from 0 to 16384");
  refused(",crop=5,crop=5", "option 'crop' is given twice");
  refused(",skip_damaged=yes", "skip_damaged = 'yes'; expected true or false");
  refused(",classes=", "classes = ''; expected a path");
  EXPECT_ERROR(load_data("folder:,crop=5", {}), ExitCode::usage, HasSubstr("has no folder; expected 'folder:DIR'"));
  // A comma alone makes no option.
  put("x,y/a/1.png", "rgb_8.png");
  EXPECT_EQ(load("/x,y").n, 1);
  EXPECT_EQ(load("/x,y,crop=5").w, 5);
}

}  // namespace
}  // namespace assay
