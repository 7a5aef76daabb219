#include "engine/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/sha256.hpp"
#include "data/npy.hpp"
#include "engine/toy_sweep.hpp"
#include "sinks/json.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

class RunTest : public testing::Test {
 protected:
  RunTest() : data(toy_data(100)), plan(toy_plan(toy_sweep(), data)) {}

  std::vector<int> all_jobs() const {
    std::vector<int> jobs(plan.jobs.size());
    std::iota(jobs.begin(), jobs.end(), 0);
    return jobs;
  }
  RunSummary run(const Store& store, const std::vector<int>& jobs, int weak_fails_at = 0, bool witnesses = false) {
    const ModelLoader load = [&](int m) -> std::unique_ptr<Model> {
      return std::make_unique<ToyModel>(m == 0 ? 0.4f : 0.1f, m == 0 ? weak_fails_at : 0);
    };
    return run_jobs(Exec{}, plan, data, jobs, store, load, stop, observer, witnesses);
  }
  std::string merged(const Store& store) {
    PlanStatus status;
    return to_json(merge_units(plan, store, status, {})).dump();
  }
  Store store(const char* name) const { return Store(dir.path() / name); }

  TempDir dir;
  DataSet data;
  Plan plan;
  StopFlag stop{false};
  SilentObserver observer;
};

TEST_F(RunTest, GivesEqualResultsForAnyShardsInAnyOrder) {
  run(store("one"), all_jobs());
  const std::string expected = merged(store("one"));
  for (const int shards : {2, 3, 7}) {
    const Store parts = store(("parts" + std::to_string(shards)).c_str());
    for (int shard = shards - 1; shard >= 0; --shard) run(parts, shard_jobs(plan, shard, shards));
    EXPECT_EQ(merged(parts), expected) << shards;
  }
}

std::filesystem::path witnesses_of(const Store& store, const Unit& unit) {
  return store.root() / "witnesses" / unit.key.substr(0, 2) / (unit.key + ".json");
}

/// Checks the witnesses of every attacked unit against its rows and the model; returns how many there are.
std::size_t expect_witnesses(const Plan& plan, const DataSet& data, const Store& store) {
  std::size_t all = 0;
  for (const Unit& unit : plan.units) {
    const Cell& cell = plan.cells[static_cast<std::size_t>(unit.cell)];
    if (plan.kind(cell) != CellKind::attacked) {
      EXPECT_FALSE(std::filesystem::exists(witnesses_of(store, unit)));
      continue;
    }
    const Witnesses found = read_witnesses(witnesses_of(store, unit));
    std::vector<std::int64_t> fallen;
    const auto rows = store.read(unit).value().rows;
    for (std::int64_t i = unit.lo; i < unit.hi; ++i)
      if (is_witness(rows[static_cast<std::size_t>(i - unit.lo)])) fallen.push_back(i);
    EXPECT_EQ(found.index, fallen);
    EXPECT_EQ(found.model.name, cell.model == 0 ? "weak" : "strong");
    EXPECT_EQ(found.epsilon,
              real_param(plan.perturbations[static_cast<std::size_t>(cell.perturbation)].params, "epsilon"));
    ToyModel model(cell.model == 0 ? 0.4f : 0.1f);
    EXPECT_THAT(verify_witnesses(Exec{}, model, data, found, 16), testing::IsEmpty());
    all += fallen.size();
  }
  return all;
}

TEST_F(RunTest, ImagesReadOnDemandGiveTheSameResults) {
  run(store("whole"), all_jobs());
  std::vector<std::pair<std::int64_t, std::int64_t>> asked;
  data = read_on_demand(std::move(data), asked);
  run(store("read"), all_jobs(), 0, true);
  EXPECT_EQ(merged(store("read")), merged(store("whole")));
  EXPECT_GT(expect_witnesses(plan, data, store("read")), 20u);
}

