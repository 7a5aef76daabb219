#include "data/fashion_mnist.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "assay/source.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

/// Sets $ASSAY_DATA for a scope.
class AssayData {
 public:
  explicit AssayData(const fs::path& folder) {
    if (const char* before = std::getenv("ASSAY_DATA")) before_ = before;
    setenv("ASSAY_DATA", folder.c_str(), 1);
  }
  AssayData(const AssayData&) = delete;
  AssayData& operator=(const AssayData&) = delete;
  ~AssayData() { before_ ? setenv("ASSAY_DATA", before_->c_str(), 1) : unsetenv("ASSAY_DATA"); }

 private:
  std::optional<std::string> before_;
};

const fs::path kData = fs::path(ASSAY_ROOT) / "data";

TEST(FashionMnist, IsTenThousandGrayImagesOfTenClasses) {
  const AssayData here(kData);
  const DataSet data = load_data("fashion_mnist", {});
  EXPECT_EQ(data.name, "fashion_mnist");
  EXPECT_EQ(data.n, 10000);
  EXPECT_EQ(data.c, 1);
  EXPECT_EQ(data.h, 28);
  EXPECT_EQ(data.w, 28);
  EXPECT_EQ(data.classes, 10);
  EXPECT_TRUE(data.classes_known);
}

TEST(FashionMnist, FirstLabelsAreThePublishedOnes) {
  const AssayData here(kData);
  const DataSet data = load_data("fashion_mnist", {});
  EXPECT_THAT(std::vector(data.labels.begin(), data.labels.begin() + 10), ElementsAre(9, 2, 1, 1, 6, 1, 4, 6, 5, 7));
}

TEST(FashionMnist, HasAThousandImagesOfEachClass) {
  const AssayData here(kData);
  std::array<int, 10> counts{};
  for (const auto label : load_data("fashion_mnist", {}).labels) ++counts.at(label);
  EXPECT_THAT(counts, Each(1000));
}

TEST(FashionMnist, TakesNoFolder) {
  EXPECT_ERROR(load_data("fashion_mnist:data", {}), ExitCode::usage,
               "data source 'fashion_mnist:data' has a folder; expected 'fashion_mnist' alone");
}

TEST(FashionMnist, AlteredFileIsRefusedWithBothDigests) {
  const TempDir dir;
  fs::create_directory(dir.path() / "fashion_mnist");
  for (const char* name : {"t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"}) {
    fs::copy_file(kData / "fashion_mnist" / name, dir.path() / "fashion_mnist" / name);
  }
  const fs::path labels = dir.path() / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz";
  write_file(labels, "abc");
  const AssayData there(dir.path());
  EXPECT_ERROR(load_data("fashion_mnist", {}), ExitCode::input,
               "'" + labels.string() +
                   "' has SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad; expected "
                   "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05");
}

TEST(FashionMnist, MissingFilesAreReportedWithThePlaceSearched) {
  const TempDir dir;
  const AssayData there(dir.path());
  const auto call = [] { load_data("fashion_mnist", {}); };
  EXPECT_ERROR(call(), ExitCode::input,
               "found no Fashion-MNIST; expected t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz in '" +
                   (dir.path() / "fashion_mnist").string() + "'");
  EXPECT_THAT(thrown_by(call).hint(), HasSubstr("ASSAY_DATA"));
}

TEST(FashionMnist, AssayDataIsTheOnlyPlaceWhenItIsSet) {
  EXPECT_THAT(fashion_mnist_folders("/d", "/usr/bin/assay"), ElementsAre("/d/fashion_mnist"));
}

TEST(FashionMnist, IsSearchedBesideTheProgramThenAboveItThenWhereDebianPutsIt) {
  for (const char* unset : {static_cast<const char*>(nullptr), ""}) {
    EXPECT_THAT(fashion_mnist_folders(unset, "/r/build/dev/tests/assay"),
                ElementsAre("/r/build/dev/share/assay/fashion_mnist", "/r/build/dev/tests/data/fashion_mnist",
                            "/r/build/dev/data/fashion_mnist", "/r/build/data/fashion_mnist", "/r/data/fashion_mnist",
                            "/data/fashion_mnist", "/usr/share/datasets/fashion-mnist"));
  }
}

TEST(FashionMnist, SearchEndsAtTheRoot) {
  EXPECT_THAT(fashion_mnist_folders(nullptr, "/assay"),
              ElementsAre("/share/assay/fashion_mnist", "/data/fashion_mnist", "/usr/share/datasets/fashion-mnist"));
}

}  // namespace
}  // namespace assay
