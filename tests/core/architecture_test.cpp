// What the layout promises, checked over the files themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "assay/attack.hpp"
#include "assay/corruption.hpp"
#include "assay/loss.hpp"
#include "assay/output_metric.hpp"
#include "assay/results.hpp"
#include "assay/scaling.hpp"
#include "assay/source.hpp"
#include "registered.hpp"

namespace assay {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = ASSAY_ROOT;

std::vector<fs::path> files_under(const std::vector<std::string>& folders) {
  std::vector<fs::path> files;
  for (const std::string& folder : folders)
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder))
      if (entry.is_regular_file()) files.push_back(entry.path());
  return files;
}

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Files in which a pattern occurs, relative to the root.
std::set<std::string> matching(const std::vector<std::string>& folders, const char* pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (const fs::path& file : files_under(folders))
    if (std::regex_search(content(file), regex)) found.insert(fs::relative(file, kRoot).string());
  return found;
}

/// The stems of the files of a folder with this extension.
std::vector<std::string> stems(const char* folder, const char* extension) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(kRoot / folder))
    if (entry.path().extension() == extension) names.insert(entry.path().stem().string());
  return {names.begin(), names.end()};
}

TEST(Architecture, TorchIsIncludedInItsOwnFolderOnly) {
  // src/torch/library.hpp is our interface to it, and includes none.
  const auto found =
      matching({"include", "cuda", "src", "bench"}, R"x(#include\s*[<"](ATen|c10|torch)/(?!library\.hpp))x");
  ASSERT_FALSE(found.empty());
  for (const std::string& file : found) EXPECT_THAT(file, testing::MatchesRegex("src/torch/.*\\.(cpp|hpp)"));
}

TEST(Architecture, PublicHeadersNeedNoLibrary) {
  EXPECT_THAT(matching({"include"}, R"(#include\s*[<"](fmt|nlohmann|toml|CLI|openssl|zlib|omp))"), testing::IsEmpty());
}

TEST(Architecture, KernelsAndPublicHeadersKnowNothingOfHostCode) {
  EXPECT_THAT(matching({"include", "cuda"}, R"(#include\s*[<"](engine|data|sinks|cli|torch)/)"), testing::IsEmpty());
}

TEST(Architecture, LibraryCodeNeitherPrintsNorExits) {
  EXPECT_THAT(
      matching({"include", "cuda", "src/core", "src/data", "src/engine", "src/scalings", "src/sinks", "src/torch"},
               R"(std::(cout|cerr)|fmt::print|[^a-z_:]printf\(|[^_a-z]exit\(|abort\()"),
      testing::IsEmpty());
}

TEST(Architecture, DeviceMemoryIsCopiedInOneFileByItsNamedFunctions) {
  EXPECT_THAT(matching({"include", "cuda", "src"}, "cudaMemcpy|cudaStreamSynchronize|cudaDeviceSynchronize"),
              testing::ElementsAre("cuda/core/transfer.cu"));
  const std::string header = content(kRoot / "cuda/core/transfer.hpp");
  const std::regex declaration(R"(void (\w+)\(const Exec& exec, void\* to, const void\* from)");
  std::set<std::string> names;
  for (std::sregex_iterator it(header.begin(), header.end(), declaration), end; it != end; ++it) names.insert((*it)[1]);
  EXPECT_THAT(names, testing::ElementsAre("copy_within", "export_images", "fetch_unit", "upload"));
}

TEST(Architecture, OnlyTheUnitsEndFetchesAndOnlyExportsCopyImages) {
  // And the check of saved adversarials, its logits; and what sorted all units' rows, their order.
  EXPECT_THAT(matching({"cuda", "src"}, R"(fetch_unit\()"),
              testing::UnorderedElementsAre("cuda/core/transfer.cu", "cuda/core/transfer.hpp", "src/core/rank.cpp",
                                            "src/engine/evaluate.cpp", "src/engine/witness.cpp"));
  EXPECT_THAT(matching({"cuda", "src"}, R"(export_images\()"),
              testing::UnorderedElementsAre("cuda/core/transfer.cu", "cuda/core/transfer.hpp", "src/engine/corrupt.cpp",
                                            "src/engine/evaluate.cpp"));
}

TEST(Architecture, OnlyTheClockOfTheBenchWaitsAndCopiesOnTheDevice) {
  for (const char* function : {R"(\bdrain\()", R"(\bcopy_within\()"})
    EXPECT_THAT(
        matching({"cuda", "src"}, function),
        testing::UnorderedElementsAre("cuda/core/transfer.cu", "cuda/core/transfer.hpp", "src/engine/bench.cpp"));
}

TEST(Architecture, EveryKernelFileRegistersItsStemAndNothingIsRegisteredElsewhere) {
  // A family's file registers one attack a norm and loss, or one metric a level, each under a name that begins with its
  // stem.
  const auto files = stems("cuda/attacks", ".cu");
  std::set<std::string> used;
  for (const std::string& name : registered_names<AttackEntry>()) {
    const auto its = std::ranges::find_if(files, [&](const std::string& stem) { return name.starts_with(stem); });
    ASSERT_NE(its, files.end()) << name;
    used.insert(*its);
  }
  EXPECT_EQ(used.size(), files.size()) << "a file that registers nothing";
  EXPECT_EQ(stems("cuda/corruptions", ".cu"), registered_names<Corruption>());
  EXPECT_EQ(stems("cuda/losses", ".cu"), registered_names<Loss>());
  std::vector<std::string> metrics = stems("cuda/metrics", ".cu");
  std::ranges::copy(stems("src/metrics", ".cpp"), std::back_inserter(metrics));
  std::set<std::string> measuring;
  for (const std::string& name : registered_names<Metric>())
    measuring.insert(std::regex_replace(name, std::regex("^(accuracy_at_coverage)_[0-9]+$"), "$1"));
  for (const std::string& name : registered_names<OutputMetric>()) measuring.insert(name);
  EXPECT_THAT(metrics, testing::UnorderedElementsAreArray(measuring));
  EXPECT_EQ(stems("src/scalings", ".cpp"), registered_names<Scaling>());
  EXPECT_EQ(stems("src/sinks", ".cpp"), registered_names<Sink>());
  for (const std::string& name : registered_names<Source>())
    EXPECT_TRUE(fs::exists(kRoot / "src/data" / (name + ".cpp"))) << name;
}

TEST(Architecture, FilesNameNoPathOfAMachineAndHoldNoLooseEnds) {
  EXPECT_THAT(matching({"include", "cuda", "src", "cmake", "configs", "requirements", "tools"},
                       R"(/home/|/work/|/root/|TODO|FIXME|https?://[a-z.]*(pypi|pythonhosted))"),
              testing::IsEmpty());
}

}  // namespace
}  // namespace assay
