#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "assay/attack.hpp"
#include "assay/core/error.hpp"
#include "assay/corruption.hpp"
#include "assay/metric.hpp"
#include "assay/source.hpp"
#include "assay/sweep.hpp"
#include "data/mutate.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

void fill_step(Params& params) {
  if (!params.contains("step")) {
    params["step"] = 2.5 * real_param(params, "epsilon") / static_cast<double>(integer_param(params, "steps"));
  }
}

// Entries of the registries that hold whatever real ones are linked in. They join when the first test of this file
// runs, not before main, so that tests that go over all registered entries do not meet these, which cannot run.
void register_toys() {
  [[maybe_unused]] static const Registry<AttackEntry>::Add attacks[] = {
      {"toy_attack",
       {.about = "for tests",
        .norm = "linf",
        .params = {{.name = "epsilon", .type = ParamType::real, .about = "", .min = 0, .max = 1},
                   {.name = "steps", .type = ParamType::integer, .about = "", .fallback = std::int64_t{10}, .min = 1},
                   {.name = "step",
                    .type = ParamType::real,
                    .about = "",
                    .min = 0,
                    .max = 0.5,
                    .default_rule = "2.5 * epsilon / steps"},
                   {.name = "random_start", .type = ParamType::boolean, .about = "", .fallback = true},
                   {.name = "loss",
                    .type = ParamType::text,
                    .about = "",
                    .fallback = "cross_entropy",
                    .choices = {"cross_entropy", "margin"}}},
        .complete = fill_step}},
      {"toy_short",
       {.about = "for tests",
        .norm = "l2",
        .params = {{.name = "epsilon", .type = ParamType::real, .about = "", .fallback = std::int64_t{1}}}}},
      {"toy_forgetful",
       {.about = "fills in nothing",
        .norm = "l2",
        .params = {{.name = "step", .type = ParamType::real, .about = "", .default_rule = "nobody's"}}}},
  };
  [[maybe_unused]] static const Registry<Corruption>::Add corruptions[] = {
      {"toy_corruption", {.about = "for tests", .draws = {}}},
      {"toy_blur", {.about = "for tests", .draws = {{"normal"}}}}};
  const auto nowhere = [](CellKind) { return false; };  // units keep every metric that applies
  [[maybe_unused]] static const Registry<Metric>::Add metrics[] = {
      {"toy_metric", {.definition = "for tests", .applies = nowhere}},
      {"toy_score", {.definition = "for tests", .applies = nowhere}}};
  [[maybe_unused]] static const Registry<Source>::Add sources[] = {
      {"toy_source", {.about = "for tests", .takes_path = false}},
      {"toy_folder", {.about = "for tests", .takes_path = true}}};
}

class ToyRegistries : public testing::Test {
 protected:
  ToyRegistries() { register_toys(); }
};

constexpr const char* kData = "[data]\nsource = 'toy_source'\n";
constexpr const char* kModel = "[[model]]\npath = 'net.pt'\n";

class ReadSweep : public ToyRegistries {
 protected:
  std::filesystem::path config(const std::string& text, const std::string& name = "sweep.toml") const {
    write_file(folder_.path() / name, text);
    return folder_.path() / name;
  }
  Sweep toml(const std::string& text) const { return read_sweep(config(text)); }
  Sweep json(const std::string& text) const { return read_sweep(config(text, "sweep.json")); }

