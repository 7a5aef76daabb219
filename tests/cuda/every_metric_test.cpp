// What holds for every metric and each of its profiles, over the registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "assay/rank.hpp"
#include "data/mutate.hpp"
#include "registered.hpp"

namespace assay {
namespace {

/// "name", and "name_profile" for each of its profiles, of those that are sums or rank statistics.
std::vector<std::string> metrics_and_profiles(bool ranked) {
  std::vector<std::string> names;
  for (const auto& [name, metric] : Registry<Metric>::all()) {
    if ((metric.rank != nullptr) != ranked) continue;
    names.push_back(name);
    for (const Metric& profile : metric.profiles) names.push_back(name + "_" + profile.profile);
  }
  return names;
}
const Metric& metric_called(const std::string& called) {
  for (const auto& [name, entry] : Registry<Metric>::all()) {
    if (name == called) return entry;
    for (const Metric& profile : entry.profiles)
      if (name + "_" + profile.profile == called) return profile;
  }
  throw std::out_of_range(called);
}

/// Rows as the engine might write them, with confidences on the edges of bins.
std::vector<SampleRow> some_rows(std::size_t n) {
  Lcg random(21);
  std::vector<SampleRow> rows;
  for (std::size_t i = 0; i < n; ++i) {
    unsigned flags = 0;
    if (random.below(3) > 0) flags |= SampleRow::correct | SampleRow::top5;
    if (random.below(3) > 0) flags |= SampleRow::top5;
    if (random.below(4) > 0) flags |= SampleRow::clean_correct;
    if (random.below(3) == 0) flags |= SampleRow::fooled_any;
    if (random.below(5) == 0) flags |= SampleRow::fooled_any | SampleRow::fooled_final;
    const float confidence = random.below(2) == 0 ? static_cast<float>(static_cast<double>(random.below(16)) / 15)
                                                  : static_cast<float>(random.below(1 << 20)) * 0x1p-20f;
    SampleRow row{static_cast<std::uint16_t>(random.below(10)), static_cast<std::uint16_t>(flags), confidence,
                  static_cast<float>(random.below(1 << 20)) * 0x1p-17f,
                  static_cast<float>(random.below(1 << 20)) * 0x1p-19f};
    if (random.below(9) == 0)
      row = {0xFFFF,
             static_cast<std::uint16_t>((flags & ~(SampleRow::correct | SampleRow::top5)) | SampleRow::undecided), 0.f,
             0.f, 0.f};
    rows.push_back(row);
  }
  return rows;
}

class EveryMetric : public testing::TestWithParam<std::string> {
 protected:
  static const Metric& metric() { return metric_called(GetParam()); }
  using State = std::vector<std::uint64_t>;
  State empty() const { return State(static_cast<std::size_t>(metric().words)); }
  void reduce(const std::vector<SampleRow>& rows, State& state) const {
    metric().reduce({}, rows.data(), static_cast<std::int64_t>(rows.size()), state.data());
  }
  State state_of(const std::vector<SampleRow>& rows) const {
    State state = empty();
    reduce(rows, state);
    return state;
  }
};
INSTANTIATE_TEST_SUITE_P(Registered, EveryMetric, testing::ValuesIn(metrics_and_profiles(false)), by_name);

constexpr std::size_t kRows = 10000;  // several of the kernel's chunks

TEST_P(EveryMetric, HasTheSameStateForEveryOrderOfRows) {
  std::vector<SampleRow> rows = some_rows(kRows);
  const State forwards = state_of(rows);
  EXPECT_NE(forwards, empty());
  std::ranges::reverse(rows);
  EXPECT_EQ(state_of(rows), forwards);
  std::ranges::rotate(rows, rows.begin() + 4097);
  EXPECT_EQ(state_of(rows), forwards);
}

TEST_P(EveryMetric, HasTheSameStateForEverySplit) {
  const std::vector<SampleRow> rows = some_rows(kRows);
  const State whole = state_of(rows);
  for (const std::size_t size : {1000u, 4095u, 4096u, 4097u}) {
    State added = empty(), merged = empty();
    for (std::size_t first = 0; first < kRows; first += size) {
      const auto from = rows.begin() + static_cast<std::ptrdiff_t>(first);
      const std::vector<SampleRow> part(from, from + static_cast<std::ptrdiff_t>(std::min(size, kRows - first)));
      reduce(part, added);  // onto what is there
      const State apart = state_of(part);
      for (std::size_t word = 0; word < merged.size(); ++word) merged[word] += apart[word];
    }
    EXPECT_EQ(added, whole) << size;
    EXPECT_EQ(merged, whole) << size;
  }
}

TEST_P(EveryMetric, AddsNothingForNoRows) {
  State state(static_cast<std::size_t>(metric().words), 5);
  reduce({}, state);
  EXPECT_THAT(state, testing::Each(5u));
}

TEST_P(EveryMetric, IsUndefinedWithoutSamples) {
  const Estimate estimate = metric().finish(empty().data());
  EXPECT_TRUE(std::isnan(estimate.value));
  EXPECT_TRUE(std::isnan(estimate.lo));
  EXPECT_TRUE(std::isnan(estimate.hi));
  EXPECT_FALSE(estimate.undefined.empty());
}

TEST_P(EveryMetric, LiesInItsInterval) {
  const std::vector<SampleRow> rows = some_rows(kRows);
  for (const std::size_t n : {1u, 2u, 3u, 30u, 1000u}) {
    const Estimate e = metric().finish(state_of({rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(n)}).data());
    EXPECT_EQ(std::isnan(e.lo), std::isnan(e.hi));
    EXPECT_EQ(std::isnan(e.lo), std::isnan(e.confidence));
    if (std::isnan(e.lo)) continue;
    EXPECT_LE(e.lo, e.value) << n;
    EXPECT_LE(e.value, e.hi) << n;
    EXPECT_EQ(e.confidence, 0.95);
  }
}

// An undecided sample is neither right nor robust, and says nothing about probabilities.
TEST_P(EveryMetric, GivesNoCreditForUndecidedSamples) {
  const std::vector<SampleRow> rows(7, {0xFFFF, SampleRow::undecided | SampleRow::clean_correct, 0.f, 0.f, 0.f});
  const double value = metric().finish(state_of(rows).data()).value;
  EXPECT_TRUE(std::isnan(value) || value == 0) << value;
}

TEST_P(EveryMetric, NamesItsDefinition) {
  EXPECT_FALSE(metric().definition.empty());
  EXPECT_GT(metric().words, 0);
  EXPECT_TRUE(metric().applies(CellKind::attacked));
}

class EveryRankMetric : public testing::TestWithParam<std::string> {
 protected:
  static const Metric& metric() { return metric_called(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Registered, EveryRankMetric, testing::ValuesIn(metrics_and_profiles(true)), by_name);

TEST_P(EveryRankMetric, HasTheSameBitsForEveryOrderOfRows) {
  std::vector<SampleRow> rows = some_rows(kRows);
  const double forwards = metric().rank(by_confidence(rows)).value;
  EXPECT_TRUE(forwards >= 0 && forwards <= 1) << forwards;
  std::ranges::reverse(rows);
  EXPECT_EQ(metric().rank(by_confidence(rows)).value, forwards);
  std::ranges::rotate(rows, rows.begin() + 4097);
  EXPECT_EQ(metric().rank(by_confidence(rows)).value, forwards);
}

TEST_P(EveryRankMetric, LeavesUndecidedSamplesOut) {
  std::vector<SampleRow> rows = some_rows(500);
  const double with = metric().rank(by_confidence(rows)).value;
  EXPECT_GT(std::erase_if(rows, [](const SampleRow& row) { return row.has(SampleRow::undecided); }), 10u);
  EXPECT_EQ(metric().rank(by_confidence(rows)).value, with);
}

TEST_P(EveryRankMetric, IsUndefinedForAReasonWithoutDecidedSamples) {
  for (const std::size_t n : {0u, 7u}) {
    const std::vector<SampleRow> rows(n, {0xFFFF, SampleRow::undecided | SampleRow::clean_correct, 0.f, 0.f, 0.f});
    const Estimate estimate = metric().rank(by_confidence(rows));
    EXPECT_TRUE(std::isnan(estimate.value));
    EXPECT_EQ(estimate.undefined, "no sample was decided");
  }
}

TEST_P(EveryRankMetric, KeepsNoState) {
  EXPECT_EQ(metric().words, 0);
  EXPECT_EQ(metric().reduce, nullptr);
  EXPECT_FALSE(metric().definition.empty());
  EXPECT_TRUE(metric().applies(CellKind::clean) && metric().applies(CellKind::attacked));
}

TEST(EveryMetricTogether, HasADefinitionOfItsOwn) {
  std::set<std::string> definitions;
  std::size_t count = 0;
  for (const auto& [name, metric] : Registry<Metric>::all()) {
    definitions.insert(metric.definition);
    ++count;
    for (const Metric& profile : metric.profiles) {
      definitions.insert(profile.definition);
      ++count;
    }
  }
  EXPECT_EQ(definitions.size(), count);
}

}  // namespace
}  // namespace assay