TEST_F(RunTest, ReadsTheImagesOfItsUnitsAlone) {
  std::vector<std::pair<std::int64_t, std::int64_t>> asked, expected;
  data = read_on_demand(std::move(data), asked);
  const std::vector<int> jobs = shard_jobs(plan, 1, 7);
  run(store("out"), jobs);
  for (const int job : jobs) {
    const Unit& unit = plan.units[static_cast<std::size_t>(plan.jobs[static_cast<std::size_t>(job)].units.front())];
    expected.emplace_back(unit.lo, unit.hi);
  }
  EXPECT_EQ(asked, expected);
  asked.clear();
  run(store("out"), jobs);
  EXPECT_THAT(asked, testing::IsEmpty()) << "nothing was left to compute";
}

TEST_F(RunTest, ImageThatCannotBeReadEndsTheRunAndBlamesNoUnit) {
  run(store("whole"), all_jobs());
  std::vector<std::pair<std::int64_t, std::int64_t>> asked;
  data = read_on_demand(std::move(data), asked);
  const auto whole = data.read;
  data.read = [&](std::int64_t lo, std::int64_t hi, std::uint8_t* out) {
    if (asked.size() == 3) throw Error(ExitCode::input, "'a.png' is damaged");
    whole(lo, hi, out);
  };
  EXPECT_ERROR(run(store("out"), all_jobs()), ExitCode::input, "'a.png' is damaged");
  EXPECT_EQ(plan_status(plan, store("out")).failed, 0);
  EXPECT_GT(plan_status(plan, store("out")).done, 0);
  data.read = whole;
  run(store("out"), all_jobs());
  EXPECT_EQ(merged(store("out")), merged(store("whole")));
}

TEST_F(RunTest, SavesAWitnessOfEverySampleThatFell) {
  run(store("out"), all_jobs(), 0, true);
  EXPECT_GT(expect_witnesses(plan, data, store("out")), 20u);
  run(store("plain"), all_jobs());
  EXPECT_EQ(merged(store("plain")), merged(store("out")));
  EXPECT_THAT(find_witnesses(store("plain").root()), testing::IsEmpty());
}

TEST_F(RunTest, SavesWitnessesOfACurveWithinEachRadius) {
  Sweep sweep = toy_sweep();
  const std::vector<double> radii = {0.004, 0.008, 0.016, 0.03, 0.06, 0.12, 0.25};
  for (const char* mode : {"bisect", "exact"}) {
    sweep.perturbations.clear();
    for (const double epsilon : radii) {
      sweep.perturbations.push_back(check_perturbation(Perturbation::Kind::attack, "pgd_linf",
                                                       {{"epsilon", epsilon}, {"steps", std::int64_t{3}}}, ""));
      sweep.perturbations.back().params["mode"] = std::string(mode);
      sweep.perturbations.back().curve = radii;
    }
    plan = toy_plan(sweep, data);
    run(store(mode), all_jobs(), 0, true);
    EXPECT_GT(expect_witnesses(plan, data, store(mode)), 100u);
  }
}

TEST_F(RunTest, ComputesAUnitAgainWhoseWitnessesAreNotWhole) {
  run(store("out"), all_jobs());
  const auto attacked = static_cast<int>(std::ranges::count_if(plan.units, [&](const Unit& unit) {
    return plan.kind(plan.cells[static_cast<std::size_t>(unit.cell)]) == CellKind::attacked;
  }));
  EXPECT_EQ(run(store("out"), all_jobs(), 0, true).computed, attacked) << "they were not asked for before";
  EXPECT_EQ(run(store("out"), all_jobs(), 0, true).computed, 0);
  const std::vector<std::filesystem::path> files = find_witnesses(store("out").root());
  const std::string first = read_file(files[0]);
  const std::filesystem::path points = std::filesystem::path(files[1]).replace_extension(".npy");
  write_file(files[0], first.substr(0, first.size() - 9));
  write_file(points, read_file(points) + "x");
  EXPECT_EQ(run(store("out"), all_jobs()).computed, 0) << "nobody asks for them now";
  EXPECT_EQ(run(store("out"), all_jobs(), 0, true).computed, 2);
  EXPECT_EQ(read_file(files[0]), first);
  expect_witnesses(plan, data, store("out"));
}

TEST_F(RunTest, ComputesNoCommittedUnitAgain) {
  const RunSummary first = run(store("out"), all_jobs());
  EXPECT_EQ(first.computed, static_cast<int>(plan.units.size()));
  const RunSummary second = run(store("out"), all_jobs());
  EXPECT_EQ(second.computed, 0);
  EXPECT_EQ(second.reused, first.computed);
}

