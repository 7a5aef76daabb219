// The pool and its lanes: which item is taken up when, which of a sample's items counts, what is verified.
#include "core/lanes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "cuda/attack_run.hpp"

namespace assay {
namespace {
using testing::ElementsAre;

constexpr Verdict kIdle = Verdict::idle, kFresh = Verdict::fresh;

/// A pool of n samples of four pixels from data-set index 10 on, two restarts each, and lanes for it, on the CPU.
class Lanes : public testing::Test {
 protected:
  void make(std::int64_t samples, std::int64_t count) {
    const auto n = static_cast<std::size_t>(samples), l = static_cast<std::size_t>(count);
    data.assign(static_cast<std::size_t>(kFirst + samples) * 4, 0.f);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i / 4) / 100;
    labels.assign(static_cast<std::size_t>(kFirst + samples), 0);
    spent.assign(2 * n, 0);
    flags.assign(n, SampleRow::clean_correct);
    winner.assign(n, kNoItem);
    kept.assign(n, kNoItem);
    rows.assign(n, SampleRow{});
    points.assign(4 * n, -1.f);
    pool = {};
    pool.lo = kFirst;
    pool.n = samples;
    pool.dim = 4;
    pool.spent = spent.data();
    pool.flags = flags.data();
    pool.winner = winner.data();
    pool.kept = kept.data();
    pool.rows = rows.data();
    pool.points = points.data();
    pool.streams = streams.data();
    pool.end = static_cast<std::uint32_t>(2 * n);
    pool.epsilon = 0.25f;
    pool.next = &next;
    pool.counts = &counts;
    next = 0;
    counts = {};
    item.assign(l, LaneItem{0, 0.f, 0, kNoItem});
    state.assign(l, 0);
    clean.assign(4 * l, 0.f);
    point.assign(4 * l, 0.f);
    logits.assign(2 * l, 0.f);
    label.assign(l, 0);
    seen.assign(l, Seen::right);
    verdict.assign(l, kIdle);
    ever.assign(l, 0);
    lane_spent.assign(l, 0);
    row.assign(l, SampleRow{});
    take.assign(l, 0);
    from.assign(l, -1);
    lanes = {};
    lanes.batch.lanes = count;
    lanes.batch.dim = 4;
    lanes.batch.classes = 2;
    lanes.batch.item = lanes.item = item.data();
    lanes.batch.state = state.data();
    lanes.batch.clean = lanes.clean = clean.data();
    lanes.batch.point = point.data();
    lanes.batch.logits = logits.data();
    lanes.batch.label = lanes.label = label.data();
    lanes.batch.seen = lanes.seen = seen.data();
    lanes.batch.verdict = verdict.data();
    target.assign(l, 0);
    lanes.batch.target = target.data();
    lanes.batch.ever = ever.data();
    lanes.spent = lane_spent.data();
    lanes.row = row.data();
    lanes.take = take.data();
    lanes.from = from.data();
    lanes.state_bytes = 4;
  }
  ResidentData resident() const {
    return {{}, {data.data(), static_cast<std::int64_t>(data.size()) / 4, 1, 2, 2}, labels.data(), 0};
  }
  std::vector<std::uint32_t> numbers() const {
    std::vector<std::uint32_t> all;
    for (std::size_t r = 0; r < verdict.size(); ++r) all.push_back(verdict[r] == kIdle ? kNoItem : item[r].number);
    return all;
  }
  /// Lane r has this item under way, has answered and ends like this; its point is 0.5 + r / 100.
  void end(std::size_t r, std::uint32_t number, Verdict how, float nll = 0) {
    item[r] = {static_cast<std::uint32_t>(kFirst + number % pool.n), 0.25f, 0, number};
    verdict[r] = how;
    seen[r] = how == Verdict::fooled ? Seen::wrong : Seen::right;
    lane_spent[r] = (std::uint64_t{number} + 1) << 32;
    for (std::size_t i = 0; i < 4; ++i) point[4 * r + i] = 0.5f + static_cast<float>(r) / 100;
    logits[2 * r] = 0;  // the label is right by as much as gives this loss
    logits[2 * r + 1] = std::log(std::exp(nll) - 1.f);
  }

