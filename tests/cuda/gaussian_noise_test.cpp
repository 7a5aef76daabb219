// x + N(0, c), Hendrycks & Dietterich 2019.
#include <gtest/gtest.h>

#include <algorithm>

#include "cuda/corruption_run.hpp"
#include "statistics.hpp"

namespace assay {
namespace {

constexpr Published kSigma = {{.04, .06, .08, .09, .10}, {.04, .08, .12, .15, .18}, {.08, .12, .18, .26, .38}};

TEST(GaussianNoise, AddsWhatItDrewTimesThePublishedSigma) {
  const ByteImages images = noise_images(2, 3, 9, 7);
  for (const CorruptionArgs& args : all_args()) {
    const Corrupted result = corrupt("gaussian_noise", args, images);
    for (std::size_t i = 0; i < result.out.size(); ++i) {
      const double expected = images.data[i] / 255.0 + kSigma.at(args) * static_cast<double>(result.draws[i]);
      ASSERT_NEAR(result.out[i], std::clamp(expected, 0.0, 1.0), 3e-7) << text(args);
    }
  }
}

// Mid-gray is more than five sigma from both ends in the smaller table: nothing is clipped.
TEST(GaussianNoise, HasThePublishedSpreadOnMidGray) {
  for (int severity = 1; severity <= 5; ++severity) {
    const CorruptionArgs args{severity, Table::c32};
    std::vector<double> residual;
    for (const float v : corrupt("gaussian_noise", args, flat_images(16, 3, 32, 128)).out)
      residual.push_back((static_cast<double>(v) - 128 / 255.0) / kSigma.at(args));
    const Moments m = moments(residual);
    const auto n = static_cast<double>(residual.size());
    EXPECT_NEAR(m.mean, 0, 4 / std::sqrt(n)) << text(args);
    EXPECT_NEAR(m.variance, 1, 4 * std::sqrt(2 / n)) << text(args);
    EXPECT_LT(ks_statistic(residual, normal_cdf), kKsBound) << text(args);
  }
}

}  // namespace
}  // namespace assay
