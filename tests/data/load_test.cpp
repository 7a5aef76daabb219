#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "assay/source.hpp"
#include "data/npy.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::HasSubstr;
namespace fs = std::filesystem;

void write_data(const fs::path& folder, std::uint8_t pixel, std::uint8_t label) {
  fs::create_directories(folder);
  const std::vector<std::uint8_t> pixels = {pixel, 2, 3, 4, 5, 6, 7, 8}, labels = {label, 1};
  write_npy(folder / "images.npy", "|u1", {2, 2, 2}, pixels.data(), pixels.size());
  write_npy(folder / "labels.npy", "|u1", {2}, labels.data(), labels.size());
}

/// Registers `load` and reads from it, then exits with its error. Only in a child process: a registry keeps its
/// entries.
[[noreturn]] void exit_with_error_of(DataSet (*load)(const fs::path&, const Params&)) {
  const Registry<Source>::Add add("test", Source{.about = "", .takes_path = false, .load = load});
  try {
    load_data("test", {});
  } catch (const Error& error) {
    std::fputs(error.what(), stderr);
    std::exit(static_cast<int>(error.code()));
  }
  std::exit(0);
}

DataSet with_label_12(const fs::path&, const Params&) {
  DataSet data;
  data.n = 4;
  data.c = data.h = data.w = 1;
  data.bytes = {1, 2, 3, 4};
  data.labels = {0, 9, 3, 12};
  data.classes = 10;
  data.classes_known = true;
  return data;
}

DataSet without_pixels(const fs::path& folder, const Params& options) {
  DataSet data = with_label_12(folder, options);
  data.bytes.clear();
  return data;
}

DataSet too_large(const fs::path&, const Params&) {
  throw std::bad_alloc();
}

TEST(LoadData, UnknownKindSuggestsTheNearest) {
  const auto call = [] { load_data("fashion_mnits", {}); };
  EXPECT_ERROR(call(), ExitCode::usage, "unknown data source 'fashion_mnits'; expected KIND or KIND:DIR");
  EXPECT_EQ(thrown_by(call).hint(), "did you mean 'fashion_mnist'?");
}

TEST(LoadData, UnknownKindListsAllWhenNoneIsNear) {
  EXPECT_THAT(thrown_by([] { load_data("/data/some/folder", {}); }).hint(), HasSubstr("cifar10, fashion_mnist, "));
}

TEST(LoadData, MissingFolderNameIsRefused) {
  for (const std::string source : {"npy", "npy:"}) {
    EXPECT_ERROR(load_data(source, {}), ExitCode::usage,
                 "data source '" + source + "' has no folder; expected 'npy:DIR'");
  }
}

TEST(LoadData, FileInPlaceOfAFolderIsRefused) {
  const TempDir dir;
  write_data(dir.path(), 1, 0);
  EXPECT_ERROR(load_data("npy:images.npy", dir.path()), ExitCode::input,
               "'" + (dir.path() / "images.npy").string() +
                   "' is not a folder; expected a folder that holds images.npy and labels.npy");
}

TEST(LoadData, RelativePathsStartFromTheBase) {
  const TempDir dir;
  write_data(dir.path() / "a" / "b", 1, 0);
  EXPECT_EQ(load_data("npy:a/b", dir.path()).n, 2);
  EXPECT_EQ(load_data("npy:../a/b", dir.path() / "a").n, 2);
}

TEST(LoadData, NameHasTheLastFolderOnly) {
  const TempDir dir;
  write_data(dir.path() / "a" / "b", 1, 0);
  for (const char* path : {"a/b", "a/b/", "a/./b/.", "a/b/../b//"}) {
    EXPECT_EQ(load_data(std::string("npy:") + path, dir.path()).name, "npy:b") << path;
  }
  EXPECT_EQ(load_data("npy:.", dir.path() / "a" / "b").name, "npy:b");
}

TEST(LoadData, DigestDoesNotDependOnThePlace) {
  const TempDir dir;
  write_data(dir.path() / "a", 1, 0);
  write_data(dir.path() / "b", 1, 0);
  EXPECT_EQ(load_data("npy:a", dir.path()).sha256, load_data("npy:b", dir.path()).sha256);
}

TEST(LoadData, DigestChangesWithAPixel) {
  const TempDir dir;
  write_data(dir.path() / "a", 1, 0);
  write_data(dir.path() / "b", 2, 0);
  EXPECT_NE(load_data("npy:a", dir.path()).sha256, load_data("npy:b", dir.path()).sha256);
}

TEST(LoadData, DigestChangesWithALabel) {
  const TempDir dir;
  write_data(dir.path() / "a", 1, 0);
  write_data(dir.path() / "b", 1, 1);
  EXPECT_NE(load_data("npy:a", dir.path()).sha256, load_data("npy:b", dir.path()).sha256);
}

TEST(LoadData, DigestChangesWithTheShape) {
  const TempDir dir;
  write_data(dir.path() / "a", 1, 0);
  write_data(dir.path() / "b", 1, 0);
  const std::string images = "\1\2\3\4\5\6\7\10";
  write_npy(dir.path() / "b" / "images.npy", "|u1", {2, 1, 4}, images.data(), images.size());
  EXPECT_NE(load_data("npy:a", dir.path()).sha256, load_data("npy:b", dir.path()).sha256);
}

// The text that is hashed, "|u1 2 x 1 x 2 x 2, 2 classes\n", the pixels and the labels as uint16, by Python's hashlib.
TEST(LoadData, DigestIsTheKnownOne) {
  const TempDir dir;
  write_data(dir.path(), 1, 0);
  EXPECT_EQ(load_data("npy:.", dir.path()).sha256, "11b34a3f5bf75148d59c9565cbd11908c60a510c19f145404cc66640e42ae3c3");
}

TEST(LoadDataDeathTest, LabelBeyondTheKnownClassesIsNamed) {
  EXPECT_EXIT(exit_with_error_of(with_label_12), ::testing::ExitedWithCode(65),
              "data source 'test': label 12 at index 3; expected 0..9");
}

TEST(LoadDataDeathTest, SourceThatContradictsItselfIsAnInternalError) {
  EXPECT_EXIT(exit_with_error_of(without_pixels), ::testing::ExitedWithCode(70),
              "gave 0 bytes and 0 floats for 4 pixels");
}

TEST(LoadDataDeathTest, DataThatDoesNotFitIntoMemoryIsAnInputError) {
  EXPECT_EXIT(exit_with_error_of(too_large), ::testing::ExitedWithCode(65), "'test' does not fit into memory");
}

}  // namespace
}  // namespace assay