TEST_F(RunTest, KeepsFinishedUnitsWhenStoppedAndGoesOnWithTheRest) {
  run(store("whole"), all_jobs());
  observer.on_progress = [&](int done) { stop = done >= 5; };
  const RunSummary first = run(store("out"), all_jobs());
  EXPECT_TRUE(first.interrupted);
  EXPECT_GE(first.computed, 5);
  EXPECT_LT(first.computed, static_cast<int>(plan.units.size()));
  EXPECT_ERROR(merged(store("out")), ExitCode::merge_incomplete, testing::HasSubstr("units are missing"));
  stop = false;
  observer.on_progress = {};
  const RunSummary second = run(store("out"), all_jobs());
  EXPECT_EQ(first.computed + second.computed, static_cast<int>(plan.units.size()));
  EXPECT_EQ(merged(store("out")), merged(store("whole")));
}

TEST_F(RunTest, CompletesACurveOfWhichSomeRadiiAreCommitted) {
  Sweep sweep = toy_sweep();
  for (Perturbation& one : sweep.perturbations)
    if (one.kind == Perturbation::Kind::attack) {
      one.curve = {0.02, 0.1};
      one.params["mode"] = std::string("exact");
    }
  plan = toy_plan(sweep, data);
  run(store("whole"), all_jobs());
  const Job* curve = nullptr;
  for (const Job& job : plan.jobs)
    if (job.perturbations == 2) curve = &job;
  ASSERT_NE(curve, nullptr);
  EXPECT_EQ(curve->units.size(), 2u) << "one model, both radii";
  const Store torn = store("torn");
  const Unit& kept = plan.units[static_cast<std::size_t>(curve->units[1])];
  run(torn, all_jobs());
  for (const Unit& unit : plan.units)
    if (unit.key != kept.key)
      std::filesystem::remove(torn.root() / "units" / unit.key.substr(0, 2) / (unit.key + ".json"));
  const RunSummary again = run(torn, all_jobs());
  EXPECT_EQ(again.reused, 1);
  EXPECT_EQ(again.computed, static_cast<int>(plan.units.size()) - 1);
  EXPECT_EQ(merged(torn), merged(store("whole")));
}

TEST_F(RunTest, KeepsWhatTheModelSaysOfThePointsThatRowsTellOf) {
  run(store("rows"), all_jobs());
  const std::string without = merged(store("rows"));
  plan.keep_logits = true;
  run(store("kept"), all_jobs());
  EXPECT_EQ(merged(store("kept")), without) << "passes that keep logits are not the attack's";
  for (const Unit& unit : plan.units) {
    const KeptLogits kept = store("kept").logits(unit).value();
    const auto rows = store("kept").read(unit).value().rows;
    ASSERT_EQ(kept.classes, 3);
    ASSERT_EQ(kept.values.size(), 3 * rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto z = kept.values.begin() + static_cast<std::ptrdiff_t>(3 * i);
      EXPECT_EQ(std::max_element(z, z + 3) - z, rows[i].prediction) << plan.describe(plan.cells[0]) << " " << i;
    }
  }
}

TEST_F(RunTest, MeasuresAllClassesFromKeptLogits) {
  plan.keep_logits = true;
  plan.metrics = {"accuracy", "balanced_accuracy", "ece_classwise"};
  run(store("one"), all_jobs());
  const std::string expected = merged(store("one"));
  for (int shard = 2; shard >= 0; --shard) run(store("parts"), shard_jobs(plan, shard, 3));
  EXPECT_EQ(merged(store("parts")), expected);
  PlanStatus status;
  for (const CellResult& cell : merge_units(plan, store("one"), status, {}).cells) {
    const std::vector<double>& confusion = cell.metrics.at("balanced_accuracy").curves.at("confusion");
    ASSERT_EQ(confusion.size(), 12u);
    EXPECT_EQ(std::accumulate(confusion.begin(), confusion.end(), 0.0), 100);
    EXPECT_EQ(confusion[0] + confusion[5] + confusion[10], 100 * cell.metrics.at("accuracy").value);
    EXPECT_GT(cell.metrics.at("ece_classwise").value, 0);
  }
}

