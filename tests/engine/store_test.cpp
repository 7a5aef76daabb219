#include "engine/store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/toy_sweep.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreTest() : plan(toy_plan(toy_sweep(), toy_data(70))), unit(plan.units.front()), store(dir.path() / "out") {
    result.rows.resize(static_cast<std::size_t>(unit.hi - unit.lo), {2, SampleRow::correct, 0.5f, 0.7f, 0.1f});
    result.passes = {32, 0};
    result.states["accuracy"] = {32, 32, 0};
  }
  fs::path file(const char* extension) const {
    return store.root() / "units" / unit.key.substr(0, 2) / (unit.key + extension);
  }
  void flip_byte(const fs::path& path, std::size_t at) {
    std::string content = *assay::read_if_there(path);
    content.at(at) = static_cast<char>(content.at(at) ^ 1);
    replace_file(path, content);
  }
  TempDir dir;
  Plan plan;
  Unit unit;
  Store store;
  UnitResult result;
};

TEST_F(StoreTest, ReadsBackWhatWasCommitted) {
  EXPECT_FALSE(store.read(unit));
  store.commit(plan, unit, result);
  const auto record = store.read(unit);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->rows.size(), result.rows.size());
  EXPECT_EQ(record->rows.back().prediction, 2);
  EXPECT_EQ(record->rows.back().nll, 0.7f);
  EXPECT_EQ(record->states, result.states);
  EXPECT_EQ(record->passes.forward, 32u);
}

TEST_F(StoreTest, LeavesNoTemporaryFileBehind) {
  store.commit(plan, unit, result);
  for (const auto& entry : fs::recursive_directory_iterator(store.root()))
    EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
}

TEST_F(StoreTest, TreatsADamagedUnitAsAbsentAndLetsItBeCommittedAgain) {
  for (const char* extension : {".json", ".npy"})
    for (const double where : {0.1, 0.5, 0.9}) {
      store.commit(plan, unit, result);
      const auto size = static_cast<double>(fs::file_size(file(extension)));
      flip_byte(file(extension), static_cast<std::size_t>(size * where));
      // The commit record's meta part is not covered by the checksum: nothing of it reaches a result.
      const bool in_meta = std::string(extension) == ".json" && store.read(unit).has_value();
      if (!in_meta) {
        EXPECT_FALSE(store.read(unit)) << extension << " at " << where;
      }
      store.commit(plan, unit, result);
      EXPECT_TRUE(store.read(unit));
    }
}

TEST_F(StoreTest, TreatsATruncatedOrMissingPartAsAbsent) {
  store.commit(plan, unit, result);
  fs::resize_file(file(".json"), fs::file_size(file(".json")) / 2);
  EXPECT_FALSE(store.read(unit));
  store.commit(plan, unit, result);
  fs::resize_file(file(".npy"), fs::file_size(file(".npy")) - 1);
  EXPECT_FALSE(store.read(unit));
  store.commit(plan, unit, result);
  fs::remove(file(".npy"));
  EXPECT_FALSE(store.read(unit));
}

TEST_F(StoreTest, KeepsAnIntactUnitWhenItIsCommittedAgain) {
  store.commit(plan, unit, result);
  const auto before = fs::last_write_time(file(".json"));
  result.seconds = 99;  // time is no part of the result
  store.commit(plan, unit, result);
  EXPECT_EQ(fs::last_write_time(file(".json")), before);
}

TEST_F(StoreTest, ReportsNondeterminismWhenASecondResultDiffers) {
  store.commit(plan, unit, result);
  result.rows[3].confidence = 0.25f;
  EXPECT_ERROR(store.commit(plan, unit, result), ExitCode::internal, testing::HasSubstr("different results"));
  EXPECT_EQ(store.read(unit)->rows[3].confidence, 0.5f) << "the first stays";
}

TEST_F(StoreTest, RefusesAFolderThatHoldsAnotherPlanAndSaysWhatDiffers) {
  store.claim(plan);
  store.claim(plan);
  Sweep other = toy_sweep();
  other.seed = 99;
  EXPECT_ERROR(store.claim(toy_plan(other, toy_data(70))), ExitCode::input,
               testing::AllOf(testing::HasSubstr("another plan"), testing::HasSubstr("seed")));
  EXPECT_EQ(store.plan()->id, plan.id);
}

TEST_F(StoreTest, TakesANewMetricSetForTheSamePlan) {
  store.claim(plan);
  Sweep other = toy_sweep();
  other.metrics = {"brier"};
  store.claim(toy_plan(other, toy_data(70)));
  EXPECT_THAT(store.plan()->metrics, testing::ElementsAre("brier"));
  other.profile = "torchmetrics-1.9";
  store.claim(toy_plan(other, toy_data(70)));
  EXPECT_EQ(store.plan()->profile, "torchmetrics-1.9");
}

TEST_F(StoreTest, SaysWhatAndWhereWhenItCannotWrite) {
  replace_file(dir.path() / "file", "x");
  const Store blocked(dir.path() / "file" / "out");
  EXPECT_ERROR(blocked.claim(plan), ExitCode::cannot_write, testing::HasSubstr("cannot write"));
}

TEST_F(StoreTest, RemembersAFailureUntilTheUnitIsCommitted) {
  store.record_failure(plan, unit, "the model threw");
  EXPECT_EQ(store.failure(unit), "the model threw");
  store.commit(plan, unit, result);
  EXPECT_FALSE(store.failure(unit));
}

}  // namespace
}  // namespace assay
