#include "core/sha256.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

// FIPS 180-4's examples.
constexpr char kOfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kOfMillionA[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, GivesTheStandardsAnswers) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), kOfAbc);
  EXPECT_EQ(sha256(std::string(1000000, 'a')), kOfMillionA);
}

TEST(Sha256, IsTheSameInPieces) {
  EXPECT_EQ(Sha256().update("a").update("").update("bc").hex(), kOfAbc);
}

TEST(Sha256File, ReadsTheWholeFile) {
  const TempDir folder;
  write_file(folder.path() / "a", std::string(1000000, 'a'));
  EXPECT_EQ(sha256_file(folder.path() / "a"), kOfMillionA);
  const std::string long_text(3 << 20, 'b');  // several blocks
  write_file(folder.path() / "b", long_text);
  EXPECT_EQ(sha256_file(folder.path() / "b"), sha256(long_text));
}

TEST(Sha256File, RefusesAFileThatIsNotThere) {
  const TempDir folder;
  EXPECT_ERROR(sha256_file(folder.path() / "none"), ExitCode::input, testing::HasSubstr("none"));
}

}  // namespace
}  // namespace assay