TEST_F(RunTest, FollowsAProfileInWhatWasComputedWithoutIt) {
  plan.metrics = {"accuracy", "ece"};
  run(store("out"), all_jobs());
  PlanStatus status;
  const Results own = merge_units(plan, store("out"), status, {});
  plan.profile = "torchmetrics-1.9";
  const Results other = merge_units(plan, store("out"), status, {});
  const Metric& torchmetrics = Registry<Metric>::find("ece")->by("torchmetrics-1.9");
  for (std::size_t c = 0; c < plan.cells.size(); ++c) {
    std::vector<std::uint64_t> state(static_cast<std::size_t>(torchmetrics.words));
    for (const Unit& unit : plan.units) {
      if (unit.cell != static_cast<int>(c)) continue;
      const std::vector<SampleRow> rows = store("out").read(unit).value().rows;
      torchmetrics.reduce({}, rows.data(), std::ssize(rows), state.data());
    }
    const CellResult &before = own.cells[c], &after = other.cells[c];
    EXPECT_EQ(after.metrics.at("ece").value, torchmetrics.finish(state.data()).value);
    EXPECT_EQ(after.metrics.at("ece").curves.at("count").size(), 16u);
    EXPECT_EQ(other.definition("ece", after), torchmetrics.definition);
    EXPECT_NE(own.definition("ece", before), torchmetrics.definition);
    EXPECT_EQ(after.metrics.at("accuracy").value, before.metrics.at("accuracy").value);
    EXPECT_EQ(other.definition("accuracy", after), own.definition("accuracy", before));
  }
}

TEST_F(RunTest, ComputesAgainWhatHasNoLogits) {
  run(store("out"), all_jobs());
  plan.keep_logits = true;
  plan.metrics = {"balanced_accuracy"};
  EXPECT_ERROR(merged(store("out")), ExitCode::input, testing::HasSubstr("labels.npy"));
  EXPECT_EQ(run(store("out"), all_jobs()).reused, 0);
  const std::string expected = merged(store("out"));
  const Unit& unit = plan.units[3];
  const auto file = store("out").root() / "logits" / unit.key.substr(0, 2) / (unit.key + ".npy");
  for (const bool torn : {false, true}) {
    if (torn)
      std::filesystem::resize_file(file, 100);
    else
      std::filesystem::remove(file);
    EXPECT_ERROR(merged(store("out")), ExitCode::merge_incomplete, testing::HasSubstr("the logits of"));
    EXPECT_EQ(run(store("out"), all_jobs()).computed, 1);
    EXPECT_EQ(merged(store("out")), expected);
  }
}

TEST_F(RunTest, ChecksTheLabelsThatItKept) {
  plan.keep_logits = true;
  plan.metrics = {"balanced_accuracy"};
  const Store out = store("out");
  run(out, all_jobs());
  const std::string expected = merged(out);
  std::vector<std::uint16_t> labels = data.labels;
  labels[40] = 60000;
  write_npy(out.root() / "labels.npy", "<u2", {100}, labels.data(), 200);
  EXPECT_ERROR(merged(out), ExitCode::input, testing::HasSubstr("other labels than the sweep had for images 32 to 63"));
  std::filesystem::remove(out.root() / "labels.npy");
  EXPECT_EQ(run(out, all_jobs()).computed, 0);
  EXPECT_EQ(merged(out), expected);
}

TEST_F(RunTest, AddsLogitsToUnitsFromBeforeAMetric) {
  const Store out = store("out");
  run(out, all_jobs());
  for (const Unit& unit : plan.units) {
    const auto file = out.root() / "units" / unit.key.substr(0, 2) / (unit.key + ".json");
    nlohmann::json content = nlohmann::json::parse(*read_if_there(file));
    content["payload"]["states"].erase("brier_top_label");
    content["sha256"] = sha256(content["payload"].dump());
    replace_file(file, content.dump());
  }
  plan.keep_logits = true;
  EXPECT_EQ(plan_status(plan, out).missing(), static_cast<int>(plan.units.size()));
  EXPECT_EQ(run(out, all_jobs()).computed, static_cast<int>(plan.units.size()));
  EXPECT_EQ(plan_status(plan, out).missing(), 0);
}

