// Made-up ice: ridges of a plasma, pale blue, mixed with the image as frost is.
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

constexpr Published kImage = {{1, 1, .9, .85, .75}, {1, .9, .8, .75, .7}, {1, .8, .7, .65, .6}};
constexpr Published kIce = {{.2, .3, .4, .4, .45}, {.3, .4, .45, .5, .55}, {.4, .6, .7, .7, .75}};

TEST(FrostProc, IsPaleBlueWithinItsBounds) {
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<float> out = corrupt("frost_proc", args, flat_images(1, 1, 40, 0)).out;
    float least = 1, most = 0;
    for (std::size_t i = 0; i < 1600; ++i) {
      const float blue = out[3200 + i];
      ASSERT_NEAR(out[i], .85f * blue, 2e-7f);
      ASSERT_NEAR(out[1600 + i], .95f * blue, 2e-7f);
      least = std::min(least, blue);
      most = std::max(most, blue);
    }
    const auto weight = static_cast<float>(kIce.at(args));
    EXPECT_GE(least, weight * 60 / 255 - 1e-6f) << text(args);
    EXPECT_LE(most, weight * 240 / 255 + 1e-6f) << text(args);
    EXPECT_GT(most, least + weight * 40 / 255) << text(args);
  }
}

TEST(FrostProc, AddsItsIceToAWeakerImage) {
  const ByteImages image = noise_images(1, 3, 40, 40);
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<float> ice = corrupt("frost_proc", args, flat_images(1, 3, 40, 0)).out;
    const std::vector<float> out = corrupt("frost_proc", args, image).out;
    for (std::size_t i = 0; i < out.size(); ++i)
      ASSERT_NEAR(out[i], std::min(1., kImage.at(args) * image.data[i] / 255. + static_cast<double>(ice[i])), 2e-7)
          << text(args);
  }
}

}  // namespace
}  // namespace assay
