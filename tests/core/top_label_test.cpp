// Rows of probabilities by their largest alone, beside score_probabilities.
#include "core/top_label.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "assay/core/registry.hpp"
#include "core/rows.hpp"
#include "data/mutate.hpp"

namespace assay {
namespace {

/// Rows of sevenths that sum to 1, so that the largest is often there twice.
std::vector<float> sevenths(std::int64_t n, int classes) {
  Lcg random(3);
  std::vector<float> p(static_cast<std::size_t>(n * classes));
  for (std::int64_t row = 0; row < n; ++row)
    for (int part = 0; part < 7; ++part)
      p[static_cast<std::size_t>(row * classes) + random.below(static_cast<std::uint32_t>(classes))] += 1.f / 7.f;
  return p;
}

TEST(TopLabel, IsThatOfTheWholeScoring) {
  for (const int classes : {2, 3, 7, 8, 9, 10, 16, 23, 1000})
    for (const std::int64_t n : {1, 7, 8, 9, 100}) {
      const std::vector<float> p = sevenths(n, classes);
      std::vector<std::uint16_t> labels;
      for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<std::uint16_t>(i % classes));
      const auto rows = static_cast<std::size_t>(n);
      std::vector<SampleRow> fast(rows), whole(rows);
      ASSERT_TRUE(top_labels(n, classes, p.data(), labels.data(), 1e-3f, fast.data()));
      score_probabilities({}, n, classes, p.data(), labels.data(), whole.data());
      for (std::size_t i = 0; i < rows; ++i) {
        EXPECT_EQ(fast[i].prediction, whole[i].prediction) << n << " x " << classes << ", row " << i;
        EXPECT_EQ(fast[i].has(SampleRow::correct), whole[i].has(SampleRow::correct));
        EXPECT_EQ(fast[i].confidence, whole[i].confidence);
      }
    }
}

TEST(TopLabel, IsWhatTheRowsWereMadeOf) {
  for (int classes = 2; classes <= 40; ++classes)
    for (const std::int64_t n : {1, 2, 5, 8, 13, 1023, 1024, 1025, 2051}) {
      const auto top = [&](std::int64_t row) { return static_cast<int>((7 * row + 3) % classes); };
      const auto confidence = [&](std::int64_t row) { return .5f + static_cast<float>(row % 100 + 1) / 256.f; };
      std::vector<float> p;
      std::vector<std::uint16_t> labels;
      for (std::int64_t row = 0; row < n; ++row) {
        for (int k = 0; k < classes; ++k)
          p.push_back(k == top(row) ? confidence(row) : (1 - confidence(row)) / static_cast<float>(classes - 1));
        labels.push_back(static_cast<std::uint16_t>(row % 3 == 0 ? top(row) : (top(row) + 1) % classes));
      }
      const SampleRow beyond = {1, 2, 3.f, 4.f, 5.f};
      std::vector<SampleRow> rows(static_cast<std::size_t>(n + 1), beyond);
      ASSERT_TRUE(top_labels(n, classes, p.data(), labels.data(), 1e-3f, rows.data())) << n << " x " << classes;
      for (std::int64_t row = 0; row < n; ++row) {
        const SampleRow& found = rows[static_cast<std::size_t>(row)];
        ASSERT_EQ(found.prediction, top(row)) << n << " x " << classes << ", row " << row;
        ASSERT_EQ(found.flags, row % 3 == 0 ? SampleRow::correct : 0);
        ASSERT_EQ(found.confidence, confidence(row));
        ASSERT_EQ(found.nll, 0.f);
        ASSERT_EQ(found.brier, 0.f);
      }
      EXPECT_EQ(rows.back().prediction, beyond.prediction);
      EXPECT_EQ(rows.back().confidence, beyond.confidence);
      EXPECT_EQ(rows.back().brier, beyond.brier);
    }
}

TEST(TopLabel, SeesEveryNumberOfEveryRow) {
  for (int classes = 2; classes <= 17; ++classes)
    for (const std::int64_t n : {13, 1037}) {  // the latter are more than are scanned at once, and some over
      std::vector<float> p(static_cast<std::size_t>(n * classes), 1.f / static_cast<float>(classes));
      const std::vector<std::uint16_t> labels(static_cast<std::size_t>(n));
      std::vector<SampleRow> rows(static_cast<std::size_t>(n));
      const auto sound = [&] { return top_labels(n, classes, p.data(), labels.data(), 1e-3f, rows.data()); };
      for (std::int64_t row = 0; row < n; row += n == 13 ? 1 : 518)
        for (int k = 0; k < classes; ++k) {
          float& one = p[static_cast<std::size_t>(row * classes + k)];
          const float was = one;
          one += .002f;
          EXPECT_FALSE(sound()) << "row " << row << ", class " << k << " of " << classes;
          one = was + .0005f;
          EXPECT_TRUE(sound());
          EXPECT_EQ(rows[static_cast<std::size_t>(row)].prediction, k);
          one = was;
        }
    }
}

TEST(TopLabel, WantsACloserLookAtWhatMayBeNoProbabilities) {
  const std::uint16_t label = 0;
  SampleRow row{};
  const auto sound = [&](const std::vector<float>& p) { return top_labels(1, 3, p.data(), &label, 1e-3f, &row); };
  EXPECT_TRUE(sound({.5f, .25f, .25f}));
  EXPECT_TRUE(sound({.5f, .25f, .2505f}));
  EXPECT_FALSE(sound({.5f, .25f, .252f}));
  EXPECT_FALSE(sound({.5f, .25f, .248f}));
  EXPECT_FALSE(sound({1.2f, -.1f, -.1f}));
  EXPECT_FALSE(sound({NAN, .5f, .5f}));
  EXPECT_FALSE(sound({.5f, .5f, NAN}));
  EXPECT_FALSE(sound({INFINITY, 0.f, 0.f}));
}

TEST(TopLabel, SumsVeryManyClassesCloselyEnough) {
  const std::uint16_t label = 0;
  SampleRow row{};
  for (const double sum : {.9985, .99895, 1.0, 1.00105, 1.0015}) {
    const std::vector<float> p(65535, static_cast<float>(sum / 65535));
    EXPECT_EQ(top_labels(1, 65535, p.data(), &label, .9e-3f, &row).has_value(), sum == 1.0) << sum;
  }
}

TEST(TopLabel, LeavesARowWithMoreThanOneUndecidedAsTheWholeScoringDoes) {
  const std::uint16_t label = 0;
  SampleRow fast{}, whole{};
  const std::vector<float> p = {1.0005f, 0.f};
  ASSERT_TRUE(top_labels(1, 2, p.data(), &label, 1e-3f, &fast));
  score_probabilities({}, 1, 2, p.data(), &label, &whole);
  EXPECT_TRUE(fast.has(SampleRow::undecided));
  EXPECT_TRUE(whole.has(SampleRow::undecided));
  EXPECT_EQ(fast.prediction, whole.prediction);
}

TEST(TopLabel, IsAllThatTheseMetricsRead) {
  std::vector<SampleRow> rows, scrambled;
  for (std::uint16_t i = 0; i < 100; ++i) {
    rows.push_back(
        {i, static_cast<std::uint16_t>(i % 3 == 0 ? SampleRow::correct : 0), static_cast<float>(i) / 100.f, 0, 0});
    scrambled.push_back(rows.back());
    scrambled.back().flags |= SampleRow::top5;
    scrambled.back().nll = scrambled.back().brier = 1.f;
  }
  int checked = 0;
  for (const auto& [name, metric] : Registry<Metric>::all()) {
    if (!metric.top_label) continue;
    std::vector<std::uint64_t> state(static_cast<std::size_t>(metric.words)), other = state;
    metric.reduce({}, rows.data(), 100, state.data());
    metric.reduce({}, scrambled.data(), 100, other.data());
    EXPECT_EQ(state, other) << name;
    ++checked;
  }
  EXPECT_GE(checked, 5);
}

}  // namespace
}  // namespace assay
