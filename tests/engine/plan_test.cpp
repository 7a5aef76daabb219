#include "engine/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "engine/toy_sweep.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

TEST(Plan, GivesEveryModelACleanCellAndOneForEachPerturbation) {
  const Plan plan = toy_plan(toy_sweep(), toy_data(70));
  EXPECT_EQ(plan.cells.size(), 2u * 4u);
  EXPECT_EQ(plan.kind(plan.cells[0]), CellKind::clean);
  EXPECT_EQ(plan.kind(plan.cells[1]), CellKind::attacked);
  EXPECT_EQ(plan.kind(plan.cells[3]), CellKind::corrupted);
}

TEST(Plan, CoversEachImageOfEachCellExactlyOnce) {
  const Plan plan = toy_plan(toy_sweep(), toy_data(70));
  std::map<int, std::vector<int>> seen;
  for (const Unit& unit : plan.units) {
    auto& counts = seen[unit.cell];
    counts.resize(70);
    for (std::int64_t i = unit.lo; i < unit.hi; ++i) ++counts[static_cast<std::size_t>(i)];
  }
  ASSERT_EQ(seen.size(), plan.cells.size());
  for (const auto& [cell, counts] : seen) EXPECT_THAT(counts, testing::Each(1)) << cell;
}

TEST(Plan, PutsEachUnitIntoOneJobAndSharesCorruptionsBetweenModels) {
  const Plan plan = toy_plan(toy_sweep(), toy_data(70));
  std::multiset<int> units;
  for (const Job& job : plan.jobs) {
    units.insert(job.units.begin(), job.units.end());
    const bool attack = job.perturbation >= 0 && plan.perturbations[static_cast<std::size_t>(job.perturbation)].kind ==
                                                     Perturbation::Kind::attack;
    EXPECT_EQ(job.units.size(), attack ? 1u : 2u);
  }
  EXPECT_EQ(units.size(), plan.units.size());
  EXPECT_EQ(std::set<int>(units.begin(), units.end()).size(), plan.units.size());
}

TEST(Plan, KnowsWhatComesBeforeAPerturbation) {
  Sweep sweep = toy_sweep();
  const Plan alone = toy_plan(sweep, toy_data(70));
  const auto fog = [](std::int64_t severity) {
    return check_perturbation(Perturbation::Kind::corruption, "fog", {{"severity", severity}}, "");
  };
  sweep.perturbations[0].before = {fog(1)};
  sweep.perturbations[2].before = {fog(1), fog(2)};
  const Plan plan = toy_plan(sweep, toy_data(70));
  EXPECT_NE(plan.id, alone.id);
  for (std::size_t u = 0; u < plan.units.size(); ++u) {
    const int p = plan.cells[static_cast<std::size_t>(plan.units[u].cell)].perturbation;
    EXPECT_EQ(plan.units[u].key == alone.units[u].key, p == -1 || p == 1);
  }
  EXPECT_EQ(plan.kind(plan.cells[1]), CellKind::attacked);
  EXPECT_EQ(plan.kind(plan.cells[3]), CellKind::corrupted);
  EXPECT_THAT(plan.describe(plan.cells[3]),
              testing::StartsWith("weak fog pipeline=in_memory severity=1 table=32 + fog pipeline=in_memory severity=2 "
                                  "table=32 + gaussian_noise "));
  const nlohmann::json steps = perturbation_list(plan, plan.cells[3]);
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0]["params"]["severity"], 1);
  EXPECT_EQ(steps[2]["name"], "gaussian_noise");
  const Plan read = plan_from_json(nlohmann::json::parse(to_json(plan).dump()));
  EXPECT_EQ(read.id, plan.id);
  EXPECT_EQ(to_json(read), to_json(plan));
}

TEST(Plan, KeepsACurvesRadiiTogetherAndInTheirKeys) {
  Sweep sweep = toy_sweep();
  const Plan apart = toy_plan(sweep, toy_data(70));
  for (Perturbation& one : sweep.perturbations)
    if (one.kind == Perturbation::Kind::attack) {
      one.curve = {0.02, 0.1};
      one.params["mode"] = std::string("exact");
    }
  const Plan plan = toy_plan(sweep, toy_data(70));
  std::multiset<int> units;
  int curves = 0;
  for (const Job& job : plan.jobs) {
    units.insert(job.units.begin(), job.units.end());
    if (job.perturbations != 2) continue;
    ++curves;
    ASSERT_EQ(job.units.size(), 2u);
    EXPECT_EQ(plan.units[static_cast<std::size_t>(job.units[0])].lo,
              plan.units[static_cast<std::size_t>(job.units[1])].lo);
  }
  EXPECT_EQ(curves, 2 * 3) << "models times ranges";
  EXPECT_EQ(std::set<int>(units.begin(), units.end()).size(), plan.units.size());
  EXPECT_EQ(plan.units.size(), apart.units.size());
  EXPECT_EQ(plan_from_json(nlohmann::json::parse(to_json(plan).dump())).id, plan.id);
  sweep.perturbations[0].curve = sweep.perturbations[1].curve = {0.02, 0.05, 0.1};
  EXPECT_NE(toy_plan(sweep, toy_data(70)).id, plan.id) << "what falls at another radius is no longer attacked";
}

