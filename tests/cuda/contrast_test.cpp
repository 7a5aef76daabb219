// (x - mean) c + mean with a mean a channel, Hendrycks & Dietterich 2019.
#include <gtest/gtest.h>

#include <algorithm>

#include "cuda/corruption_run.hpp"

namespace assay {
namespace {

constexpr Published kFactor = {{.75, .5, .4, .3, .15}, {.4, .3, .2, .1, .05}, {.4, .3, .2, .1, .05}};

TEST(Contrast, IsTheFormulaInDouble) {
  ByteImages images = noise_images(3, 3, 19, 17);
  for (std::size_t i = 0; i < 323; ++i)
    images.data[i] = static_cast<std::uint8_t>(images.data[i] / 8);  // channels differ
  for (const CorruptionArgs& args : all_args()) {
    const Corrupted result = corrupt("contrast", args, images);
    for (std::size_t plane = 0; plane < 9; ++plane) {
      double mean = 0;
      for (std::size_t i = 0; i < 323; ++i) mean += images.data[plane * 323 + i] / 255.0 / 323;
      for (std::size_t i = 0; i < 323; ++i) {
        const double x = images.data[plane * 323 + i] / 255.0;
        ASSERT_NEAR(result.out[plane * 323 + i], std::clamp((x - mean) * kFactor.at(args) + mean, 0.0, 1.0), 2e-7)
            << text(args);
      }
    }
  }
}

TEST(Contrast, LeavesAFlatImage) {
  for (const std::uint8_t level : std::initializer_list<std::uint8_t>{0, 1, 77, 255})
    for (const CorruptionArgs& args : all_args())
      for (const float v : corrupt("contrast", args, flat_images(1, 3, 40, level)).out)
        ASSERT_NEAR(v, level / 255.0, 1e-7);
}

}  // namespace
}  // namespace assay
