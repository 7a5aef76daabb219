#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "assay/source.hpp"
#include "data/mutate.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

/// A label, then 1024 bytes each of red, green and blue.
std::string record(char label, char red, char green, char blue) {
  return label + std::string(1024, red) + std::string(1024, green) + std::string(1024, blue);
}

class Cifar10 : public ::testing::Test {
 protected:
  DataSet load(const std::string& bytes) {
    write_file(dir_.path() / "test_batch.bin", bytes);
    return load_data("cifar10:" + dir_.path().string(), {});
  }
  TempDir dir_;
};

TEST_F(Cifar10, ReadsLabelsAndColourPlanes) {
  const DataSet data = load(record(3, 1, 2, 3) + record(9, 4, 5, 6));
  EXPECT_EQ(data.n, 2);
  EXPECT_EQ(data.c, 3);
  EXPECT_EQ(data.h, 32);
  EXPECT_EQ(data.w, 32);
  EXPECT_THAT(data.labels, ElementsAre(3, 9));
  const std::string pixels(data.bytes.begin(), data.bytes.end());
  EXPECT_EQ(pixels, record(3, 1, 2, 3).substr(1) + record(9, 4, 5, 6).substr(1));
}

TEST_F(Cifar10, HasTenClassesWhateverLabelsOccur) {
  const DataSet data = load(record(0, 0, 0, 0));
  EXPECT_EQ(data.classes, 10);
  EXPECT_TRUE(data.classes_known);
}

TEST_F(Cifar10, PartOfARecordIsRefused) {
  const auto call = [&] { load(record(0, 0, 0, 0) + "x"); };
  EXPECT_ERROR(call(), ExitCode::input,
               EndsWith("test_batch.bin' has 3074 bytes; expected a multiple of 3073, one record an image"));
  EXPECT_THAT(thrown_by(call).hint(), HasSubstr("cifar-10-binary.tar.gz"));
}

TEST_F(Cifar10, EmptyFileIsRefused) {
  EXPECT_ERROR(load(""), ExitCode::input, HasSubstr("has 0 bytes; expected a multiple of 3073"));
}

TEST_F(Cifar10, WrongLabelNamesItsRecord) {
  EXPECT_ERROR(load(record(0, 0, 0, 0) + record(10, 0, 0, 0)), ExitCode::input,
               EndsWith("test_batch.bin' has label 10 in record 1; expected 0..9"));
}

TEST_F(Cifar10, MissingFileIsNamed) {
  EXPECT_ERROR(load_data("cifar10:" + dir_.path().string(), {}), ExitCode::input,
               "'" + (dir_.path() / "test_batch.bin").string() + "' does not exist");
}

TEST_F(Cifar10, DamagedFilesLoadOrThrowAnError) {
  Lcg random(4);
  for (int round = 0; round < 500; ++round) {
    try {
      EXPECT_GT(load(mutated(record(1, 2, 3, 4) + record(5, 6, 7, 8), 1, random)).n, 0);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::input) << error.what();
    }
  }
}

}  // namespace
}  // namespace assay