TEST_F(RunTest, CountsAFailedUnitAsUndecidedInMetricsOfAllClasses) {
  plan.keep_logits = true;
  plan.metrics = {"balanced_accuracy"};
  run(store("out"), all_jobs(), 2);
  PlanStatus status;
  const CellResult clean = merge_units(plan, store("out"), status, {}).cells.front();
  const std::vector<double>& confusion = clean.metrics.at("balanced_accuracy").curves.at("confusion");
  EXPECT_EQ(confusion[3] + confusion[7] + confusion[11], 32);
}

TEST_F(RunTest, CountsAFailedUnitAsUndecidedAndGoesOn) {
  const Store out = store("out");
  const RunSummary summary = run(out, all_jobs(), 2);
  EXPECT_EQ(summary.failed, 1);
  EXPECT_EQ(observer.failures, 1);
  PlanStatus status;
  const Results results = merge_units(plan, out, status, {});
  EXPECT_EQ(status.failed, 1);
  const CellResult& clean = results.cells.front();
  EXPECT_EQ(clean.n, 100u);
  EXPECT_EQ(clean.undecided, 32u);
  EXPECT_THAT(clean.flags, testing::ElementsAre("failed_units", "undecided_samples"));
  const Estimate& accuracy = clean.metrics.at("accuracy");
  EXPECT_LE(accuracy.value, 0.68) << "undecided samples count as wrong";
  EXPECT_GE(accuracy.hi, accuracy.value + 0.32) << "and could have been right";
  EXPECT_EQ(results.cells[4].undecided, 0u) << "the other model's cell";
}

TEST_F(RunTest, TriesAFailedUnitAgain) {
  run(store("out"), all_jobs(), 2);
  const RunSummary again = run(store("out"), all_jobs());
  EXPECT_EQ(again.computed, 1);
  run(store("clean"), all_jobs());
  EXPECT_EQ(merged(store("out")), merged(store("clean")));
}

TEST_F(RunTest, CountsPassesASampleWithoutPadding) {
  run(store("out"), all_jobs());
  PlanStatus status;
  const Results results = merge_units(plan, store("out"), status, {});
  EXPECT_EQ(results.cells[0].passes.forward, 100u);
  EXPECT_EQ(results.cells[0].passes.backward, 0u);
  EXPECT_EQ(results.cells[0].evaluated.forward, 3u * 32 + 16) << "the last four images fill a batch of 16";
  EXPECT_GT(results.cells[1].passes.forward, 100u);
  EXPECT_LE(results.cells[1].passes.forward, 100u * (1 + 4 + 1)) << "clean, four answers, a success once more";
  EXPECT_LE(results.cells[1].passes.backward, 100u * 3);
  EXPECT_GT(results.cells[1].evaluated.backward, results.cells[1].passes.backward);
}

TEST_F(RunTest, ReducesAMetricThatAUnitDoesNotHoldFromItsColumns) {
  run(store("out"), all_jobs());
  const std::string expected = merged(store("out"));
  const Store stripped = store("stripped");
  for (const Unit& unit : plan.units) {
    const UnitRecord record = *store("out").read(unit);
    UnitResult result;
    result.rows = record.rows;
    result.passes = record.passes;
    result.evaluated = record.evaluated;
    stripped.commit(plan, unit, result);
  }
  EXPECT_EQ(merged(stripped), expected);
}

TEST_F(RunTest, LoadsOnlyModelsWithMissingUnits) {
  run(store("out"), all_jobs());
  const ModelLoader never = [](int) -> std::unique_ptr<Model> { throw std::logic_error("loaded"); };
  EXPECT_NO_THROW(run_jobs(Exec{}, plan, data, all_jobs(), store("out"), never, stop, observer));
}

TEST_F(RunTest, NamesAMissingUnitWhenMerging) {
  EXPECT_ERROR(merged(store("nothing")), ExitCode::merge_incomplete, testing::HasSubstr("weak clean, images 0 to 31"));
}

}  // namespace
}  // namespace assay
