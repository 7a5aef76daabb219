#include "assay/core/philox.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "statistics.hpp"

namespace assay {
namespace {

using Block = std::array<std::uint32_t, 4>;

Block words(const Words4& w) {
  return {w.v[0], w.v[1], w.v[2], w.v[3]};
}

// Random123's kat_vectors, philox4x32 with 10 rounds.
TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(words(philox4x32({{0, 0, 0, 0}}, 0, 0)), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(words(philox4x32({{kOnes, kOnes, kOnes, kOnes}}, kOnes, kOnes)),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words(philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0)),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// The counter is (element / 4, step, sample, stream) and the key the seed, low word first: the third known answer
// again.
TEST(Draw, PutsBlockStepSampleAndStreamIntoTheCounterAndTheSeedIntoTheKey) {
  const Draw draw{.seed = 0x299f31d0a4093822, .stream = 0x03707344, .sample = 0x13198a2e, .step = 0x85a308d3};
  EXPECT_EQ(words(draw.words(0x243f6a88)), (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Draw, IsAnotherStreamForEveryPartOfItsAddress) {
  std::set<Block> seen;
  for (const std::uint64_t seed : {0ull, 1ull, 1ull << 32})
    for (const std::uint32_t stream : {0u, 1u})
      for (const std::uint32_t sample : {0u, 1u})
        for (const std::uint32_t step : {0u, 1u})
          for (const std::int64_t block : {0, 1}) seen.insert(words(Draw{seed, stream, sample, step}.words(block)));
  EXPECT_EQ(seen.size(), 3u * 2 * 2 * 2 * 2);
}

TEST(UnitFloat, IsAMultipleOfTwoToTheMinus24BelowOne) {
  EXPECT_EQ(unit_float(0), 0.f);
  EXPECT_EQ(unit_float(0xff), 0.f);
  EXPECT_EQ(unit_float(0x100), 0x1p-24f);
  EXPECT_EQ(unit_float(0x80000000), 0.5f);
  EXPECT_EQ(unit_float(0xffffffff), 1.f - 0x1p-24f);
}

TEST(UnitFloat, IsUniform) {
  const Draw draw{.seed = 5, .stream = 6, .sample = 7};
  std::vector<double> values;
  for (std::int64_t block = 0; block < 10000; ++block)
    for (const std::uint32_t word : words(draw.words(block))) values.push_back(unit_float(word));
  EXPECT_LT(ks_statistic(values, uniform_cdf), kKsBound);
}

TEST(Normal4, FollowsTheNormalDistributionInEveryPlace) {
  const Draw draw{.seed = 5, .stream = 6, .sample = 7};
  std::array<std::vector<double>, 4> values;
  for (std::int64_t block = 0; block < 20000; ++block) {
    float z[4];
    draw.normal4(block, z);
    for (std::size_t k = 0; k < 4; ++k) values[k].push_back(z[k]);
  }
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_LT(ks_statistic(values[k], normal_cdf), kKsBound) << k;
    for (std::size_t j = 0; j < k; ++j) {  // uncorrelated: the product's mean is 0 with standard error 1 / sqrt(n)
      double product = 0;
      for (std::size_t i = 0; i < values[k].size(); ++i) product += values[k][i] * values[j][i];
      EXPECT_LT(std::abs(product) / 20000, 4 / std::sqrt(20000.0)) << j << " " << k;
    }
  }
}

// Box-Muller of the same words in double; the tolerance is that of log_unit and sincos_turns times a radius below 6.
TEST(Normal4, IsBoxMullerOnWordsInPairsCosineFirst) {
  const Draw draw{.seed = 11, .stream = 1, .sample = 3};
  for (std::int64_t block = 0; block < 5000; ++block) {
    const Block w = words(draw.words(block));
    float z[4];
    draw.normal4(block, z);
    for (std::size_t k = 0; k < 4; k += 2) {
      const double radius = std::sqrt(-2 * std::log(1 - (w[k] >> 8) * 0x1p-24));
      const double angle = 2 * M_PI * ((w[k + 1] >> 8) * 0x1p-24);
      ASSERT_NEAR(z[k], radius * std::cos(angle), 2e-6) << block;
      ASSERT_NEAR(z[k + 1], radius * std::sin(angle), 2e-6) << block;
    }
  }
}

// python3 -c 'import hashlib; print(hashlib.sha256(b"attack/pgd_linf/0/-/start").hexdigest()[:8])'
TEST(StreamId, IsTheFirst32BitsOfSha256OfTheAddress) {
  EXPECT_EQ(stream_id("attack", "pgd_linf", 0, -1, "start"), 0xa696febbu);
  EXPECT_EQ(stream_id("attack", "pgd_l2", 0, -1, "start"), 0x1915dad1u);
  EXPECT_EQ(stream_id("corruption", "gaussian_noise", 3, -1, "normal"), 0xfb7aa408u);
  EXPECT_EQ(stream_id("corruption", "impulse_noise", 5, -1, "salt"), 0x488017aau);
  EXPECT_EQ(stream_id("attack", "fab_t_linf", 2, 7, "start"), 0x61c5ab5au);
}

}  // namespace
}  // namespace assay
