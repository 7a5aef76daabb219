// Poisson(c x) / c, Hendrycks & Dietterich 2019.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "cuda/corruption_run.hpp"
#include "statistics.hpp"

namespace assay {
namespace {

constexpr Published kRate = {{500, 250, 100, 75, 50}, {250, 100, 50, 30, 15}, {60, 25, 12, 5, 3}};

double pmf(double rate, int k) {
  return std::exp(k * std::log(rate) - rate - std::lgamma(k + 1.0));
}

// Level and rate such that count / c reaches 1 for a negligible share or, at level 255, for about half.
TEST(ShotNoise, FollowsThePoissonDistribution) {
  for (const auto& [args, level] : std::vector<std::pair<CorruptionArgs, std::uint8_t>>{{{1, Table::c32}, 128},
                                                                                        {{1, Table::c32}, 3},
                                                                                        {{3, Table::c32}, 60},
                                                                                        {{5, Table::c32}, 255},
                                                                                        {{1, Table::c224}, 90},
                                                                                        {{4, Table::c224}, 100},
                                                                                        {{5, Table::c224}, 1},
                                                                                        {{5, Table::c224}, 255}}) {
    const double c = kRate.at(args), rate = c * level / 255;
    const int most = static_cast<int>(c);  // count / c = 1: the last cell holds all above
    std::vector<double> observed(static_cast<std::size_t>(most) + 1), expected(observed.size());
    const Corrupted result = corrupt("shot_noise", args, flat_images(32, 3, 32, level));
    for (const float v : result.out) {
      const double count = static_cast<double>(v) * c;
      ASSERT_NEAR(count, std::round(count), 1e-4);
      ++observed[static_cast<std::size_t>(std::lround(count))];
    }
    double below = 0;
    for (int k = 0; k < most; ++k) {
      below += pmf(rate, k);
      expected[static_cast<std::size_t>(k)] = pmf(rate, k) * static_cast<double>(result.out.size());
    }
    expected.back() = (1 - below) * static_cast<double>(result.out.size());
    EXPECT_LT(chi_squared_sigmas(observed, expected), 4) << text(args) << ", level " << int{level};
  }
}

TEST(ShotNoise, HasMeanXAndVarianceXOverC) {
  for (int severity = 1; severity <= 5; ++severity) {
    const CorruptionArgs args{severity, Table::c32};
    const Corrupted result = corrupt("shot_noise", args, flat_images(16, 3, 32, 80));  // never clipped: 9 sigma below 1
    const Moments m = moments(result.out);
    const auto n = static_cast<double>(result.out.size());
    const double x = 80 / 255.0, c = kRate.at(args), variance = x / c;
    EXPECT_NEAR(m.mean, x, 4 * std::sqrt(variance / n)) << text(args);
    EXPECT_NEAR(m.variance, variance, 4 * variance * std::sqrt((2 + 1 / (c * x)) / n)) << text(args);
  }
}

// The inverse CDF by its definition: the smallest k whose CDF exceeds the uniform. Where the uniform is within 1e-7 of
// either CDF, about two of its own units, rounding may decide.
TEST(ShotNoise, IsTheInverseCdfOfWhatItDrew) {
  const ByteImages images = noise_images(1, 3, 33, 31);
  int checked = 0;
  for (const CorruptionArgs& args : all_args()) {
    const double c = kRate.at(args);
    const Corrupted result = corrupt("shot_noise", args, images);
    for (std::size_t i = 0; i < result.out.size(); ++i) {
      const double rate = c * images.data[i] / 255, u = static_cast<double>(result.draws[i]);
      ASSERT_TRUE(u >= 0 && u < 1);
      if (rate == 0) {
        ASSERT_EQ(result.out[i], 0.f);
        continue;
      }
      double cdf = 0;
      int k = -1;
      while (cdf <= u) cdf += pmf(rate, ++k);
      if (cdf - u < 1e-7 || u - (cdf - pmf(rate, k)) < 1e-7) continue;
      ASSERT_NEAR(result.out[i], std::min(k / c, 1.0), 1e-7)
          << text(args) << ", level " << int{images.data[i]} << ", u " << u;
      ++checked;
    }
  }
  EXPECT_GT(checked, 30000);
}

TEST(ShotNoise, LeavesBlackBlack) {
  for (const CorruptionArgs& args : all_args())
    for (const float v : corrupt("shot_noise", args, flat_images(2, 3, 8, 0)).out) ASSERT_EQ(v, 0.f) << text(args);
}

}  // namespace
}  // namespace assay