  static constexpr std::int64_t kFirst = 10;
  std::vector<float> data;
  std::vector<std::uint16_t> labels, flags, label, target;
  std::vector<std::uint64_t> spent, lane_spent;
  std::vector<std::uint32_t> winner, kept, streams = {100, 200};
  std::vector<SampleRow> rows, row;
  std::vector<float> points, clean, point, logits;
  std::vector<LaneItem> item;
  std::vector<std::int32_t> state, from;
  std::vector<Seen> seen;
  std::vector<Verdict> verdict;
  std::vector<std::uint8_t> ever, take;
  std::uint32_t next = 0;
  PoolCounts counts{};
  Pool pool;
  LaneTable lanes;
};

TEST_F(Lanes, AreRefilledInTheOrderOfRestartsAndSamples) {
  make(3, 4);
  verdict[1] = Verdict::advance;
  item[1] = {kFirst, 0.25f, 0, 77};
  refill({}, pool, resident(), lanes);
  EXPECT_THAT(numbers(), ElementsAre(0, 77, 1, 2));
  EXPECT_THAT(verdict, ElementsAre(kFresh, Verdict::advance, kFresh, kFresh));
  EXPECT_EQ(item[2].sample, 11u);
  EXPECT_EQ(item[2].stream, 100u);
  EXPECT_EQ(clean[4 * 2], 0.11f);
  EXPECT_EQ(clean[4 * 1], 0.f) << "under way";
  verdict = {kIdle, kIdle, Verdict::look, kIdle};
  refill({}, pool, resident(), lanes);
  EXPECT_THAT(numbers(), ElementsAre(3, 4, 1, 5));
  EXPECT_EQ(item[0].stream, 200u) << "the second restart";
  EXPECT_EQ(item[0].sample, 10u);
  count_lanes({}, pool, lanes);
  EXPECT_EQ(counts.pending, 0u);
  EXPECT_EQ(counts.active, 1u) << "fresh lanes have asked nothing yet";
  EXPECT_EQ(counts.gradients, 0u);
}

TEST_F(Lanes, PassOverSamplesThatAreSettled) {
  make(4, 4);
  flags[0] = SampleRow::retired;
  winner[2] = 1;
  refill({}, pool, resident(), lanes);
  EXPECT_THAT(numbers(), ElementsAre(1, 3, 5, 7));
  make(4, 4);
  flags[0] = SampleRow::retired;
  winner[2] = 1;
  pool.full = true;
  refill({}, pool, resident(), lanes);
  EXPECT_THAT(numbers(), ElementsAre(0, 1, 2, 3));
}

TEST_F(Lanes, OfItemsOfASampleThatSucceedTheLowestCounts) {
  make(2, 5);
  end(0, 2, Verdict::fooled);  // sample 0, second restart
  end(1, 0, Verdict::fooled);  // sample 0, first restart
  end(2, 3, Verdict::fooled);  // sample 1, second restart; its first one goes on
  end(3, 1, Verdict::advance);
  settle({}, pool, lanes);
  EXPECT_THAT(winner, ElementsAre(0, 3));
  EXPECT_EQ(points[0], point[4]) << "that of lane 1";
  EXPECT_EQ(points[4], point[8]);
  EXPECT_EQ(counts.winners, 2u);
  EXPECT_THAT(verdict, ElementsAre(kIdle, kIdle, kIdle, Verdict::advance, kIdle)) << "a lower item is not cancelled";
  end(0, 1, Verdict::fooled);
  end(3, 3, Verdict::advance);
  settle({}, pool, lanes);
  EXPECT_EQ(winner[1], 1u) << "lower ones may come later";
  EXPECT_EQ(points[4], point[0]);
  EXPECT_EQ(counts.winners, 2u);
  EXPECT_EQ(verdict[3], kIdle) << "cancelled";
}

TEST_F(Lanes, TheOrderOfLanesDoesNotDecideWhichItemCounts) {
  make(1, 2);
  end(0, 0, Verdict::fooled);
  end(1, 1, Verdict::fooled);
  settle({}, pool, lanes);
  EXPECT_THAT(winner, ElementsAre(0));
  EXPECT_EQ(points[0], point[0]);
}

TEST_F(Lanes, SeveralOfAnItemComeAndGoTogether) {
  make(3, 8);
  lanes.batch.width = 3;  // two items; the last two lanes have none
  refill({}, pool, resident(), lanes);
  EXPECT_THAT(numbers(), ElementsAre(0, 0, 0, 1, 1, 1, kNoItem, kNoItem));
  EXPECT_EQ(clean[4 * 5], 0.11f);
  verdict = {Verdict::look, Verdict::look, kIdle, Verdict::look, Verdict::look, Verdict::look, kIdle, kIdle};
  count_lanes({}, pool, lanes);
  EXPECT_EQ(counts.active, 6u) << "those that have no question count with their item";
  lane_spent = {5, 6, 0, 7, 7, 7, 0, 0};
  verdict[0] = Verdict::exhausted;
  settle({}, pool, lanes);
  EXPECT_EQ(spent[0], 11u);
  EXPECT_THAT(take, ElementsAre(1, 0, 0, 0, 0, 0, 0, 0)) << "the lead's point";
  EXPECT_THAT(verdict, ElementsAre(kIdle, kIdle, kIdle, Verdict::look, Verdict::look, Verdict::look, kIdle, kIdle));
  winner[1] = 0;
  settle({}, pool, lanes);
  EXPECT_THAT(verdict, testing::Each(kIdle)) << "cancelled";
}

TEST_F(Lanes, OfAnItemMoveTogether) {
  make(3, 7);
  lanes.batch.width = 3;
  refill({}, pool, resident(), lanes);
  for (std::size_t r = 0; r < 7; ++r) point[4 * r] = static_cast<float>(r);
  verdict = {kIdle, kIdle, kIdle, Verdict::look, Verdict::look, kIdle, kIdle};
  shrink({}, lanes, 4);  // one item's lanes, and one that is nobody's
  EXPECT_THAT(std::vector(verdict.begin(), verdict.begin() + 4),
              ElementsAre(Verdict::look, Verdict::look, kIdle, kIdle));
  for (std::size_t r = 0; r < 3; ++r) {
    EXPECT_EQ(point[4 * r], static_cast<float>(r + 3));
    EXPECT_EQ(item[r].number, 1u);
  }
}

TEST_F(Lanes, CancelTheVeryNextItemToo) {
  make(1, 2);
  end(0, 0, Verdict::fooled);
  end(1, 1, Verdict::advance);
  settle({}, pool, lanes);
  EXPECT_THAT(verdict, ElementsAre(kIdle, kIdle));
}

TEST_F(Lanes, CancelWhatALowerItemHasSettled) {
  make(2, 3);
  end(0, 0, Verdict::fooled);
  end(1, 2, Verdict::look);  // the same sample
  end(2, 1, Verdict::look);  // another
  settle({}, pool, lanes);
  EXPECT_THAT(verdict, ElementsAre(kIdle, kIdle, Verdict::look));
  EXPECT_EQ(spent[2], 0u) << "a cancelled item is not charged";
  EXPECT_EQ(spent[0] >> 32, 1u);
}

TEST_F(Lanes, KeepTheStrongestPointOfItemsThatFail) {
  for (const bool forward : {true, false}) {
    make(1, 2);
    end(forward ? 0 : 1, 0, Verdict::exhausted, 0.5f);
    end(forward ? 1 : 0, 1, Verdict::exhausted, 0.7f);
    settle({}, pool, lanes);
    EXPECT_THAT(kept, ElementsAre(1));
    EXPECT_NEAR(rows[0].nll, 0.7f, 1e-5f);
    EXPECT_EQ(points[0], point[forward ? 4 : 0]);
    make(1, 2);
    end(forward ? 0 : 1, 0, Verdict::exhausted, 0.5f);
    end(forward ? 1 : 0, 1, Verdict::exhausted, 0.5f);
    settle({}, pool, lanes);
    EXPECT_THAT(kept, ElementsAre(0)) << "equal: the lower one";
  }
}

TEST_F(Lanes, AnItemWithABrokenAnswerLeavesItsSampleUndecided) {
  make(2, 2);
  end(0, 0, Verdict::undecided);
  settle({}, pool, lanes);
  EXPECT_TRUE((flags[0] & SampleRow::undecided) != 0);
  EXPECT_THAT(winner, testing::Each(kNoItem));
  EXPECT_EQ(points[0], -1.f);
}

TEST_F(Lanes, WantNoGradientWhereTheLogitsEndTheItem) {
  make(6, 6);
  constexpr std::uint64_t kOnce = std::uint64_t{1} << 32;
  verdict = {Verdict::advance, Verdict::advance, Verdict::advance, Verdict::advance, Verdict::look, kIdle};
  seen = {Seen::right, Seen::wrong, Seen::broken, Seen::right, Seen::right, Seen::right};
  lane_spent.assign(6, kOnce);
  count_ended(Exec{}, pool, lanes);
  EXPECT_EQ(counts.active, 2u);
  EXPECT_EQ(counts.gradients, 2u);

  lanes.batch.answers = Answers::ended;
  std::vector<bool> answered;
  for (std::int64_t r = 0; r < 6; ++r) answered.push_back(served(lanes.batch, r));
  EXPECT_THAT(answered, ElementsAre(false, true, true, false, true, false));
  hold_back(Exec{}, lanes);
  EXPECT_THAT(lane_spent, ElementsAre(0u, kOnce, kOnce, 0u, kOnce, kOnce)) << "those that wait are asked anew";

  lanes.batch.answers = Answers::all;
  lanes.batch.wrong_ends = true;
  std::vector<float> gradient(24, 1.f);
  gradient[4] = std::numeric_limits<float>::quiet_NaN();
  lanes.batch.gradient = gradient.data();
  judge_gradients(Exec{}, lanes);
  EXPECT_THAT(lane_spent, ElementsAre(1u, kOnce, kOnce, 1u, kOnce, kOnce)) << "whether or not it was computed";
  EXPECT_EQ(seen[1], Seen::wrong);
}

TEST_F(Lanes, ShrinkToTheOnesUnderWay) {
  make(6, 6);
  for (const std::uint32_t r : {1u, 4u, 5u}) {
    end(r, r, Verdict::advance);
    state[r] = static_cast<std::int32_t>(r);
    clean[4 * r] = static_cast<float>(r);
    label[r] = static_cast<std::uint16_t>(r);
  }
  shrink({}, lanes, 3);
  EXPECT_THAT(numbers(), ElementsAre(4, 1, 5, kNoItem, kNoItem, kNoItem));
  for (const auto& [to, was] : {std::pair{0u, 4u}, {1u, 1u}, {2u, 5u}}) {
    EXPECT_EQ(state[to], static_cast<std::int32_t>(was));
    EXPECT_EQ(clean[4 * to], static_cast<float>(was));
    EXPECT_EQ(point[4 * to + 3], 0.5f + static_cast<float>(was) / 100);
    EXPECT_EQ(label[to], was);
    EXPECT_EQ(lane_spent[to] >> 32, was + 1);
  }
}

TEST_F(Lanes, VerifyThatAPointIsWrongInTheBallInTheBoxAndFinite) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const SampleRow wrong{1, 0, 0.9f, 2.f, 1.f}, right{0, SampleRow::correct, 0.9f, 0.1f, 0.1f},
      broken{0xFFFF, SampleRow::undecided, 0, 0, 0};
  struct Case {
    std::array<float, 4> point;
    SampleRow answer;
    bool linf, l2;
  };
  const std::vector<Case> cases = {
      {{0.75f, 0.5f, 0.5f, 0.5f}, wrong, true, true},     {{0.75f, 0.75f, 0.5f, 0.5f}, wrong, true, false},
      {{0.7501f, 0.5f, 0.5f, 0.5f}, wrong, false, false}, {{0.5f, 0.5f, 0.5f, 0.25f}, wrong, true, true},
      {{0.75f, 0.5f, 0.5f, 0.5f}, right, false, false},   {{0.75f, 0.5f, 0.5f, 0.5f}, broken, false, false},
      {{kNan, 0.5f, 0.5f, 0.5f}, wrong, false, false},    {{0.5f, 0.5f, 0.5f, 1.1f}, wrong, false, false},
      {{0.5f, -0.001f, 0.5f, 0.5f}, wrong, false, false},
  };
  for (const Case& c : cases)
    for (const Norm norm : {Norm::linf, Norm::l2}) {
      make(2, 1);
      winner[1] = 0;
      const std::uint32_t list = 1;
      std::vector<float> original(4, 0.5f);
      if (c.point[3] > 1.f) original[3] = 0.9f;
      if (c.point[1] < 0.f) original[1] = 0.1f;
      verify_points({}, pool, norm, &list, 1, &c.answer, original.data(), c.point.data());
      finish_rows({}, pool);
      const bool holds = norm == Norm::linf ? c.linf : c.l2;
      const std::size_t at = static_cast<std::size_t>(&c - cases.data());
      EXPECT_EQ(rows[1].has(SampleRow::fooled_any), holds) << at;
      EXPECT_EQ(rows[1].has(SampleRow::undecided), !holds) << at << ": a claim that fails is no proof of robustness";
      EXPECT_FALSE(rows[0].has(SampleRow::fooled_any));
    }
}

