#include "torch/model_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/sha256.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"
#include "torch/script_fixture.hpp"
#include "torch/script_model.hpp"

namespace assay {
namespace {
using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace std::string_literals;

constexpr char kExpected[] = "expected a TorchScript archive";

class ModelFile : public ::testing::Test {
 protected:
  TempDir folder_;
  ModelSpec spec_ = model_spec("tested", folder_.path() / "model.pt");

  Error load() {
    return thrown_by([&] { load_script_model({}, spec_, synthetic_data(20, 1, 4, 3), 16, true); });
  }
  Error load(std::string_view bytes) {
    write_file(spec_.path, bytes);
    return load();
  }
};

#define EXPECT_REJECTED(error, ...)                         \
  do {                                                      \
    const Error rejected = error;                           \
    EXPECT_EQ(rejected.code(), ExitCode::input);            \
    EXPECT_THAT(std::string(rejected.what()), __VA_ARGS__); \
  } while (false)

TEST_F(ModelFile, NamesTheModelAndThePathOfAMissingFile) {
  EXPECT_REJECTED(load(),
                  AllOf(HasSubstr("model 'tested'"), HasSubstr(spec_.path.string()), HasSubstr("does not exist")));
}

TEST_F(ModelFile, RejectsAFolder) {
  spec_.path = folder_.path();
  EXPECT_REJECTED(load(), HasSubstr("found a folder"));
}

TEST_F(ModelFile, RejectsAPipeWithoutWaitingForIt) {
  ASSERT_EQ(mkfifo(spec_.path.c_str(), 0600), 0);
  EXPECT_REJECTED(load(), HasSubstr("not a regular file"));
}

TEST_F(ModelFile, RejectsAnEmptyFile) {
  EXPECT_REJECTED(load(""), AllOf(HasSubstr("0 bytes"), HasSubstr(kExpected)));
}

TEST_F(ModelFile, RejectsRandomBytes) {
  EXPECT_REJECTED(load("\x93\x1c\x77\xe0\x02\x9a"),
                  AllOf(HasSubstr("6 bytes of no known format"), HasSubstr(kExpected)));
}

TEST_F(ModelFile, TellsAnArchiveThatWasCutOff) {
  ScriptFixture{}.save(spec_.path);
  const std::string bytes = read_file(spec_.path);
  EXPECT_REJECTED(load(bytes.substr(0, bytes.size() / 2)), HasSubstr("cut off"));
  EXPECT_REJECTED(load(bytes.substr(0, bytes.size() - 1)), HasSubstr("cut off"));
  EXPECT_REJECTED(load(bytes.substr(0, 10)), HasSubstr("cut off"));
}

TEST_F(ModelFile, TellsHowToExportAPickledCheckpoint) {
  save_checkpoint(spec_.path);
  const Error error = load();
  EXPECT_REJECTED(error, AllOf(HasSubstr("checkpoint of torch.save"), HasSubstr(kExpected)));
  EXPECT_THAT(error.hint(), AllOf(HasSubstr("load_state_dict"), HasSubstr("torch.jit.script(model.eval()).save(")));
}

TEST_F(ModelFile, TellsHowToExportACheckpointOfBeforeTorch1_6) {
  const Error error = load("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20j\xa8P\x19.\x80\x02M"s);
  EXPECT_REJECTED(error, AllOf(HasSubstr("checkpoint of torch.save"), HasSubstr(kExpected)));
  EXPECT_THAT(error.hint(), HasSubstr("torch.jit.script(model.eval()).save("));
}

TEST_F(ModelFile, NamesSafetensors) {
  EXPECT_REJECTED(load("\x02\0\0\0\0\0\0\0{}"s), AllOf(HasSubstr("safetensors"), HasSubstr(kExpected)));
}

TEST_F(ModelFile, NamesOnnxByItsProducer) {
  EXPECT_REJECTED(load("\x08\x08\x12\x07pytorch\x1a\x05"
                       "2.1.0"),
                  HasSubstr("ONNX"));
}

TEST_F(ModelFile, NamesOnnxByItsExtension) {
  spec_.path = folder_.path() / "model.onnx";
  EXPECT_REJECTED(load("\x08\x07\x12\x04mine"), HasSubstr("ONNX"));
}

TEST_F(ModelFile, NamesATorchExportArchive) {
  save_archive(spec_.path, {"archive_format", "models/model.json", "data/weights/weight_0"});
  EXPECT_REJECTED(load(), HasSubstr("torch.export"));
}

TEST_F(ModelFile, ListsWhatIsInAForeignArchive) {
  save_archive(spec_.path, {"config.json"});
  EXPECT_REJECTED(load(), AllOf(HasSubstr("config.json"), HasSubstr(kExpected)));
}

TEST_F(ModelFile, NamesAZipArchiveOfAnotherProgram) {
  // The smallest zip archive with an entry: a local header, its directory entry, and the end record.
  const std::string local = "PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a"s;
  const std::string entry =
      "PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a"s;
  const std::string end = "PK\x05\x06\0\0\0\0\x01\0\x01\0\x2f\0\0\0\x1f\0\0\0\0\0"s;
  EXPECT_REJECTED(load(local + entry + end), HasSubstr("that PyTorch did not write"));
}

TEST_F(ModelFile, NamesAGitLfsPointer) {
  const Error error = load("version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  EXPECT_REJECTED(error, HasSubstr("Git LFS pointer"));
  EXPECT_THAT(error.hint(), HasSubstr("git lfs pull"));
}

TEST_F(ModelFile, HasTheDigestOfItsBytes) {
  write_file(spec_.path, "any bytes");
  EXPECT_EQ(model_digest(spec_), sha256("any bytes"));
}

TEST_F(ModelFile, RejectsAnotherDigestThanTheConfigs) {
  write_file(spec_.path, "any bytes");
  spec_.sha256 = sha256("other bytes");
  EXPECT_ERROR(model_digest(spec_), ExitCode::input,
               AllOf(HasSubstr(sha256("any bytes")), HasSubstr("expected " + spec_.sha256)));
}

TEST_F(ModelFile, HasNoDigestWhenMissing) {
  EXPECT_ERROR(model_digest(spec_), ExitCode::input, HasSubstr("does not exist"));
}

TEST_F(ModelFile, IsCheckedAgainstTheDigestBeforeItIsRun) {
  ScriptFixture{}.save(spec_.path);
  spec_.sha256 = sha256("other bytes");
  EXPECT_REJECTED(load(), HasSubstr("expected " + spec_.sha256));
}

}  // namespace
}  // namespace assay
