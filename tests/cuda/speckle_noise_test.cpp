// x + x N(0, c).
#include <gtest/gtest.h>

#include "cuda/corruption_run.hpp"

namespace assay {
namespace {

constexpr Published kSigma = {{.06, .1, .12, .16, .2}, {.15, .2, .25, .3, .35}, {.15, .2, .35, .45, .6}};

TEST(SpeckleNoise, AddsWhatItDrewTimesThePublishedSigmaAndTheValue) {
  const ByteImages images = noise_images(2, 3, 16, 15);
  for (const CorruptionArgs& args : all_args()) {
    const Corrupted result = corrupt("speckle_noise", args, images);
    for (std::size_t i = 0; i < result.out.size(); ++i) {
      const double x = images.data[i] / 255.0;
      ASSERT_NEAR(result.out[i], std::clamp(x + x * kSigma.at(args) * static_cast<double>(result.draws[i]), 0.0, 1.0),
                  3e-7)
          << text(args);
    }
  }
}

TEST(SpeckleNoise, LeavesBlackBlack) {
  for (const CorruptionArgs& args : all_args())
    for (const float v : corrupt("speckle_noise", args, flat_images(1, 3, 8, 0)).out) ASSERT_EQ(v, 0.f);
}

}  // namespace
}  // namespace assay
