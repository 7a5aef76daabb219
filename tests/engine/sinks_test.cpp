#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "assay/results.hpp"
#include "sinks/json.hpp"

namespace assay {
namespace {

using testing::HasSubstr;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Results example() {
  CellResult clean{"m,1", {}, CellKind::clean, 10, 0, {10, 0}, {16, 0}, {}, {}};
  clean.metrics["accuracy"] = {0.1, 0.05, 0.4, 0.95, {}};
  clean.metrics["ece"] = {kNone, kNone, kNone, kNone, {{"accuracy", {0.5, kNone}}}};
  CellResult attacked{"m,1",
                      {{Perturbation::Kind::attack, "fgsm", {{"epsilon", 4.0 / 255}}}},
                      CellKind::attacked,
                      10,
                      2,
                      {20, 10},
                      {32, 16},
                      {"undecided_samples"},
                      {}};
  attacked.metrics["robust_accuracy"] = {0.0, 0.0, 0.5, 0.95, {}};
  return {"toy", {clean, attacked}};
}
std::string render(const char* sink) {
  return Registry<Sink>::find(sink)->render(example());
}

TEST(Json, HasSortedKeysShortestFloatsAndNullForTheUndefined) {
  const std::string text = render("json");
  const auto parsed = nlohmann::json::parse(text);
  EXPECT_EQ(parsed["schema"], 1);
  const auto& cell = parsed["cells"][0];
  EXPECT_TRUE(cell["metrics"]["ece"]["value"].is_null());
  EXPECT_TRUE(cell["data"]["curves"]["ece"]["accuracy"][1].is_null());
  EXPECT_EQ(cell["perturbation"], nlohmann::json::array());
  EXPECT_THAT(text, HasSubstr("\"value\": 0.1\n")) << "not 0.1000000000000000055";
  EXPECT_EQ(parsed["cells"][1]["perturbation"][0]["params"]["epsilon"].get<double>(), 4.0 / 255) << "round trip";
  EXPECT_EQ(nlohmann::json::parse(text).dump(1) + "\n", text) << "a sorted map gives the same text";
}

TEST(Csv, QuotesWhatNeedsItAndLeavesTheUndefinedEmpty) {
  std::istringstream lines(render("csv"));
  std::string header, first, second, third;
  std::getline(lines, header);
  std::getline(lines, first);
  std::getline(lines, second);
  std::getline(lines, third);
  EXPECT_THAT(header, testing::StartsWith(
                          "model,data,kind,perturbation,params,n,undecided,metric,value,lo,hi,confidence,definition"));
  EXPECT_THAT(first, testing::StartsWith("\"m,1\",toy,clean,,,10,0,accuracy,0.1,0.05,0.4,0.95,"));
  EXPECT_THAT(second, testing::StartsWith("\"m,1\",toy,clean,,,10,0,ece,,,,,"));
  EXPECT_THAT(third, HasSubstr(",attack,fgsm,\"{\"\"epsilon\"\":0.01568627450980392}\",10,2,robust_accuracy,0.0,"));
}

TEST(Jsonl, HasALineACellAndMetric) {
  std::istringstream lines(render("jsonl"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_TRUE(nlohmann::json::parse(line).contains("definition"));
  EXPECT_EQ(count, 3);
}

TEST(Table, ShowsSharesInPercentAndSumsUpEachModel) {
  const std::string text = render("table");
  EXPECT_THAT(text, HasSubstr("10.0%"));
  EXPECT_THAT(text, HasSubstr("undefined"));
  EXPECT_THAT(text, HasSubstr("fgsm epsilon=0.01569"));
  EXPECT_THAT(text, HasSubstr("(2 undecided)"));
  EXPECT_THAT(text,
              HasSubstr("m,1: 10.0% accurate on clean images, 0.0% at worst under attack (fgsm epsilon=0.01569)."));
}

TEST(Table, SaysOfEachColumnWhatItIs) {
  for (const char* name : {"accuracy", "robust_accuracy", "ece"})
    EXPECT_THAT(render("table"), HasSubstr(Registry<Metric>::find(name)->definition)) << name;
}

TEST(EverySink, SaysWhoseRuleAMetricFollows) {
  Results results = example();
  results.profile = "torchmetrics-1.9";
  const Metric& ece = *Registry<Metric>::find("ece");
  for (const char* sink : {"json", "jsonl", "csv", "table"}) {
    const std::string text = Registry<Sink>::find(sink)->render(results);
    EXPECT_THAT(text, HasSubstr(ece.by("torchmetrics-1.9").definition)) << sink;
    EXPECT_THAT(text, testing::Not(HasSubstr(ece.definition))) << sink;
  }
  EXPECT_EQ(nlohmann::json::parse(Registry<Sink>::find("json")->render(results))["profile"], "torchmetrics-1.9");
  EXPECT_FALSE(nlohmann::json::parse(render("json")).contains("profile"));
}

TEST(Table, ShowsTheStepOnlyWhereItIsAllThatDiffers) {
  const auto attacked = [](double epsilon, double step) {
    return CellResult{"m",
                      {{Perturbation::Kind::attack, "pgd_linf", {{"epsilon", epsilon}, {"step", step}}}},
                      CellKind::attacked,
                      10,
                      0,
                      {20, 10},
                      {32, 16},
                      {},
                      {}};
  };
  const Sink& table = *Registry<Sink>::find("table");
  EXPECT_THAT(table.render({"toy", {attacked(0.1, 0.01), attacked(0.2, 0.02)}}), testing::Not(HasSubstr("step")));
  const std::string two = table.render({"toy", {attacked(0.1, 0.01), attacked(0.1, 0.02)}});
  EXPECT_THAT(two, HasSubstr("pgd_linf epsilon=0.1 step=0.01"));
  EXPECT_THAT(two, HasSubstr("pgd_linf epsilon=0.1 step=0.02"));
}

}  // namespace
}  // namespace assay
