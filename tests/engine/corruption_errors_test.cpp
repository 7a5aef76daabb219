// mCE: mean errors over severities and corruptions, beside AlexNet's.
#include "engine/corruption_errors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace assay {
namespace {

using testing::ElementsAre;

const std::vector<std::string> kCounted = {
    "gaussian_noise",    "shot_noise", "impulse_noise",   "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur",         "snow",       "frost",           "fog",          "brightness", "contrast",
    "elastic_transform", "pixelate",   "jpeg_compression"};

CellResult clean(const std::string& model, std::uint64_t correct) {
  CellResult cell;
  cell.model = model;
  cell.n = 1000;
  cell.correct = correct;
  return cell;
}
CellResult corrupted(const std::string& model, const std::string& name, std::int64_t severity, std::uint64_t correct,
                     const std::string& table = "224", const std::string& pipeline = "stored") {
  CellResult cell = clean(model, correct);
  cell.kind = CellKind::corrupted;
  cell.perturbation = {
      {Perturbation::Kind::corruption, name, {{"severity", severity}, {"table", table}, {"pipeline", pipeline}}}};
  return cell;
}
/// Severity s of every corruption has errors 0.1 s, a hundredth more for each that comes later in the list.
std::vector<CellResult> benchmark(const std::string& table = "224") {
  std::vector<CellResult> cells = {clean("net", 900)};
  for (std::size_t c = 0; c < kCounted.size(); ++c)
    for (std::int64_t severity = 1; severity <= 5; ++severity)
      cells.push_back(corrupted("net", kCounted[c], severity,
                                1000 - 100 * static_cast<std::uint64_t>(severity) - 10 * static_cast<std::uint64_t>(c),
                                table));
  return cells;
}

TEST(CorruptionErrors, AreMeansOverSeveritiesBesideAlexNets) {
  std::vector<CellResult> cells = benchmark();
  for (std::int64_t severity = 1; severity <= 5; ++severity)
    cells.push_back(corrupted("net", "spatter", severity, 282));
  const std::vector<CorruptionErrors> all = corruption_errors(cells);
  ASSERT_EQ(all.size(), 1u);
  const CorruptionErrors& found = all[0];
  EXPECT_EQ(found.model, "net");
  EXPECT_EQ(found.table, "224");
  EXPECT_EQ(found.pipeline, "stored");
  EXPECT_EQ(found.baseline, "alexnet");
  EXPECT_DOUBLE_EQ(found.clean_error, .1);
  const CorruptionErrors::One& first = found.corruptions.at("gaussian_noise");
  EXPECT_THAT(first.by_severity, ElementsAre(.1, .2, .3, .4, .5));
  EXPECT_DOUBLE_EQ(first.error, .3);
  EXPECT_NEAR(first.ce, .3 / .886428, 1e-15);
  EXPECT_NEAR(first.relative_ce, (.3 - .1) / (.886428 - .435), 1e-15);
  EXPECT_DOUBLE_EQ(found.corruptions.at("jpeg_compression").error, .44);
  EXPECT_DOUBLE_EQ(found.corruptions.at("spatter").ce, 1.);
  EXPECT_NEAR(found.mean_error, .3 + .01 * 7, 1e-15) << "spatter does not count";
  // The paper's AlexNet errors, in the list's order.
  const double alexnet[] = {.886428, .894468, .922640, .819880, .826268, .785948, .798360, .866816,
                            .826572, .819324, .564592, .853204, .646056, .717840, .606500};
  double mce = 0, relative = 0;
  for (int c = 0; c < 15; ++c) {
    mce += (.3 + .01 * c) / alexnet[c] / 15;
    relative += (.2 + .01 * c) / (alexnet[c] - .435) / 15;
  }
  EXPECT_NEAR(found.mce, mce, 1e-14);
  EXPECT_NEAR(found.relative_mce, relative, 1e-14);
}

TEST(CorruptionErrors, OfAlexNetItselfAreOne) {
  // Its mean errors are known to six digits; five equal severities of a million images have them exactly.
  std::vector<CellResult> cells = {clean("alexnet", 565)};
  const double alexnet[] = {.886428, .894468, .922640, .819880, .826268, .785948, .798360, .866816,
                            .826572, .819324, .564592, .853204, .646056, .717840, .606500};
  for (std::size_t c = 0; c < 15; ++c)
    for (std::int64_t severity = 1; severity <= 5; ++severity) {
      cells.push_back(corrupted("alexnet", kCounted[c], severity, 0));
      cells.back().n = 1000000;
      cells.back().correct = 1000000 - static_cast<std::uint64_t>(std::llround(alexnet[c] * 1e6));
    }
  const CorruptionErrors found = corruption_errors(cells).at(0);
  EXPECT_NEAR(found.mce, 1, 1e-14);
  EXPECT_NEAR(found.relative_mce, 1, 1e-14);
}

TEST(CorruptionErrors, HaveNoBaselineForOtherTables) {
  const CorruptionErrors found = corruption_errors(benchmark("32")).at(0);
  EXPECT_EQ(found.baseline, "");
  EXPECT_NEAR(found.mean_error, .37, 1e-15);
  EXPECT_TRUE(std::isnan(found.mce));
  EXPECT_TRUE(std::isnan(found.corruptions.at("fog").ce));
  EXPECT_THAT(definition_of(found), testing::Not(testing::HasSubstr("AlexNet")));
}

TEST(CorruptionErrors, HaveNoMeansWithoutAllFifteen) {
  std::vector<CellResult> cells = benchmark();
  cells.pop_back();  // jpeg_compression's severity 5
  const CorruptionErrors found = corruption_errors(cells).at(0);
  EXPECT_EQ(found.corruptions.size(), 14u);
  EXPECT_TRUE(std::isnan(found.mean_error));
  EXPECT_TRUE(std::isnan(found.mce));
  EXPECT_NEAR(found.corruptions.at("fog").ce, .39 / .819324, 1e-15);
}

TEST(CorruptionErrors, AreApartByModelTableAndPipelineAndOfNothingElse) {
  std::vector<CellResult> cells = {clean("b", 800), clean("a", 900)};
  for (std::int64_t severity = 1; severity <= 5; ++severity) {
    cells.push_back(corrupted("b", "fog", severity, 500));
    cells.push_back(corrupted("a", "fog", severity, 600));
    cells.push_back(corrupted("a", "fog", severity, 700, "224", "in_memory"));
    cells.push_back(corrupted("a", "fog", severity, 100));
    cells.back().perturbation.insert(cells.back().perturbation.begin(), cells.back().perturbation.front());
    cells.push_back(corrupted("a", "snow", severity, 100));
    cells.back().kind = CellKind::attacked;
  }
  const std::vector<CorruptionErrors> all = corruption_errors(cells);
  std::vector<std::string> found;
  for (const CorruptionErrors& one : all) {
    ASSERT_EQ(one.corruptions.size(), 1u);
    found.push_back(one.model + ' ' + one.pipeline + ' ' + std::to_string(one.corruptions.at("fog").error));
  }
  EXPECT_THAT(found, ElementsAre("b stored 0.500000", "a in_memory 0.300000", "a stored 0.400000"));
  EXPECT_TRUE(corruption_errors({clean("a", 900), corrupted("a", "fog", 1, 500)}).empty());
}

}  // namespace
}  // namespace assay
