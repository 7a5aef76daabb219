// Salt and pepper, Hendrycks & Dietterich 2019.
#include <gtest/gtest.h>

#include "cuda/corruption_run.hpp"
#include "statistics.hpp"

namespace assay {
namespace {

constexpr Published kAmount = {{.01, .02, .03, .05, .07}, {.01, .02, .05, .08, .14}, {.03, .06, .09, .17, .27}};

TEST(ImpulseNoise, ReplacesThePublishedShareHalfByWhiteHalfByBlack) {
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<float> out = corrupt("impulse_noise", args, flat_images(16, 3, 32, 100)).out;
    const auto n = static_cast<double>(out.size());
    double salt = 0, pepper = 0;
    for (const float v : out) {
      ASSERT_TRUE(v == 0.f || v == 1.f || v == 100 / 255.f) << v;
      salt += v == 1.f ? 1 : 0;
      pepper += v == 0.f ? 1 : 0;
    }
    const double share = kAmount.at(args);
    EXPECT_NEAR((salt + pepper) / n, share, 4 * std::sqrt(share * (1 - share) / n)) << text(args);
    EXPECT_NEAR(salt / (salt + pepper), 0.5, 4 * std::sqrt(0.25 / (salt + pepper))) << text(args);
  }
}

TEST(ImpulseNoise, DoesWhatItDrew) {
  const ByteImages images = noise_images(2, 3, 9, 7);
  for (const CorruptionArgs& args : all_args()) {
    const Corrupted result = corrupt("impulse_noise", args, images);
    const std::size_t size = 3 * 63;
    for (std::size_t s = 0; s < 2; ++s)
      for (std::size_t i = 0; i < size; ++i) {
        const double flip = static_cast<double>(result.draws[2 * s * size + i]);
        const double salt = static_cast<double>(result.draws[(2 * s + 1) * size + i]);
        const float x = static_cast<float>(images.data[s * size + i] / 255.0);
        ASSERT_EQ(result.out[s * size + i], flip > kAmount.at(args) ? x : (salt > 0.5 ? 0.f : 1.f)) << text(args);
      }
  }
}

TEST(ImpulseNoise, DrawsUniformNumbersIndependently) {
  const Corrupted result = corrupt("impulse_noise", {1, Table::c32}, flat_images(1, 3, 64, 0));
  const auto half = static_cast<std::ptrdiff_t>(result.draws.size() / 2);
  const std::vector<double> flip(result.draws.begin(), result.draws.begin() + half),
      salt(result.draws.begin() + half, result.draws.end());
  EXPECT_LT(ks_statistic(flip, uniform_cdf), kKsBound);
  EXPECT_LT(ks_statistic(salt, uniform_cdf), kKsBound);
  double product = 0;
  for (std::size_t i = 0; i < flip.size(); ++i) product += (flip[i] - 0.5) * (salt[i] - 0.5);
  const auto n = static_cast<double>(flip.size());
  EXPECT_NEAR(product / n, 0, 4.0 / 12 / std::sqrt(n));
}

}  // namespace
}  // namespace assay
