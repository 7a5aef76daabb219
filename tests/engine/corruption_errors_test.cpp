// mCE: mean errors over severities and corruptions, beside AlexNet's.
#include "engine/corruption_errors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "temp_dir.hpp"
#include "thrown.hpp"

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

TEST(CorruptionErrors, AreComparedWithAModelOfTheSameResults) {
  // b errs half as often as net on every corruption, and twice as often on clean images.
  std::vector<CellResult> cells = benchmark("32");
  const std::vector<CellResult> own = cells;
  for (const CellResult& cell : own) {
    cells.push_back(cell);
    cells.back().model = "b";
    cells.back().n = 2000;
    cells.back().correct = cell.kind == CellKind::clean ? 1600 : 2000 - (1000 - cell.correct);
  }
  const std::vector<CorruptionErrors> all = corruption_errors(cells, CorruptionBaseline{"net", {}});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].baseline, "model:net");
  EXPECT_NEAR(all[0].mce, 1, 1e-14);
  EXPECT_NEAR(all[0].relative_mce, 1, 1e-14);
  EXPECT_NEAR(all[1].mce, .5, 1e-14);
  EXPECT_NEAR(all[1].corruptions.at("gaussian_noise").relative_ce, (.15 - .2) / (.3 - .1), 1e-14);
  EXPECT_THAT(definition_of(all[1]), testing::HasSubstr("a model of these results"));
}

TEST(CorruptionErrors, AreNotComparedWithAlexNetsWhereThePackageCorrupted) {
  const CorruptionErrors found = corruption_errors(benchmark("imagecorruptions-1.1.2")).at(0);
  EXPECT_EQ(found.baseline, "");
  EXPECT_TRUE(std::isnan(found.mce));
  EXPECT_FALSE(std::isnan(found.mean_error));
}

TEST(CorruptionErrors, AreComparedWithAnotherRunWhereItHasTheTableAndThePipeline) {
  CorruptionBaseline other{"other", {{"32", "stored", .05, {{"fog", .78}, {"spatter", .5}}}}};
  const auto fog = [&](const std::string& table) {
    const CorruptionErrors found = corruption_errors(benchmark(table), other).at(0);
    EXPECT_TRUE(std::isnan(found.mce)) << "the other run has one of the 15";
    EXPECT_TRUE(std::isnan(found.corruptions.at("snow").ce));
    return std::pair(found.baseline, found.corruptions.at("fog"));
  };
  const auto [name, found] = fog("32");
  EXPECT_EQ(name, "results:other");
  EXPECT_NEAR(found.ce, .5, 1e-14);
  EXPECT_NEAR(found.relative_ce, (.39 - .1) / (.78 - .05), 1e-14);
  EXPECT_EQ(fog("imagecorruptions-1.1.2").first, "");
  const auto [none, undefined] = fog("224");
  EXPECT_EQ(none, "");
  EXPECT_TRUE(std::isnan(undefined.ce));
  other.errors[0].corruptions["fog"] = 0;
  EXPECT_TRUE(std::isinf(fog("32").second.ce)) << "null in results.json";
  EXPECT_EQ(baseline_from_json(to_json(other)), other);
}

struct Refused {
  std::string content, model, says;
};
TEST(ReadBaseline, RefusesWhatIsNone) {
  const TempDir folder;
  const auto path = folder.path() / "results.json";
  const std::string net = R"({"model": "net", "table": "32", "pipeline": "stored", "clean_error": 0.1,
                              "corruptions": {"fog": {"error": 0.4}}})";
  std::string other = net;
  other.replace(other.find("net"), 3, "two");
  const auto file = [](const std::string& list) { return R"({"corruption_errors": [)" + list + "]}"; };
  const Refused all[] = {{"{", "", "damaged"},
                         {"[]", "", "damaged"},
                         {R"({"cells": []})", "", "no corruption at all five"},
                         {file(net + "," + other), "", "more than one model: 'net', 'two'"},
                         {file(net), "resnet", "no model 'resnet' with corruption errors; it has 'net'"},
                         {file(R"({"model": "net"})"), "", "damaged"}};
  for (const auto& [content, model, says] : all) {
    write_file(path, content);
    const Error error = thrown_by([&path, &name = model] { read_baseline(path, name); });
    EXPECT_EQ(error.code(), ExitCode::input);
    EXPECT_THAT(error.what(), testing::HasSubstr(says)) << content;
  }
  const Error absent = thrown_by([&] { read_baseline(folder.path() / "none.json", ""); });
  EXPECT_THAT(absent.what(), testing::HasSubstr("is not there"));
  write_file(path, file(net));
  EXPECT_EQ(read_baseline(path, ""), (CorruptionBaseline{"net", {{"32", "stored", .1, {{"fog", .4}}}}}));
}

}  // namespace
}  // namespace assay