TEST(Plan, ShardsPartitionTheJobsForAnyCount) {
  const Plan plan = toy_plan(toy_sweep(), toy_data(70));
  for (const int shards : {1, 2, 3, 7, 100}) {
    std::multiset<int> jobs;
    for (int shard = 0; shard < shards; ++shard)
      for (const int job : shard_jobs(plan, shard, shards)) jobs.insert(job);
    EXPECT_EQ(jobs.size(), plan.jobs.size()) << shards;
    EXPECT_EQ(std::set<int>(jobs.begin(), jobs.end()).size(), plan.jobs.size()) << shards;
  }
}

TEST(Plan, RefusesShardsThatDoNotExist) {
  const Plan plan = toy_plan(toy_sweep(), toy_data(70));
  EXPECT_ERROR(shard_jobs(plan, 3, 3), ExitCode::usage, testing::HasSubstr("0 <= i < N"));
  EXPECT_ERROR(shard_jobs(plan, 0, 0), ExitCode::usage, testing::HasSubstr("0 <= i < N"));
}

TEST(Plan, ComesBackFromItsJson) {
  const Plan plan = toy_plan(toy_sweep(), toy_data(70));
  const Plan back = plan_from_json(nlohmann::json::parse(to_json(plan).dump()));
  EXPECT_EQ(back.id, plan.id);
  EXPECT_EQ(to_json(back), to_json(plan));
}

TEST(Plan, RefusesJsonThatWasChanged) {
  nlohmann::json changed = to_json(toy_plan(toy_sweep(), toy_data(70)));
  changed["seed"] = 6;
  EXPECT_ERROR(plan_from_json(changed), ExitCode::input, testing::HasSubstr("plan_id"));
  changed.erase("units");
  changed.erase("seed");
  EXPECT_ERROR(plan_from_json(changed), ExitCode::input, testing::HasSubstr("damaged"));
}

TEST(Plan, KeysUnitsByWhatDecidesTheirContentAndNothingElse) {
  const auto keys = [](const Plan& plan) {
    std::vector<std::string> all;
    for (const Unit& unit : plan.units) all.push_back(unit.key);
    return all;
  };
  const Sweep base = toy_sweep();
  const DataSet data = toy_data(70);
  const Plan plan = toy_plan(base, data);

  Sweep other = base;
  other.metrics = {"brier"};
  EXPECT_EQ(toy_plan(other, data).id, plan.id) << "a unit serves any metric";
  other = base;
  other.models[0].path = "elsewhere/weak.pt";
  EXPECT_EQ(keys(toy_plan(other, data)), keys(plan)) << "where a model lies is no part of it";
  other = base;
  other.perturbations.pop_back();
  EXPECT_THAT(keys(plan), testing::IsSupersetOf(keys(toy_plan(other, data)))) << "cells don't depend on each other";

  std::set<std::string> all;
  for (const std::string& key : keys(plan)) EXPECT_TRUE(all.insert(key).second) << "two units share a key";
  other = base;
  other.seed = 6;
  for (const std::string& key : keys(toy_plan(other, data))) EXPECT_TRUE(all.insert(key).second) << "seed";
  other = base;
  other.batch = 8;
  for (const std::string& key : keys(toy_plan(other, data))) EXPECT_TRUE(all.insert(key).second) << "batch";
  for (const std::string& key : keys(make_plan(base, data, {"x", "y"}, {{"device", "cpu"}}, 1)))
    EXPECT_TRUE(all.insert(key).second) << "model";
  for (const std::string& key :
       keys(make_plan(base, data, {"digest of weak", "digest of strong"}, {{"device", "cuda"}}, 1)))
    EXPECT_TRUE(all.insert(key).second) << "numerics";
  for (const std::string& key :
       keys(make_plan(base, data, {"digest of weak", "digest of strong"}, {{"device", "cpu"}}, 2)))
    EXPECT_TRUE(all.insert(key).second) << "threads";
  for (const std::string& key : keys(toy_plan(base, toy_data(71)))) EXPECT_TRUE(all.insert(key).second) << "data";
}

TEST(Plan, RefusesToCorruptFloatImages) {
  DataSet data = toy_data(4);
  data.floats.assign(data.bytes.size(), 0.5f);
  data.bytes.clear();
  EXPECT_ERROR(toy_plan(toy_sweep(), data), ExitCode::input, testing::HasSubstr("uint8"));
}

TEST(Plan, ResolvesTheTableOfConstantsByTheLongerSide) {
  const Plan plan = toy_plan(toy_sweep(), toy_data(4));
  EXPECT_EQ(text_param(plan.perturbations.back().params, "table"), "32");
  EXPECT_EQ(choose_table("auto", 48), Table::c32);
  EXPECT_EQ(choose_table("auto", 145), Table::c224);
  EXPECT_EQ(choose_table("224", 32), Table::c224);
  EXPECT_EQ(choose_table("auto", 49), Table::c64);
}

}  // namespace
}  // namespace assay
