// Loss and step size at every point of an attack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <tuple>

#include "cuda/attack_run.hpp"

namespace assay {
namespace {

/// Comparable to the bit: NaN is equal to itself.
using Bits = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint16_t, std::uint32_t, std::uint32_t>;
std::vector<Bits> bits(const std::vector<TraceStep>& trace) {
  std::vector<Bits> all;
  for (const TraceStep& one : trace)
    all.emplace_back(one.sample, one.item, one.query, one.target, std::bit_cast<std::uint32_t>(one.loss),
                     std::bit_cast<std::uint32_t>(one.step));
  return all;
}

TEST(Trace, HasTheLossesOfALinearModelInClosedForm) {
  // Within the ball and the box every step adds its length times the dual norm of w to the margin.
  const DataSet data = inner_data(20, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  const std::map<std::string, double> dual = {
      {"pgd_linf", dual_norm("linf", w)}, {"mi_fgsm", dual_norm("linf", w)}, {"pgd_l2", dual_norm("l2", w)}};
  for (const auto& [name, rise] : dual) {
    const double epsilon = name == "pgd_l2" ? 1 : 0.25;
    Params params = {{"epsilon", epsilon}, {"steps", std::int64_t{7}}, {"step", 0.01}, {"loss", std::string("margin")}};
    if (name != "mi_fgsm") params["random_start"] = false;
    const std::vector<TraceStep> trace = attack(name, params, data, model, {.trace = true}).trace;
    ASSERT_EQ(trace.size(), 20u * 8) << name;
    for (std::size_t i = 0; i < trace.size(); ++i) {
      const TraceStep& one = trace[i];
      ASSERT_EQ(one.sample, i / 8);
      ASSERT_EQ(one.item, 0u);
      ASSERT_EQ(one.query, i % 8);
      EXPECT_EQ(one.target, kNoTarget);
      const double clean = model.logit(1, data.floats.data() + one.sample * data.dim());
      EXPECT_NEAR(one.loss, clean + 0.01 * rise * one.query, 1e-5 * rise) << name << " at " << one.query;
      if (one.query < 7)
        EXPECT_EQ(one.step, 0.01f) << name;
      else
        EXPECT_TRUE(std::isnan(one.step)) << name << ": the last point is only looked at";
    }
  }
}

TEST(Trace, HalvesApgdsStepAtItsCheckpoints) {
  // On a linear model the first step reaches the corner, after which no loss rises: every checkpoint halves. In parts
  // of the steps they are p(1) = 0.22, p(j + 1) = p(j) + max(p(j) - p(j - 1) - 0.03, 0.06).
  const DataSet data = inner_data(4, 1, 5, 7);
  LinearModel model = two_class_model(direction(data.dim()), -0.3f, 4);
  const Params params = {{"epsilon", 0.125}, {"steps", std::int64_t{100}}};
  for (const char* name : {"apgd_ce_linf", "apgd_ce_l2"}) {
    const std::vector<TraceStep> trace = attack(name, params, data, model, {.trace = true}).trace;
    ASSERT_GE(trace.size(), 4u * 101) << name;
    for (const TraceStep& one : trace) {
      if (one.query >= 100) {
        EXPECT_TRUE(std::isnan(one.step)) << name << ": the best point has no step to it";
        continue;
      }
      int halved = 0;
      for (const std::uint32_t checkpoint : {22u, 41u, 57u, 70u, 80u, 87u, 93u, 99u})
        halved += one.query >= checkpoint ? 1 : 0;
      EXPECT_EQ(one.step, 0.25f / static_cast<float>(1 << halved)) << name << " at " << one.query;
    }
  }
}

TEST(Trace, SaysNothingOfStepsWhereAPhaseOfApgdInL1Begins) {
  // Three tenths of 20 steps in each of the first two phases: their last points are known after 6 steps.
  const DataSet data = inner_data(1, 1, 5, 7);
  LinearModel model = two_class_model(direction(data.dim()), -0.3f, 4);
  const Params params = {{"epsilon", 0.25}, {"steps", std::int64_t{20}}};
  std::vector<std::uint32_t> without;
  std::vector<float> first;
  for (const TraceStep& one : attack("apgd_ce_l1", params, data, model, {.trace = true}).trace) {
    if (std::isnan(one.step) && one.query < 20) without.push_back(one.query);
    if (one.query % 7 == 0 && one.query < 21) first.push_back(one.step);
  }
  EXPECT_THAT(without, testing::ElementsAre(6, 13));
  EXPECT_THAT(first, testing::ElementsAre(0.75f, 0.5f, 0.25f)) << "each phase's radius";
}

TEST(Trace, CountsTheRoundsOfAllMembersAndEveryAnswerThatIsCharged) {
  const DataSet data = float_data(53, 1, 5, 7, 0.f, 1.f, 5);
  LinearModel model = linear_model(5, data.dim());
  const Params params = {{"epsilon", 0.02},
                         {"members", std::string("pgd_linf steps=3 restarts=2; apgd_t_linf steps=5 targets=3; "
                                                 "fab_linf steps=3; square_linf queries=20")}};
  const auto run = [&](const AttackOptions& options) { return attack("ensemble_linf", params, data, model, options); };
  for (const bool full : {false, true}) {
    const Attacked whole = run({.batch = 64, .full = full, .trace = true}), plain = run({.batch = 64, .full = full});
    EXPECT_TRUE(std::ranges::is_sorted(bits(whole.trace))) << "by sample, item and query";
    EXPECT_EQ(whole.points, plain.points) << "a trace changes nothing";
    EXPECT_EQ(whole.passes, plain.passes);
    std::vector<std::uint64_t> answers(53);
    std::vector<int> rounds(7);
    for (const TraceStep& one : whole.trace) {
      ++answers.at(one.sample);
      ++rounds.at(one.item);
      const bool targeted = one.item >= 2 && one.item < 5, ascends = one.item < 5;
      EXPECT_EQ(one.target != kNoTarget, targeted) << one.item;
      if (targeted) {
        EXPECT_NE(one.target, data.labels[one.sample]);
        EXPECT_LT(one.target, 5);
      }
      EXPECT_EQ(std::isnan(one.loss), !ascends) << "a loss for each class, or none";
      EXPECT_TRUE(ascends || std::isnan(one.step));
    }
    EXPECT_THAT(rounds, testing::Each(testing::Gt(0)));
    for (std::size_t s = 0; s < answers.size(); ++s) {
      // Besides the clean pass, and the one that verifies a success.
      const std::uint64_t verified = whole.rows[s].has(SampleRow::fooled_final) ? 1 : 0;
      EXPECT_EQ(answers[s] + 1 + verified, whole.passes[s] >> 32) << s << (full ? ", full" : "");
    }
    for (const AttackOptions& options : {AttackOptions{.batch = 16, .full = full, .trace = true},
                                         {.batch = 19, .full = full, .trace = true},
                                         {.batch = 16, .full = full, .cuts = {1, 20, 44}, .trace = true}})
      EXPECT_EQ(bits(run(options).trace), bits(whole.trace)) << options.batch;
  }
}

TEST(Trace, HasFgsmsOneStep) {
  const DataSet data = inner_data(2, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  const Params params = {{"epsilon", 0.05}, {"loss", std::string("margin")}};
  const std::vector<TraceStep> trace = attack("fgsm", params, data, model, {.trace = true}).trace;
  ASSERT_EQ(trace.size(), 4u);
  for (const std::size_t first : {0u, 2u}) {
    EXPECT_EQ(trace[first].step, 0.05f);
    EXPECT_TRUE(std::isnan(trace[first + 1].step));
    EXPECT_NEAR(trace[first + 1].loss - trace[first].loss, 0.05 * dual_norm("linf", w), 1e-5);
  }
}

}  // namespace
}  // namespace assay