  /// The smallest sweep with `top` before its tables and `tables` after them.
  Sweep with(const std::string& top, const std::string& tables = "") const {
    return toml(top + "\n" + kData + kModel + tables);
  }
  Sweep with_data(const std::string& keys) const { return toml("[data]\n" + keys + "\n" + kModel); }
  Sweep with_model(const std::string& keys) const { return toml(std::string(kData) + "[[model]]\n" + keys); }
  Perturbation only(const std::string& tables) const {
    const Sweep sweep = with("", tables);
    EXPECT_EQ(sweep.perturbations.size(), 1u);
    return sweep.perturbations.at(0);
  }
  Sweep toy(const std::string& keys) const { return with("", "[[attack]]\nname = 'toy_attack'\n" + keys); }
  Sweep json_toy(const std::string& keys) const {
    return json(R"({"data": {"source": "toy_source"}, "model": [{"path": "net.pt"}],
                   "attack": [{"name": "toy_attack", )" +
                keys + "}]}");
  }

  TempDir folder_;
};

#define EXPECT_USAGE(call, ...) EXPECT_ERROR(call, ExitCode::usage, __VA_ARGS__)

std::vector<double> epsilons(const Sweep& sweep) {
  std::vector<double> values;
  for (const Perturbation& one : sweep.perturbations) values.push_back(real_param(one.params, "epsilon"));
  return values;
}

TEST_F(ReadSweep, ModeMakesCurvesOfEpsilonLists) {
  const Sweep sweep =
      with("", "[[attack]]\nname = 'pgd_linf'\nepsilon = [0.2, '4/255', 0.1]\nsteps = [5, 10]\nmode = 'exact'\n");
  ASSERT_EQ(sweep.perturbations.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    const Perturbation& one = sweep.perturbations[i];
    EXPECT_EQ(integer_param(one.params, "steps"), i < 3 ? 5 : 10) << "a curve's attacks follow each other";
    EXPECT_EQ(text_param(one.params, "mode"), "exact");
    EXPECT_EQ(one.curve, (std::vector<double>{4.0 / 255, 0.1, 0.2}));
  }
  EXPECT_THAT(epsilons(sweep), testing::ElementsAre(0.2, 4.0 / 255, 0.1, 0.2, 4.0 / 255, 0.1));
  const Sweep apart = with("", "[[attack]]\nname = 'pgd_linf'\nepsilon = [0.1, 0.2]\nmode = 'separate'\n");
  EXPECT_TRUE(apart.perturbations[0].curve.empty());
  EXPECT_EQ(apart.perturbations[0].params.count("mode"), 0u);
  EXPECT_USAGE(with("", "[[attack]]\nname = 'fgsm'\nepsilon = [0.1, 0.2]\nmode = 'exakt'\n"), HasSubstr("exact"));
  EXPECT_USAGE(with("", "[[attack]]\nname = 'fgsm'\nepsilon = 0.1\nfull = true\nmode = 'exact'\n"), HasSubstr("full"));
  EXPECT_USAGE(with("", "[[attack]]\nname = 'fgsm'\nmode = 'bisect'\n"), HasSubstr("missing 'epsilon'"));
  EXPECT_USAGE(with("", "[[corruption]]\nname = 'contrast'\nseverity = 1\nmode = 'exact'\n"),
               HasSubstr("unknown key 'mode'"));
}

// The file

TEST_F(ReadSweep, AFileThatIsNotThereIsAUsageError) {
  EXPECT_USAGE(read_sweep(folder_.path() / "none.toml"), AllOf(HasSubstr("none.toml"), HasSubstr("No such file")));
}
TEST_F(ReadSweep, AFolderIsAUsageError) {
  EXPECT_USAGE(read_sweep(folder_.path()), HasSubstr("is a folder"));
}
TEST_F(ReadSweep, AFileWithoutEndIsRefused) {
  EXPECT_USAGE(read_sweep("/dev/zero"), HasSubstr("more than 1 MiB"));
}
TEST_F(ReadSweep, TomlSyntaxErrorsHaveLineAndColumn) {
  EXPECT_USAGE(toml("seed = 1\nbatch = = 2\n"), HasSubstr("sweep.toml:2:9: "));
}
TEST_F(ReadSweep, JsonSyntaxErrorsHaveLineAndColumn) {
  EXPECT_USAGE(json("{\"seed\": 1,\n \"batch\" 2}"), AllOf(HasSubstr("sweep.json:2:10: "), HasSubstr("syntax error")));
}
TEST_F(ReadSweep, ATomlKeyGivenTwiceIsRefused) {
  EXPECT_USAGE(toml("seed = 1\nseed = 2\n"), HasSubstr("sweep.toml:2:"));
}
TEST_F(ReadSweep, AJsonKeyGivenTwiceIsRefused) {
  EXPECT_USAGE(json(R"({"seed": 1, "seed": 2})"), HasSubstr("key 'seed' is given twice"));
}
TEST_F(ReadSweep, AJsonListIsNoSweep) {
  EXPECT_USAGE(json("[]"), HasSubstr("a JSON object, not a list"));
}
TEST_F(ReadSweep, AnEmptyJsonFileIsRefused) {
  EXPECT_USAGE(json(""), HasSubstr("sweep.json:1:1: "));
}
TEST_F(ReadSweep, AnEmptyTomlFileNamesWhatIsMissing) {
  EXPECT_USAGE(toml(""), HasSubstr("missing [data]"));
}
TEST_F(ReadSweep, AJsonNumberTooLargeForADoubleIsRefused) {
  EXPECT_USAGE(json(R"({"seed": 1e999})"), AllOf(HasSubstr("sweep.json:1:"), HasSubstr("number overflow")));
}
TEST_F(ReadSweep, BytesThatAreNotUtf8ArePlaced) {
  EXPECT_USAGE(toml("seed = 1\nname = '\xC3\xA4\xFF'"), EndsWith("sweep.toml:2:10: not UTF-8"));
}
TEST_F(ReadSweep, OverlongAndSurrogateUtf8AreRefused) {
  for (const char* bytes : {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    EXPECT_USAGE(json(std::string("{\"seed\": \"") + bytes + "\"}"), EndsWith("not UTF-8"));
  }
}
TEST_F(ReadSweep, Utf8NamesAreKept) {
  EXPECT_EQ(with_model("path = 'net.pt'\nname = '\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80'").models[0].name,
            "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
}
TEST_F(ReadSweep, AByteOrderMarkIsSkipped) {
  EXPECT_EQ(with("\xEF\xBB\xBFseed = 3").seed, 3u);
}
TEST_F(ReadSweep, DeepTomlListsAreRefused) {
  EXPECT_USAGE(toml("seed = " + std::string(100'000, '[')), HasSubstr("nested too deeply"));
}
TEST_F(ReadSweep, DeepDottedTomlKeysAreRefused) {
  std::string key = "a";
  for (int i = 0; i < 200'000; ++i) key += ".a";
  EXPECT_USAGE(toml(key + " = 1"), HasSubstr("nested too deeply"));
}
TEST_F(ReadSweep, DottedTomlKeysWithQuotedPartsAreBoundedToo) {
  std::string key = "'a'";
  for (int i = 0; i < 100'000; ++i) key += " . \"a\"";
  EXPECT_USAGE(toml("[" + key + "]"), HasSubstr("nested too deeply"));
}
TEST_F(ReadSweep, BracketsInsideTomlStringsAndCommentsAreNoNesting) {
  const std::string deep = std::string(99, '[') + "\"" + std::string(99, '.');
  EXPECT_NO_THROW(with("device = '''auto''' # " + deep, "name = '" + deep + "'"));
  EXPECT_NO_THROW(with("", "name = '''" + deep + "'''''"));
}
TEST_F(ReadSweep, DeepJsonIsRefused) {
  EXPECT_USAGE(json("{\"a\": " + std::string(100'000, '[')), HasSubstr("nested too deeply"));
}
TEST_F(ReadSweep, MessagesStayOneLineWhateverTheKeys) {
  EXPECT_USAGE(with("\"a\\nb\" = 1"), AllOf(HasSubstr("'a\\x0ab'"), Not(HasSubstr("\n"))));
}
TEST_F(ReadSweep, MessagesStayShortWhateverTheValues) {
  EXPECT_USAGE(with("device = '" + std::string(5000, 'x') + "'"), testing::SizeIs(testing::Lt(300u)));
}
TEST_F(ReadSweep, DottedKeysAndInlineTablesMeanTheSame) {
  const Sweep sweep = toml("data.source = 'toy_source'\nmodel = [{path = 'net.pt'}]\nattack = [{name = 'toy_short'}]");
  EXPECT_EQ(sweep.source, "toy_source");
  EXPECT_EQ(sweep.perturbations.size(), 1u);
}

// The top of the sweep

TEST_F(ReadSweep, AnUnknownKeyGetsTheNearestOne) {
  EXPECT_USAGE(with("sed = 1"), EndsWith("sweep.toml:1:1: unknown key 'sed' in the sweep; did you mean 'seed'?"));
}
TEST_F(ReadSweep, AKeyLikeNoOtherGetsTheWholeList) {
  EXPECT_USAGE(with("zzzzzzzz = 1"), HasSubstr("one of: seed, batch, unit_size"));
}
TEST_F(ReadSweep, WhatIsNotGivenHasTheDocumentedDefault) {
  const Sweep sweep = with("");
  EXPECT_EQ(sweep.seed, 0u);
  EXPECT_EQ(sweep.batch, 128);
  EXPECT_EQ(sweep.device, "auto");
  EXPECT_FALSE(sweep.unit_size || sweep.limit);
  EXPECT_THAT(sweep.perturbations, IsEmpty());
}
TEST_F(ReadSweep, SeedsReachTheLargestSignedNumber) {
  EXPECT_EQ(with("seed = 9223372036854775807").seed, 9223372036854775807u);
}
TEST_F(ReadSweep, JsonSeedsBeyondItAreRefused) {
  EXPECT_USAGE(json(R"({"seed": 9223372036854775808})"), HasSubstr("sweep.json: seed: seed = 9.22"));
}
TEST_F(ReadSweep, ANegativeSeedIsOutOfRange) {
  EXPECT_USAGE(with("seed = -1"), EndsWith("sweep.toml:1:8: seed = -1: must be at least 0"));
}
TEST_F(ReadSweep, ATextIsNoSeed) {
  EXPECT_USAGE(with("seed = '7'"), HasSubstr("seed = \"7\": a whole number is expected"));
}
TEST_F(ReadSweep, ADateIsNoSeed) {
  EXPECT_USAGE(with("seed = 2020-01-01"), HasSubstr("seed = a date or time: a whole number is expected"));
}
TEST_F(ReadSweep, NullIsNoSeed) {
  EXPECT_USAGE(json(R"({"seed": null})"), HasSubstr("seed = null: a whole number"));
}
TEST_F(ReadSweep, BatchesAreFrom1To65536) {
  EXPECT_EQ(with("batch = 65536").batch, 65536);
  EXPECT_USAGE(with("batch = 65537"), HasSubstr("batch = 65537: must be between 1 and 65536"));
  EXPECT_USAGE(with("batch = 0"), HasSubstr("batch = 0: must be between 1 and 65536"));
}
TEST_F(ReadSweep, AUnitIsAMultipleOfTheBatch) {
  EXPECT_EQ(with("batch = 32\nunit_size = 96").unit_size, 96);
  EXPECT_USAGE(with("batch = 32\nunit_size = 100"),
               HasSubstr("sweep.toml:2:13: unit_size = 100: a multiple of batch (32)"));
  EXPECT_USAGE(with("unit_size = 64"), HasSubstr("a multiple of batch (128)"));
}
TEST_F(ReadSweep, DevicesAreTheFourForms) {
  for (const char* device : {"auto", "cpu", "cuda", "cuda:0", "cuda:12"}) {
    EXPECT_EQ(with(std::string("device = '") + device + "'").device, device);
  }
  for (const char* device : {"gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1234567", "CPU"}) {
    EXPECT_USAGE(with(std::string("device = '") + device + "'"), HasSubstr("auto, cpu, cuda or cuda:N is expected"));
  }
}

TEST_F(ReadSweep, MetricsKeepTheirOrder) {
  EXPECT_THAT(with("metrics = ['toy_score', 'toy_metric']").metrics, ElementsAre("toy_score", "toy_metric"));
}
TEST_F(ReadSweep, DefaultMetricsAreThoseOfTheFiveThatExist) {
  std::vector<std::string> expected;
  for (const char* name : {"accuracy", "robust_accuracy", "nll", "brier", "ece"}) {
    if (Registry<Metric>::find(name) != nullptr) expected.emplace_back(name);
  }
  EXPECT_EQ(with("").metrics, expected);
}
TEST_F(ReadSweep, AnUnknownMetricGetsTheNearestOne) {
  EXPECT_USAGE(with("metrics = ['toy_score', 'toy_metrik']"),
               EndsWith("sweep.toml:1:25: unknown metric 'toy_metrik'; did you mean 'toy_metric'?"));
}
TEST_F(ReadSweep, AMetricListedTwiceIsRefused) {
  EXPECT_USAGE(with("metrics = ['toy_metric', 'toy_metric']"), HasSubstr("metric 'toy_metric' is listed twice"));
}
TEST_F(ReadSweep, AProfileIsNamedWithOrWithoutItsVersion) {
  EXPECT_EQ(with("").profile, "");
  EXPECT_EQ(with("profile = 'assay'").profile, "");
  EXPECT_EQ(with("profile = 'torchmetrics'").profile, "torchmetrics-1.9");
  EXPECT_EQ(with("profile = 'netcal-1.4'").profile, "netcal-1.4");
  EXPECT_USAGE(with("profile = 'netcal-1.5'"),
               EndsWith("sweep.toml:1:11: unknown profile 'netcal-1.5'; did you mean 'netcal-1.4'?"));
  EXPECT_USAGE(with("profile = ''"), HasSubstr("profile is empty"));
  EXPECT_USAGE(with("profile = 1"), HasSubstr("profile"));
}
TEST_F(ReadSweep, MetricsOfAllClassesNeedLogitsThatAreKept) {
  const Sweep sweep = with("keep = 'logits'\nmetrics = ['ece_classwise', 'toy_metric']");
  EXPECT_TRUE(sweep.keep_logits);
  EXPECT_THAT(sweep.metrics, ElementsAre("ece_classwise", "toy_metric"));
  EXPECT_FALSE(with("").keep_logits);
  EXPECT_USAGE(with("metrics = ['ece_classwise']"),
               HasSubstr("'ece_classwise' needs the probabilities of all classes: write keep = \"logits\""));
  EXPECT_USAGE(with("keep = 'logits'\nmetrics = ['conformal_aps']"), HasSubstr("fitted on a held-out split"));
  EXPECT_USAGE(with("keep = 'logits'", "[[attack]]\nname = 'pgd_linf'\nepsilon = [0.1, 0.2]\nmode = 'exact'\n"),
               HasSubstr("pgd_linf as a curve, which keeps no point of each radius"));
  EXPECT_USAGE(with("keep = 'points'"), HasSubstr("keep = \"points\": \"logits\" is expected"));
}
TEST_F(ReadSweep, AnEmptyMetricListIsRefused) {
  EXPECT_USAGE(with("metrics = []"), HasSubstr("metrics is an empty list"));
}
TEST_F(ReadSweep, OneMetricStillNeedsItsList) {
  EXPECT_USAGE(with("metrics = 'toy_metric'"), HasSubstr("metrics = \"toy_metric\": a list of names is expected"));
}

// [data]

TEST_F(ReadSweep, DataIsRequired) {
  EXPECT_USAGE(toml(kModel), HasSubstr("missing [data]"));
}
TEST_F(ReadSweep, DataIsATable) {
  EXPECT_USAGE(toml("data = 'toy_source'"), HasSubstr("[data] is expected to be a table"));
}
TEST_F(ReadSweep, ASourceIsRequired) {
  EXPECT_USAGE(with_data("limit = 3"), HasSubstr("sweep.toml:1:1: missing 'source' in [data]"));
}
TEST_F(ReadSweep, AnUnknownSourceGetsTheNearestOne) {
  EXPECT_USAGE(with_data("source = 'toy_sauce'"), HasSubstr("unknown source 'toy_sauce'; did you mean 'toy_source'?"));
}
TEST_F(ReadSweep, ASourceKeepsItsArgument) {
  EXPECT_EQ(with_data("source = 'toy_folder:a:b'").source, "toy_folder:a:b");
}
TEST_F(ReadSweep, ASourceThatNeedsAFolderSaysSo) {
  for (const char* source : {"toy_folder", "toy_folder:"}) {
    EXPECT_USAGE(with_data(std::string("source = '") + source + "'"), HasSubstr("'toy_folder:FOLDER' is expected"));
  }
}
TEST_F(ReadSweep, ASourceThatTakesNoFolderSaysSo) {
  EXPECT_USAGE(with_data("source = 'toy_source:x'"), HasSubstr("source = \"toy_source:x\": 'toy_source' is expected"));
}
TEST_F(ReadSweep, ALimitIsAtLeastOne) {
  EXPECT_EQ(with_data("source = 'toy_source'\nlimit = 1").limit, 1);
  EXPECT_USAGE(with_data("source = 'toy_source'\nlimit = 0"), HasSubstr("limit = 0: must be at least 1"));
}
TEST_F(ReadSweep, AnUnknownDataKeyIsPlaced) {
  EXPECT_USAGE(with_data("source = 'toy_source'\nlimits = 5"),
               EndsWith("sweep.toml:3:1: unknown key 'limits' in [data]; did you mean 'limit'?"));
}

// [[model]]

TEST_F(ReadSweep, AModelIsNeeded) {
  EXPECT_USAGE(toml(kData), HasSubstr("at least one [[model]] is needed"));
}
TEST_F(ReadSweep, AnEmptyModelListIsRefused) {
  EXPECT_USAGE(json(R"({"data": {"source": "toy_source"}, "model": []})"), HasSubstr("model is an empty list"));
}
TEST_F(ReadSweep, OneModelTableIsToldToRepeat) {
  EXPECT_USAGE(toml(std::string(kData) + "[model]\npath = 'net.pt'"), HasSubstr("write [[model]]"));
}
TEST_F(ReadSweep, AModelsPathIsRequired) {
  EXPECT_USAGE(with_model("name = 'a'"), HasSubstr("sweep.toml:3:1: missing 'path' in [[model]]"));
}
TEST_F(ReadSweep, AModelIsNamedAfterItsFile) {
  EXPECT_EQ(with_model("path = 'a/net.v2.pt'").models[0].name, "net.v2");
}
TEST_F(ReadSweep, AModelPathStartsAtTheConfigsFolder) {
  EXPECT_EQ(with_model("path = '../net.pt'").models[0].path, folder_.path() / "../net.pt");
}
TEST_F(ReadSweep, AnAbsoluteModelPathIsKept) {
  EXPECT_EQ(with_model("path = '/a/net.pt'").models[0].path, "/a/net.pt");
}
TEST_F(ReadSweep, BaseIsTheConfigsFolder) {
  EXPECT_EQ(with("").base, folder_.path());
}
TEST_F(ReadSweep, BaseOfABareNameIsTheWorkingDirectory) {
  config(std::string(kData) + kModel);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  const Sweep sweep = read_sweep("sweep.toml");
  std::filesystem::current_path(before);
  EXPECT_EQ(sweep.base, ".");
  EXPECT_EQ(sweep.models[0].path, "net.pt");
}
TEST_F(ReadSweep, ModelNamesAreUniqueDefaultsIncluded) {
  EXPECT_USAGE(with_model("path = 'a/net.pt'\n[[model]]\npath = 'b/net.pt'"),
               AllOf(HasSubstr("sweep.toml:5:1: a model 'net' is already at "), EndsWith("sweep.toml:3:1")));
}
TEST_F(ReadSweep, AModelNameIsNotEmpty) {
  EXPECT_USAGE(with_model("path = 'net.pt'\nname = ''"), HasSubstr("name is empty"));
}
TEST_F(ReadSweep, AModelNameHasNoControlCharacters) {
  EXPECT_USAGE(with_model("path = 'net.pt'\nname = \"a\\tb\""), HasSubstr("control characters"));
}
TEST_F(ReadSweep, AnUnknownModelKeyIsPlaced) {
  EXPECT_USAGE(with_model("path = 'net.pt'\nmeans = [0]"),
               EndsWith("sweep.toml:5:1: unknown key 'means' in [[model]]; did you mean 'mean'?"));
}
TEST_F(ReadSweep, AModelThatIsNoTableIsRefused) {
  EXPECT_USAGE(toml(std::string("model = [3]\n") + kData), HasSubstr("[[model]] is expected to be a table, found 3"));
}
TEST_F(ReadSweep, MeanAndStdAreRead) {
  const Sweep sweep = with_model("path = 'net.pt'\nmean = [0, 0.5, -1e-3]\nstd = [1, 0.25, 0.5]");
  EXPECT_THAT(sweep.models[0].mean, ElementsAre(0.0, 0.5, -1e-3));
  EXPECT_THAT(sweep.models[0].std, ElementsAre(1.0, 0.25, 0.5));
}
TEST_F(ReadSweep, MeanWithoutStdIsRefused) {
  EXPECT_USAGE(with_model("path = 'net.pt'\nmean = [0]"), HasSubstr("mean and std are given together"));
  EXPECT_USAGE(with_model("path = 'net.pt'\nstd = [1]"), HasSubstr("mean and std are given together"));
}
TEST_F(ReadSweep, MeanAndStdHaveOneLength) {
  EXPECT_USAGE(with_model("path = 'net.pt'\nmean = [0]\nstd = [1, 1, 1]"), HasSubstr("std has 3 values, mean 1"));
}
TEST_F(ReadSweep, ThereAreOneOrThreeChannels) {
  EXPECT_USAGE(with_model("path = 'net.pt'\nmean = [0, 0]\nstd = [1, 1]"),
               HasSubstr("mean has 2 values; 1 (gray) or 3"));
}
TEST_F(ReadSweep, AStdIsPositive) {
  for (const char* std : {"0", "-1", "1e-60"}) {
    EXPECT_USAGE(with_model(std::string("path = 'net.pt'\nmean = [0]\nstd = [") + std + "]"),
                 AllOf(HasSubstr("sweep.toml:6:8: "), HasSubstr("a positive 32-bit float is expected")));
  }
}
TEST_F(ReadSweep, AMeanIsFinite) {
  for (const char* mean : {"nan", "inf", "-inf"}) {
    EXPECT_USAGE(with_model(std::string("path = 'net.pt'\nmean = [") + mean + "]\nstd = [1]"),
                 HasSubstr("a finite number is expected"));
  }
  EXPECT_USAGE(with_model("path = 'net.pt'\nmean = [1e60]\nstd = [1]"), HasSubstr("a 32-bit float is expected"));
}
TEST_F(ReadSweep, AMeanIsAListOfNumbers) {
  EXPECT_USAGE(with_model("path = 'net.pt'\nmean = 0.5\nstd = 1"),
               HasSubstr("mean = 0.5: a list of numbers is expected"));
  EXPECT_USAGE(with_model("path = 'net.pt'\nmean = ['x']\nstd = [1]"), HasSubstr("mean = \"x\": a number is expected"));
}
TEST_F(ReadSweep, AnOutputIsAnIndexOrAKey) {
  EXPECT_EQ(std::get<std::int64_t>(with_model("path = 'net.pt'\noutput = 1").models[0].output), 1);
  EXPECT_EQ(std::get<std::string>(with_model("path = 'net.pt'\noutput = 'logits'").models[0].output), "logits");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(with_model("path = 'net.pt'").models[0].output));
}
TEST_F(ReadSweep, AnOutputIsNotNegativeOrEmpty) {
  EXPECT_USAGE(with_model("path = 'net.pt'\noutput = -1"), HasSubstr("output = -1: must be at least 0"));
  EXPECT_USAGE(with_model("path = 'net.pt'\noutput = ''"), HasSubstr("output is empty"));
}
TEST_F(ReadSweep, ThereAreAtLeastTwoClasses) {
  EXPECT_EQ(with_model("path = 'net.pt'\nclasses = 2").models[0].classes, 2);
  EXPECT_USAGE(with_model("path = 'net.pt'\nclasses = 1"), HasSubstr("classes = 1: must be between 2 and 65536"));
}
TEST_F(ReadSweep, ADigestIsKeptInLowerCase) {
  const std::string upper(64, 'A');
  EXPECT_EQ(with_model("path = 'net.pt'\nsha256 = '" + upper + "'").models[0].sha256, std::string(64, 'a'));
}
TEST_F(ReadSweep, ADigestHas64HexDigits) {
  for (const std::string& digest : {std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'g')}) {
    EXPECT_USAGE(with_model("path = 'net.pt'\nsha256 = '" + digest + "'"), HasSubstr("64 hexadecimal digits"));
  }
}

TEST_F(ReadSweep, FormsAreReadAndAbsentOnesAreLeftToThePlan) {
  const ModelSpec given = with_model("path = 'net.pt'\nfold = false\nchannels_last = true").models[0];
  EXPECT_EQ(given.fold, std::optional<bool>(false));
  EXPECT_TRUE(given.channels_last);
  const ModelSpec absent = with_model("path = 'net.pt'").models[0];
  EXPECT_FALSE(absent.fold.has_value());
  EXPECT_FALSE(absent.channels_last);
  EXPECT_USAGE(with_model("path = 'net.pt'\nfold = 1"), HasSubstr("fold = 1"));
}

// [[attack]] and [[corruption]]

TEST_F(ReadSweep, DefaultsAreFilledIn) {
  const Perturbation attack = only("[[attack]]\nname = 'toy_attack'\nepsilon = 0.1");
  EXPECT_EQ(attack.kind, Perturbation::Kind::attack);
  EXPECT_EQ(attack.params, (Params{{"epsilon", 0.1},
                                   {"steps", std::int64_t{10}},
                                   {"step", 0.025},
                                   {"full", false},
                                   {"random_start", true},
                                   {"loss", "cross_entropy"}}));
}
TEST_F(ReadSweep, AFallbackHasItsParametersType) {
  EXPECT_EQ(only("[[attack]]\nname = 'toy_short'").params, (Params{{"epsilon", 1.0}, {"full", false}}));
}
TEST_F(ReadSweep, CorruptionsTakeSeverityAndTable) {
  const Perturbation corruption = only("[[corruption]]\nname = 'toy_corruption'\nseverity = 3");
  EXPECT_EQ(corruption.kind, Perturbation::Kind::corruption);
  EXPECT_EQ(corruption.params, (Params{{"severity", std::int64_t{3}}, {"table", "auto"}, {"pipeline", "in_memory"}}));
}
TEST_F(ReadSweep, PipelinesAreTheTwoChoices) {
  EXPECT_EQ(only("[[corruption]]\nname = 'toy_corruption'\nseverity = 3\npipeline = 'stored'").params.at("pipeline"),
            Param("stored"));
  EXPECT_USAGE(with("", "[[corruption]]\nname = 'toy_corruption'\nseverity = 1\npipeline = 'jpeg'"),
               HasSubstr("pipeline = \"jpeg\": not a choice"));
}
TEST_F(ReadSweep, CorruptionsMayComeFirst) {
  const Perturbation one =
      only("[[attack]]\nname = 'toy_attack'\nepsilon = 0.1\nafter = {name = 'toy_blur', severity = 2}");
  ASSERT_EQ(one.before.size(), 1u);
  EXPECT_EQ(one.before[0].kind, Perturbation::Kind::corruption);
  EXPECT_EQ(one.before[0].name, "toy_blur");
  EXPECT_EQ(one.before[0].params.at("severity"), Param(std::int64_t{2}));
  EXPECT_EQ(one.before[0].params.at("pipeline"), Param("in_memory"));
  EXPECT_FALSE(one.params.contains("after"));
}
TEST_F(ReadSweep, WhatComesFirstMultipliesWithWhatFollows) {
  const Sweep sweep = with("", R"([[corruption]]
name = 'toy_blur'
severity = [1, 2]
after = [{name = ['toy_corruption', 'toy_blur'], severity = 3}, {name = 'toy_corruption', severity = [4, 5]}]
[[corruption]]
name = 'toy_blur'
severity = 1
)");
  ASSERT_EQ(sweep.perturbations.size(), 9u);
  std::vector<std::string> found;
  for (const Perturbation& last : sweep.perturbations) {
    std::string line;
    for (const Perturbation& first : last.before)
      line += first.name.substr(4) + std::to_string(integer_param(first.params, "severity")) + ' ';
    found.push_back(line + std::to_string(integer_param(last.params, "severity")));
  }
  EXPECT_THAT(
      found, testing::ElementsAre("corruption3 corruption4 1", "corruption3 corruption4 2", "corruption3 corruption5 1",
                                  "corruption3 corruption5 2", "blur3 corruption4 1", "blur3 corruption4 2",
                                  "blur3 corruption5 1", "blur3 corruption5 2", "1"));
}
TEST_F(ReadSweep, WhatComesFirstIsACorruption) {
  const auto after = [](const std::string& value) {
    return "[[corruption]]\nname = 'toy_blur'\nseverity = 1\nafter = " + value;
  };
  EXPECT_USAGE(with("", after("{name = 'toy_attack', epsilon = 1}")), HasSubstr("it is an attack"));
  EXPECT_USAGE(with("", after("'toy_corruption'")), HasSubstr("a list of corruptions is expected"));
  EXPECT_USAGE(with("", after("[]")), HasSubstr("after is an empty list"));
  EXPECT_USAGE(with("", after("{severity = 1}")), HasSubstr("missing 'name' in after"));
  EXPECT_USAGE(with("", after("{name = 'toy_corruption', severity = 1, after = {}}")),
               HasSubstr("unknown key 'after' in after"));
  EXPECT_USAGE(with("", after("{name = 'toy_corruption', severity = 7}")), HasSubstr("must be between 1 and 5"));
}
TEST_F(ReadSweep, NothingComesAfterItselfWithTheSameDraws) {
  const auto after = [](const std::string& value) {
    return "[[corruption]]\nname = 'toy_blur'\nseverity = 1\nafter = " + value;
  };
  EXPECT_USAGE(with("", after("{name = 'toy_blur', severity = 1, table = '32'}")),
               HasSubstr("toy_blur of severity 1 comes after itself"));
  EXPECT_USAGE(with("", after("[{name = 'toy_blur', severity = 3}, {name = 'toy_blur', severity = 3}]")),
               HasSubstr("toy_blur of severity 3 comes after itself"));
  EXPECT_EQ(
      only(after("[{name = 'toy_corruption', severity = 1}, {name = 'toy_corruption', severity = 1}]")).before.size(),
      2u)
      << "it draws nothing";
  EXPECT_EQ(only(after("{name = 'toy_blur', severity = 2}")).before.size(), 1u);
}
TEST_F(ReadSweep, SeverityIsRequired) {
  EXPECT_USAGE(with("", "[[corruption]]\nname = 'toy_corruption'"),
               EndsWith("sweep.toml:6:1: missing 'severity': corruption 'toy_corruption' needs it"));
}
TEST_F(ReadSweep, SeverityIsFrom1To5) {
  for (const char* severity : {"0", "6"}) {
    EXPECT_USAGE(with("", std::string("[[corruption]]\nname = 'toy_corruption'\nseverity = ") + severity),
                 HasSubstr("must be between 1 and 5"));
  }
}
TEST_F(ReadSweep, TablesAreTheFiveChoices) {
  for (const char* table : {"auto", "32", "64", "224", "imagecorruptions-1.1.2"}) {
    EXPECT_EQ(only(std::string("[[corruption]]\nname = 'toy_corruption'\nseverity = 1\ntable = '") + table + "'")
                  .params.at("table"),
              Param(table));
  }
  EXPECT_USAGE(with("", "[[corruption]]\nname = 'toy_corruption'\nseverity = 1\ntable = '65'"),
               HasSubstr("table = \"65\": not a choice"));
}
TEST_F(ReadSweep, ATableIsAText) {
  EXPECT_USAGE(
      with("", "[[corruption]]\nname = 'toy_corruption'\nseverity = 1\ntable = 32"),
      HasSubstr(
          "table = 32: a text, one of \"auto\", \"32\", \"64\", \"224\", \"imagecorruptions-1.1.2\", is expected"));
}

TEST_F(ReadSweep, AnUnknownParameterGetsTheNearestKey) {
  EXPECT_USAGE(toy("epsilom = 0.1"),
               EndsWith("sweep.toml:8:1: unknown key 'epsilom' in [[attack]]; did you mean 'epsilon'?"));
}
TEST_F(ReadSweep, AnUnknownJsonParameterGetsItsPath) {
  EXPECT_USAGE(json_toy("\"epsilom\": 0.1"),
               EndsWith("sweep.json: attack[0].epsilom: unknown key 'epsilom' in [[attack]]; did you mean 'epsilon'?"));
}
TEST_F(ReadSweep, EveryNameOfAListTakesEveryKey) {
  EXPECT_USAGE(with("", "[[attack]]\nname = ['toy_attack', 'toy_short']\nepsilon = 0.1\nsteps = 3"),
               HasSubstr("unknown key 'steps' in [[attack]]; one of: name, mode, epsilon"));
}
TEST_F(ReadSweep, ANameIsRequired) {
  EXPECT_USAGE(with("", "[[attack]]\nepsilon = 0.1"), HasSubstr("sweep.toml:6:1: missing 'name' in [[attack]]"));
}
TEST_F(ReadSweep, AnUnknownAttackGetsTheNearestOne) {
  EXPECT_USAGE(with("", "[[attack]]\nname = 'toy_atack'"),
               EndsWith("sweep.toml:7:8: unknown attack 'toy_atack'; did you mean 'toy_attack'?"));
}
TEST_F(ReadSweep, AnUnknownCorruptionGetsTheNearestOne) {
  EXPECT_USAGE(with("", "[[corruption]]\nname = 'toy_corupton'\nseverity = 1"),
               HasSubstr("unknown corruption 'toy_corupton'; did you mean 'toy_corruption'?"));
}
TEST_F(ReadSweep, ACorruptionAmongAttacksIsToldWhatItIs) {
  EXPECT_USAGE(with("", "[[attack]]\nname = 'toy_corruption'"), HasSubstr("it is a corruption"));
  EXPECT_USAGE(with("", "[[corruption]]\nname = 'toy_attack'"), HasSubstr("it is an attack"));
}
TEST_F(ReadSweep, OneAttackTableIsToldToRepeat) {
  EXPECT_USAGE(with("", "[attack]\nname = 'toy_short'"), HasSubstr("write [[attack]]"));
}
TEST_F(ReadSweep, AnAttackThatIsNoTableIsRefused) {
  EXPECT_USAGE(with("attack = 'toy_short'"), HasSubstr("attack = \"toy_short\": a list of tables is expected"));
  EXPECT_USAGE(with("attack = ['toy_short']"), HasSubstr("[[attack]] is expected to be a table, found \"toy_short\""));
}
TEST_F(ReadSweep, AMissingParameterIsNamed) {
  EXPECT_USAGE(toy("steps = 3"), EndsWith("sweep.toml:6:1: missing 'epsilon': attack 'toy_attack' needs it"));
}

TEST_F(ReadSweep, NumbersMayBeFractionsInTexts) {
  EXPECT_THAT(epsilons(toy("epsilon = ['4/255', '0.1', ' 1 / 4 ', 1, 0.5]")),
              ElementsAre(4.0 / 255.0, 0.1, 0.25, 1.0, 0.5));
}
TEST_F(ReadSweep, JsonNumbersMayBeFractionsInTexts) {
  EXPECT_THAT(epsilons(json_toy(R"("epsilon": ["4/255", "0.1", 1, 0.5])")), ElementsAre(4.0 / 255.0, 0.1, 1.0, 0.5));
}
TEST_F(ReadSweep, TextsThatAreNoNumbersAreRefused) {
  for (const char* text : {"", "4/", "/4", "1/0", "4/255/2", "0x1p-3", "0,1", "1e999", "four", "0.1f"}) {
    EXPECT_USAGE(toy(std::string("epsilon = '") + text + "'"),
                 HasSubstr(std::string("epsilon = \"") + text + "\": a number is expected, such as 0.1 or \"4/255\""));
  }
}
TEST_F(ReadSweep, NumbersAreFinite) {
  for (const char* number : {"nan", "inf", "-inf", "'nan'", "'inf'", "'1/1e-320'"}) {
    EXPECT_USAGE(toy(std::string("epsilon = ") + number),
                 AllOf(HasSubstr("sweep.toml:8:11: epsilon = "), HasSubstr("a finite number is expected")));
  }
}
TEST_F(ReadSweep, WholeNumbersMayStandInTexts) {
  EXPECT_EQ(toy("epsilon = 0.1\nsteps = '7'").perturbations[0].params.at("steps"), Param(std::int64_t{7}));
}
TEST_F(ReadSweep, AWholeNumberMayHaveADecimalPoint) {
  EXPECT_EQ(json_toy(R"("epsilon": 0.1, "steps": 7.0)").perturbations[0].params.at("steps"), Param(std::int64_t{7}));
}
TEST_F(ReadSweep, AFractionIsNoWholeNumber) {
  EXPECT_USAGE(toy("epsilon = 0.1\nsteps = 2.5"), EndsWith("sweep.toml:9:9: steps = 2.5: a whole number is expected"));
  EXPECT_USAGE(json_toy(R"("epsilon": 0.1, "steps": 2.5)"),
               EndsWith("sweep.json: attack[0].steps: steps = 2.5: a whole number is expected"));
}
TEST_F(ReadSweep, AWholeNumberFitsIn64Bits) {
  EXPECT_USAGE(toy("epsilon = 0.1\nsteps = 1e19"), HasSubstr("steps = 1e+19: a whole number is expected"));
}
TEST_F(ReadSweep, WrongTypesAreNamed) {
  EXPECT_USAGE(toy("epsilon = true"), HasSubstr("epsilon = true: a number is expected"));
  EXPECT_USAGE(toy("epsilon = {a = 1}"), HasSubstr("epsilon = a table: a number is expected"));
  EXPECT_USAGE(toy("epsilon = [[0.1]]"), HasSubstr("epsilon = a list: a number is expected"));
  EXPECT_USAGE(toy("epsilon = 0.1\nrandom_start = 1"), HasSubstr("random_start = 1: true or false is expected"));
  EXPECT_USAGE(toy("epsilon = 0.1\nrandom_start = 'true'"), HasSubstr("random_start = \"true\": true or false"));
  EXPECT_USAGE(toy("epsilon = 0.1\nloss = 1"), HasSubstr("loss = 1: a text, one of \"cross_entropy\", \"margin\", is"));
  EXPECT_USAGE(json_toy(R"("epsilon": null)"), HasSubstr("attack[0].epsilon: epsilon = null: a number is expected"));
}
TEST_F(ReadSweep, RangesIncludeTheirEnds) {
  EXPECT_THAT(epsilons(toy("epsilon = [0, 1]\nstep = 0.5")), ElementsAre(0, 1));
}
TEST_F(ReadSweep, ARangeIsInItsMessage) {
  EXPECT_USAGE(toy("epsilon = [0.1, 1.01]"), EndsWith("sweep.toml:8:17: epsilon = 1.01: must be between 0 and 1"));
  EXPECT_USAGE(toy("epsilon = '-1/255'"), HasSubstr("must be between 0 and 1"));
  EXPECT_USAGE(toy("epsilon = 0.1\nsteps = 0"), HasSubstr("steps = 0: must be at least 1"));
  EXPECT_USAGE(json_toy(R"("epsilon": [0.1, 2])"), HasSubstr("sweep.json: attack[0].epsilon[1]: epsilon = 2: must be"));
}
TEST_F(ReadSweep, AnUnknownChoiceGetsTheNearestOne) {
  EXPECT_USAGE(toy("epsilon = 0.1\nloss = 'margine'"),
               HasSubstr("loss = \"margine\": not a choice; did you mean 'margin'?"));
}
TEST_F(ReadSweep, AComputedDefaultIsCheckedToo) {
  EXPECT_USAGE(toy("epsilon = 1\nsteps = 1"),
               EndsWith("sweep.toml:6:1: default 2.5 * epsilon / steps: step = 2.5: must be between 0 and 0.5"));
}
TEST_F(ReadSweep, AnAttackThatLeavesAParameterOpenIsAnInternalError) {
  EXPECT_ERROR(with("", "[[attack]]\nname = 'toy_forgetful'"), ExitCode::internal, HasSubstr("'step'"));
}

TEST_F(ReadSweep, ListsMultiplyWithTheNameOutermostAndTheLastParameterFastest) {
  const Sweep sweep = with("", "[[attack]]\nsteps = [1, 2]\nepsilon = [0.2, 0.1]\nname = ['toy_attack']\nstep = 0.1");
  std::vector<std::pair<double, std::int64_t>> found;
  for (const Perturbation& one : sweep.perturbations) {
    found.emplace_back(real_param(one.params, "epsilon"), integer_param(one.params, "steps"));
  }
  EXPECT_THAT(found, ElementsAre(std::pair(0.2, 1), std::pair(0.2, 2), std::pair(0.1, 1), std::pair(0.1, 2)));
}
TEST_F(ReadSweep, NamesExpandInTheirOrder) {
  const Sweep sweep = with("", "[[corruption]]\nname = ['toy_corruption', 'toy_blur']\nseverity = [1, 5]");
  std::vector<std::string> found;
  for (const Perturbation& one : sweep.perturbations) {
    found.push_back(one.name + std::to_string(integer_param(one.params, "severity")));
  }
  EXPECT_THAT(found, ElementsAre("toy_corruption1", "toy_corruption5", "toy_blur1", "toy_blur5"));
}
TEST_F(ReadSweep, AttacksComeBeforeCorruptionsEachInFileOrder) {
  const Sweep sweep =
      with("",
           "[[corruption]]\nname = 'toy_corruption'\nseverity = 1\n[[attack]]\nname = 'toy_short'\n"
           "[[corruption]]\nname = 'toy_blur'\nseverity = 1\n[[attack]]\nname = 'toy_attack'\nepsilon = 0");
  std::vector<std::string> found;
  for (const Perturbation& one : sweep.perturbations) found.push_back(one.name);
  EXPECT_THAT(found, ElementsAre("toy_short", "toy_attack", "toy_corruption", "toy_blur"));
}
TEST_F(ReadSweep, AnEmptyAxisIsRefused) {
  EXPECT_USAGE(toy("epsilon = []"), HasSubstr("sweep.toml:8:11: epsilon is an empty list"));
  EXPECT_USAGE(with("", "[[attack]]\nname = []"), HasSubstr("name is an empty list"));
}
TEST_F(ReadSweep, APerturbationGivenTwiceIsRefused) {
  EXPECT_USAGE(with("", "[[attack]]\nname = 'toy_short'\n[[attack]]\nname = 'toy_short'\nepsilon = 1"),
               AllOf(HasSubstr("sweep.toml:8:1: attack 'toy_short' with epsilon = 1, full = false is given twice"),
                     EndsWith("sweep.toml:6:1")));
}
TEST_F(ReadSweep, AValueTwiceOnOneAxisIsRefused) {
  EXPECT_USAGE(toy("epsilon = ['1/2', 0.5]"), HasSubstr("is given twice"));
  EXPECT_USAGE(with("", "[[attack]]\nname = ['toy_short', 'toy_short']"), HasSubstr("is given twice"));
}
TEST_F(ReadSweep, ListsThatMultiplyBeyondReasonAreRefused) {
  std::string epsilon = "0", steps = "1";
  for (int i = 1; i <= 400; ++i) {
    epsilon += ", '" + std::to_string(i) + "/400'";
    steps += ", " + std::to_string(i + 1);
  }
  EXPECT_USAGE(toy("epsilon = [" + epsilon + "]\nsteps = [" + steps + "]\nstep = 0.1"),
               HasSubstr("sweep.toml:6:1: the lists multiply to more than 100000 perturbations"));
}

TEST_F(ReadSweep, JsonOfTheSameShapeIsTheSameSweep) {
  const Sweep a = toml(
      "seed = 5\nbatch = 16\nunit_size = 32\ndevice = 'cpu'\nmetrics = ['toy_metric']\n"
      "[data]\nsource = 'toy_folder:x'\nlimit = 7\n"
      "[[model]]\npath = 'net.pt'\nmean = [0.5]\nstd = [2]\noutput = 'logits'\nclasses = 10\n"
      "[[attack]]\nname = 'toy_attack'\nepsilon = ['1/3', 0]\nrandom_start = false\n"
      "[[corruption]]\nname = 'toy_blur'\nseverity = 2\ntable = '32'");
  const Sweep b = json(R"({
      "seed": 5, "batch": 16, "unit_size": 32, "device": "cpu", "metrics": ["toy_metric"],
      "data": {"source": "toy_folder:x", "limit": 7},
      "model": [{"path": "net.pt", "mean": [0.5], "std": [2], "output": "logits", "classes": 10}],
      "attack": [{"name": "toy_attack", "epsilon": ["1/3", 0], "random_start": false}],
      "corruption": [{"name": "toy_blur", "severity": 2, "table": "32"}]})");
  const auto fields = [](const Sweep& s) {
    return std::tuple(s.seed, s.batch, s.unit_size, s.device, s.metrics, s.source, s.base, s.limit, s.models.size());
  };
  const auto model = [](const ModelSpec& m) {
    return std::tuple(m.name, m.path, m.mean, m.std, m.output, m.classes, m.sha256);
  };
  EXPECT_EQ(fields(a), fields(b));
  EXPECT_EQ(model(a.models[0]), model(b.models[0]));
  ASSERT_EQ(a.perturbations.size(), b.perturbations.size());
  for (std::size_t i = 0; i < a.perturbations.size(); ++i) {
    EXPECT_EQ(a.perturbations[i].kind, b.perturbations[i].kind);
    EXPECT_EQ(a.perturbations[i].name, b.perturbations[i].name);
    EXPECT_EQ(a.perturbations[i].params, b.perturbations[i].params);
  }
}

// One perturbation, as from the command line

class CheckPerturbation : public ToyRegistries {};

TEST_F(CheckPerturbation, FillsDefaultsIn) {
  const Perturbation one = check_perturbation(Perturbation::Kind::attack, "toy_attack", {{"epsilon", "1/5"}}, "attack");
  EXPECT_EQ(one.params.at("epsilon"), Param(0.2));
  EXPECT_EQ(one.params.at("step"), Param(0.05));
}
TEST_F(CheckPerturbation, BeginsItsMessagesWithWhere) {
  const auto check = [](Params given) {
    return check_perturbation(Perturbation::Kind::attack, "toy_attack", std::move(given), "the command line");
  };
  EXPECT_USAGE(check({{"epsilon", 2.0}}), "the command line: epsilon = 2: must be between 0 and 1");
  EXPECT_USAGE(check({}), StartsWith("the command line: missing 'epsilon'"));
  EXPECT_USAGE(check({{"epsilon", 0.1}, {"stepz", 0.1}}),
               StartsWith("the command line: attack 'toy_attack' has no parameter 'stepz'; did you mean 'step"));
}
TEST_F(CheckPerturbation, RefusesAnUnknownName) {
  EXPECT_USAGE(check_perturbation(Perturbation::Kind::corruption, "toy_corruptions", {}, "here"),
               "here: unknown corruption 'toy_corruptions'; did you mean 'toy_corruption'?");
}

TEST(Params, IntegersCountAsReals) {
  EXPECT_EQ(real_param({{"a", std::int64_t{3}}}, "a"), 3.0);
}
TEST(Params, EachTypeIsFound) {
  const Params params = {{"b", true}, {"i", std::int64_t{2}}, {"r", 0.5}, {"t", "x"}};
  EXPECT_TRUE(bool_param(params, "b"));
  EXPECT_EQ(integer_param(params, "i"), 2);
  EXPECT_EQ(real_param(params, "r"), 0.5);
  EXPECT_EQ(text_param(params, "t"), "x");
}
TEST(Params, WhatIsMissingOrOfAnotherTypeIsAnInternalError) {
  const Params params = {{"r", 0.5}};
  EXPECT_ERROR(real_param(params, "x"), ExitCode::internal, "parameter 'x' was not filled in");
  EXPECT_ERROR(integer_param(params, "r"), ExitCode::internal, "parameter 'r' is not a whole number");
  EXPECT_ERROR(bool_param(params, "r"), ExitCode::internal, HasSubstr("true or false"));
  EXPECT_ERROR(text_param(params, "r"), ExitCode::internal, HasSubstr("a text"));
}

// Damaged configs

constexpr const char* kToml = R"(# a sweep
seed = 0
batch = 32
unit_size = 64
device = "auto"
metrics = ["toy_metric", "toy_score"]
[data]
source = "toy_source"
limit = 1_000
[[model]]
path = 'net.pt'
mean = [0.286]
std = [0.353]
[[model]]
name = """other"""
path = "net.pt"
output = 0
[[attack]]
name = "toy_attack"
epsilon = ["4/255", 0.1, 1e-3]
steps = 0x10
random_start = false
[[corruption]]
name = ["toy_corruption", "toy_blur"]
severity = [1, 3, 5]
table = "auto"
)";
constexpr const char* kJson = R"({
  "seed": 0, "batch": 32, "metrics": ["toy_metric", "toy_score"],
  "data": {"source": "toy_source", "limit": 1000},
  "model": [{"path": "net.pt", "mean": [0.286], "std": [0.353]}, {"name": "b\u00e4", "path": "net.pt", "output": "x"}],
  "attack": [{"name": "toy_attack", "epsilon": ["4/255", 0.1, 1e-3], "steps": 16, "random_start": false}],
  "corruption": [{"name": ["toy_corruption", "toy_blur"], "severity": [1, 3, 5], "table": "auto"}]
})";

/// Some slice of `text` again at some other place: keeps more of the syntax whole than changed bytes do.
std::string spliced(std::string text, Lcg& random) {
  const std::size_t begin = random.below(text.size());
  const std::string slice = text.substr(begin, 1 + random.below(40));
  const std::size_t at = random.below(text.size());
  return random.below(2) == 0 ? text.insert(at, slice) : text.replace(at, slice.size(), slice);
}

/// One character of `text` is another printable one.
std::string retyped(std::string text, Lcg& random) {
  text[random.below(text.size())] = static_cast<char>(' ' + random.below(95));
  return text;
}

struct Damage {
  int read = 0, refused = 0;
};

/// Reads `count` damaged copies of `text`; whatever else is thrown than a usage error fails the test.
Damage read_damaged(const std::string& text, const std::string& name, int count) {
  const TempDir folder;
  const auto file = folder.path() / name;
  Lcg random(20261123);
  Damage damage;
  for (int i = 0; i < count; ++i) {
    const std::size_t way = random.below(4);
    const std::string bytes = way == 0   ? mutated(text, text.size(), random)
                              : way == 1 ? spliced(text, random)
                                         : retyped(text, random);
    write_file(file, bytes);
    try {
      read_sweep(file);
      ++damage.read;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage) << error.what() << "\n" << bytes;
      EXPECT_THAT(error.what(), AllOf(StartsWith(file.string()), Not(HasSubstr("\n"))));
      ++damage.refused;
    }
  }
  return damage;
}

class DamagedSweep : public ToyRegistries {};

TEST_F(DamagedSweep, TomlIsReadOrRefused) {
  const Damage damage = read_damaged(kToml, "sweep.toml", 3000);
  EXPECT_GT(damage.read, 50);
  EXPECT_GT(damage.refused, 100);
}
TEST_F(DamagedSweep, JsonIsReadOrRefused) {
  const Damage damage = read_damaged(kJson, "sweep.json", 3000);
  EXPECT_GT(damage.read, 50);
  EXPECT_GT(damage.refused, 100);
}
TEST_F(DamagedSweep, TheUndamagedOnesAreRead) {
  const TempDir folder;
  write_file(folder.path() / "sweep.toml", kToml);
  write_file(folder.path() / "sweep.json", kJson);
  EXPECT_EQ(read_sweep(folder.path() / "sweep.toml").perturbations.size(), 9u);
  EXPECT_EQ(read_sweep(folder.path() / "sweep.json").perturbations.size(), 9u);
}

}  // namespace
}  // namespace assay
