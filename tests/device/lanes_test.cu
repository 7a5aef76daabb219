// The lanes' launches (core/lanes.hpp) that no unit of 16 lanes takes: tables that shrink, claims that do not hold.
#include <limits>

#include "assay/sweep.hpp"
#include "core/lanes.hpp"
#include "device/device.hpp"
#include "device/linear_model.hpp"
#include "engine/evaluate.hpp"
#include "images.hpp"

namespace assay {
namespace {

class DeviceLanes : public BothBackends {};

TEST_F(DeviceLanes, ShrinkToTheResultsOfTheCpu) {
  DataSet data = float_data(20, 1, 2, 3, 0.f, 1.f, 3);
  const StopFlag stop{false};
  {  // all right when clean, so that all lanes have work and some lose it on the way
    DeviceLinearModel model(cpu, 3, data.dim(), 32, 0.5f);
    const auto clean = Evaluator(cpu, data, 32, 3, stop).plain(nullptr, 0, data.n, {&model}).front();
    for (std::size_t s = 0; s < data.labels.size(); ++s) data.labels[s] = clean.rows[s].prediction;
  }
  const Params given = {{"epsilon", 0.25}, {"steps", std::int64_t{8}}, {"random_start", false}};
  const Perturbation attack = check_perturbation(Perturbation::Kind::attack, "pgd_linf", given, "test");
  const auto run = [&](const Exec& exec) {
    Evaluator evaluator(exec, data, 32, 3, stop);
    DeviceLinearModel model(exec, 3, data.dim(), 32, 0.5f);
    AttackExport exported;
    exported.trace.emplace();
    const UnitResult unit = evaluator.attacked(attack, 0, data.n, model, &exported);
    EXPECT_EQ(unit.error, "");
    EXPECT_LT(unit.evaluated.backward, 32u * (8 + (exec.backend == Backend::cuda ? 4 : 0))) << "lanes got fewer";
    std::vector<float> all = exported.points;
    for (const std::uint64_t passes : exported.passes) all.push_back(static_cast<float>(passes >> 32));
    EXPECT_GT(exported.trace->size(), 20u * 2);
    for (const TraceStep& one : *exported.trace)
      all.insert(all.end(), {static_cast<float>(one.sample), static_cast<float>(one.query), one.loss, one.step});
    for (const SampleRow& row : unit.rows) all.insert(all.end(), {static_cast<float>(row.flags), row.nll});
    return all;
  };
  const std::vector<float> expected = run(cpu);
  in_every_order([&] { EXPECT_TRUE(same_bits(run(cuda), expected)); });
}

TEST_F(DeviceLanes, AimAsTheCpuDoes) {
  // More classes than a team has workers, ties, and a row that is not finite.
  constexpr int kClasses = 300, kRows = 6;
  std::vector<float> z(kRows * kClasses);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = static_cast<float>(i * i % 97);
  z[2 * kClasses + 5] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::uint16_t> labels = {0, 7, 5, 299, 150, 7};
  for (const Aim aim :
       {Aim{Aim::At::second}, Aim{Aim::At::least_likely}, Aim{Aim::At::next}, Aim{Aim::At::number, 7}}) {
    const auto run = [&](const Exec& exec) {
      const Held<std::uint16_t> flags(exec, std::vector<std::uint16_t>(kRows, SampleRow::clean_correct)),
          goal(exec, std::vector<std::uint16_t>(kRows)), label(exec, labels);
      const Held<float> logits(exec, z);
      Pool pool;
      pool.n = kRows - 1;
      pool.flags = flags.data();
      pool.goal = goal.data();
      aim_samples(exec, pool, aim, 0, kRows, kClasses, logits.data(), label.data());
      std::vector<std::uint16_t> all = flags.fetch();
      for (const std::uint16_t target : goal.fetch()) all.push_back(target);
      return all;
    };
    const std::vector<std::uint16_t> expected = run(cpu);
    const bool fixed = aim.at == Aim::At::number;
    EXPECT_EQ(expected[1], SampleRow::clean_correct + (fixed ? SampleRow::label_is_target + SampleRow::retired : 0));
    EXPECT_EQ(expected[5], SampleRow::clean_correct) << "padding";
    in_every_order([&] { EXPECT_TRUE(same_bits(run(cuda), expected)); });
  }
}

TEST_F(DeviceLanes, LeaveOutGradientsAsTheCpuDoes) {
  // More lanes than a team has workers.
  constexpr std::size_t kLanes = 300;
  constexpr std::uint64_t kOnce = std::uint64_t{1} << 32;
  std::vector<Verdict> verdicts;
  std::vector<Seen> answers;
  for (std::size_t r = 0; r < kLanes; ++r) {
    verdicts.push_back(r % 5 == 0 ? Verdict::look : Verdict::advance);
    answers.push_back(r % 3 == 0 ? Seen::right : r % 3 == 1 ? Seen::wrong : Seen::broken);
  }
  const auto run = [&](const Exec& exec) {
    const Held<Verdict> verdict(exec, verdicts);
    const Held<Seen> seen(exec, answers);
    const Held<std::uint64_t> spent(exec, std::vector<std::uint64_t>(kLanes, 3 * kOnce));
    const Held<PoolCounts> counts(exec, std::vector<PoolCounts>(1));
    Pool pool;
    pool.counts = counts.data();
    LaneTable lanes;
    lanes.batch.lanes = kLanes;
    lanes.batch.verdict = verdict.data();
    lanes.seen = seen.data();
    lanes.spent = spent.data();
    count_ended(exec, pool, lanes);
    hold_back(exec, lanes);
    std::vector<std::uint64_t> all = spent.fetch();
    all.push_back(counts.fetch()[0].active);
    all.push_back(counts.fetch()[0].gradients);
    return all;
  };
  const std::vector<std::uint64_t> expected = run(cpu);
  EXPECT_EQ(expected[kLanes], 160u);
  EXPECT_EQ(expected[kLanes + 1], 80u);
  EXPECT_EQ(expected[3], 2 * kOnce);
  EXPECT_EQ(expected[4], 3 * kOnce);
  in_every_order([&] { EXPECT_EQ(run(cuda), expected); });
}

TEST_F(DeviceLanes, JudgeClaimsAsTheCpuDoes) {
  // Within, too far in L-infinity, too far in L2 alone, out of the box, not finite, and an answer that is right.
  constexpr std::int64_t kDim = 300, kRows = 6;
  std::vector<float> clean(kRows * kDim, 0.5f), point = clean;
  const auto at = [&](std::int64_t row) { return point.begin() + row * kDim; };
  at(0)[299] = 0.75f;
  at(1)[7] = 0.8f;
  at(2)[0] = at(2)[1] = 0.75f;
  at(3)[5] = 1.5f;
  at(4)[256] = std::numeric_limits<float>::quiet_NaN();
  at(5)[1] = 0.75f;
  const SampleRow wrong{1, 0, 0.9f, 2.f, 1.f}, right{0, SampleRow::correct, 0.9f, 0.1f, 0.1f};
  for (const int asked : {1, 3})
    for (const Norm norm : {Norm::linf, Norm::l2}) {
      const auto run = [&](const Exec& exec) {
        const Held<std::uint16_t> votes(exec, std::vector<std::uint16_t>(kRows, 77));
        const Held<std::uint16_t> flags(exec, std::vector<std::uint16_t>(kRows, SampleRow::clean_correct));
        const Held<std::uint32_t> winner(exec, std::vector<std::uint32_t>(kRows, 0)), list(exec, {5, 4, 3, 2, 1, 0});
        const Held<SampleRow> rows(exec, std::vector<SampleRow>(kRows)),
            answer(exec, {wrong, wrong, wrong, wrong, wrong, right}), lucky(exec, std::vector<SampleRow>(kRows, wrong));
        const Held<std::uint64_t> spent(exec, std::vector<std::uint64_t>(kRows));
        const Held<PoolCounts> counts(exec, std::vector<PoolCounts>(1));
        const Held<float> from(exec, clean), to(exec, point);
        Pool pool;
        pool.n = kRows;
        pool.dim = kDim;
        pool.spent = spent.data();
        pool.flags = flags.data();
        pool.winner = winner.data();
        pool.rows = rows.data();
        pool.counts = counts.data();
        pool.epsilon = 0.25f;
        pool.asked = asked;
        if (asked > 1) pool.votes = votes.data();
        for (int nth = 0; nth < asked; ++nth)
          verify_points(exec, pool, norm, list.data(), kRows, (nth == 1 ? lucky : answer).data(), from.data(),
                        to.data(), nth);
        finish_rows(exec, pool);
        return rows.fetch();
      };
      const std::vector<SampleRow> expected = run(cpu);
      EXPECT_TRUE(expected[5].has(SampleRow::fooled_any)) << "row 0 is of sample 5";
      EXPECT_EQ(expected[3].has(SampleRow::fooled_any), norm == Norm::linf);
      for (const std::size_t sample : {0u, 1u, 2u, 4u})
        EXPECT_TRUE(expected[sample].has(SampleRow::undecided)) << sample;
      in_every_order([&] { EXPECT_TRUE(same_bits(run(cuda), expected)); });
    }
}

}  // namespace
}  // namespace assay
