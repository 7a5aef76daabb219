// The engine's own launches (core/rows.hpp) that no unit of the other tests takes all branches of.
#include <limits>

#include "assay/rank.hpp"
#include "core/rows.hpp"
#include "device/device.hpp"
#include "images.hpp"

namespace assay {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

class Rows : public BothBackends {};

TEST_F(Rows, HaveTheLumaOfTheCpu) {
  const DataSet colours = float_data(2, 3, 9, 13, 0.f, 1.f, 2);
  const auto run = [&](const Exec& exec) {
    const Held<float> rgb(exec, colours.floats), gray(exec, std::vector<float>(colours.floats.size() / 3));
    luma(exec, rgb.data(), {gray.data(), 2, 1, 9, 13});
    return gray.fetch();
  };
  const auto expected = run(cpu);
  in_every_order([&] { EXPECT_TRUE(same_bits(run(cuda), expected)); });
}

TEST_F(Rows, HaveTheOrderOfTheCpu) {
  for (const int n : {0, 1, 5000}) {
    std::vector<SampleRow> rows;
    for (int i = 0; i < n; ++i)
      rows.push_back({0, static_cast<std::uint16_t>(i % 3 == 0 ? SampleRow::correct : 0),
                      static_cast<float>(i * 37 % 1009) / 1008.f, 0.f, 0.f});
    const Ranking expected = by_confidence(rows), ranking = by_confidence(rows, cuda);
    ASSERT_EQ(ranking.size(), expected.size());
    for (std::size_t i = 0; i < ranking.size(); ++i) {
      EXPECT_EQ(ranking[i].score, expected[i].score);
      EXPECT_EQ(ranking[i].count, expected[i].count);
      EXPECT_EQ(ranking[i].hits, expected[i].hits);
    }
  }
}

#if defined(ASSAY_SIMT)
TEST_F(Rows, HaveTheirOrderWhereTheDeviceIsLost) {
  std::vector<SampleRow> rows(3, {0, 0, 0.5f, 0.f, 0.f});
  rows[1].confidence = 0.25f;
  // Memory, a copy, Thrust's memory, its kernel, a copy; and three times waiting.
  for (int at = 1; at <= 9; ++at) {
    simt::restart();
    simt::device().fault_at = at;
    const Ranking ranking = by_confidence(rows, cuda);
    EXPECT_EQ(simt::device().calls >= at, at <= 8) << "the fault is behind the last call";
    ASSERT_EQ(ranking.size(), 2u);
    EXPECT_EQ(ranking[0].score, 0.25f);
    EXPECT_EQ(ranking[1].count, 2u);
  }
}
#endif

TEST_F(Rows, HaveTheScoresOfTheCpu) {
  // Ordinary, sure and wrong, a tie, and broken ones; often enough for a CPU to take eight at once.
  constexpr int kRows = 6, kTimes = 3;
  const std::vector<float> p = {0.2f, 0.5f, 0.3f, /**/ 1.f,  0.f, 0.f,   /**/ 0.4f, 0.4f, 0.2f,
                                kNan, 0.5f, 0.5f, /**/ 1.5f, 0.f, -0.5f, /**/ 0.f,  0.f,  1.f};
  const std::vector<float> z = {0.f,  2.f, 1.f, /**/ 90.f,      -90.f, 0.f, /**/ 2.f, 2.f,        0.f,
                                kNan, 0.f, 0.f, /**/ kInfinity, 0.f,   0.f, /**/ 1.f, -kInfinity, 0.f};
  const std::vector<std::uint16_t> labels = {1, 1, 0, 1, 1, 2}, known = {0, SampleRow::fooled_any, 0, 0, 0, 0};
  const auto repeated = [](const auto& once) {
    auto all = once;
    for (int i = 1; i < kTimes; ++i) all.insert(all.end(), once.begin(), once.end());
    return all;
  };
  const auto run = [&](const Exec& exec) {
    const Held<float> probabilities(exec, repeated(p)), logits(exec, repeated(z));
    const Held<std::uint16_t> label(exec, repeated(labels)), flags(exec, repeated(known));
    const std::vector<SampleRow> none(kRows * kTimes);
    const Held<SampleRow> a(exec, none), b(exec, none);
    score_probabilities(exec, kRows * kTimes, 3, probabilities.data(), label.data(), a.data());
    score_logits(exec, kRows * kTimes, 3, logits.data(), label.data(), flags.data(), b.data());
    std::vector<SampleRow> all = a.fetch();
    for (const SampleRow& row : b.fetch()) all.push_back(row);
    return all;
  };
  const auto expected = run(cpu);
  EXPECT_TRUE(expected[3].has(SampleRow::undecided));
  EXPECT_EQ(expected[1].nll, kInfinity);
  in_every_order([&] { EXPECT_TRUE(same_bits(run(cuda), expected)); });
}

}  // namespace
}  // namespace assay