TEST(Gradients, AreNotComputedWhereItemsEndByTheLogits) {
  const DataSet data = float_data(16, 3, 5, 7, 0.f, 1.f, 2);
  LinearModel model = linear_model(2, data.dim());
  const Params given = {{"epsilon", 1.0}, {"step", 1.0}, {"steps", std::int64_t{5}}, {"random_start", false}};
  const Attacked result = attack("pgd_linf", given, data, model, {.batch = 16, .full = false});
  int fooled = 0;
  for (std::size_t s = 0; s < result.rows.size(); ++s) {
    if (!result.rows[s].has(SampleRow::clean_correct)) continue;
    EXPECT_TRUE(result.rows[s].has(SampleRow::fooled_any)) << "the first step reaches every corner of the box";
    EXPECT_EQ(result.passes[s] >> 32, 1u + 2 + 1) << "clean, two points, the check of the second";
    EXPECT_EQ(result.passes[s] & 0xFFFFFFFFu, 1u);
    ++fooled;
  }
  EXPECT_GT(fooled, 0);
  EXPECT_EQ(model.passes().backward, 16u) << "one step of 16 lanes, none for the points that fool";
}

TEST(Restarts, ChangeNothingByTheNumberOfLanes) {
  const DataSet data = float_data(23, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  const auto run = [&](std::int64_t restarts, std::int64_t batch) {
    return attack("pgd_linf", {{"epsilon", 0.05}, {"steps", std::int64_t{3}}, {"restarts", restarts}}, data, model,
                  {.batch = batch, .full = false});
  };
  const Attacked once = run(1, 16), five = run(5, 16), wide = run(5, 115);
  EXPECT_EQ(std::memcmp(five.rows.data(), wide.rows.data(), five.rows.size() * sizeof(SampleRow)), 0);
  EXPECT_EQ(five.points, wide.points);
  EXPECT_EQ(five.passes, wide.passes) << "cancelled items are not charged";
  int survivors = 0;
  for (std::size_t s = 0; s < once.rows.size(); ++s) {
    EXPECT_TRUE(five.rows[s].has(SampleRow::fooled_any) || !once.rows[s].has(SampleRow::fooled_any)) << s;
    if (!five.rows[s].has(SampleRow::fooled_any) && five.rows[s].has(SampleRow::clean_correct)) {
      ++survivors;
      EXPECT_GE(five.rows[s].nll, once.rows[s].nll) << "the strongest of five";
      EXPECT_EQ(five.passes[s] >> 32, 1u + 5 * 4);
      EXPECT_EQ(five.passes[s] & 0xFFFFFFFFu, 5u * 3);
    }
  }
  EXPECT_GT(survivors, 0);
}

}  // namespace
}  // namespace assay
