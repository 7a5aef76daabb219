// Saturation times a plus b in HSV: each channel's distance from the largest, scaled.
#include <gtest/gtest.h>

#include <array>

#include "cuda/corruption_run.hpp"

namespace assay {
namespace {

std::array<double, 2> constants(const CorruptionArgs& args) {
  static const std::array<double, 2> all[3][5] = {{{.3, 0}, {.1, 0}, {1.5, 0}, {2, .1}, {2.5, .2}},
                                                  {{.3, 0}, {.1, 0}, {2, 0}, {5, .1}, {30, .2}},
                                                  {{.3, 0}, {.1, 0}, {2, 0}, {5, .1}, {20, .2}}};
  return all[args.table == Table::c32 ? 0 : args.table == Table::c64 ? 1 : 2][args.severity - 1];
}

TEST(Saturate, ScalesTheDistancesFromTheLargestChannel) {
  ByteImages images = noise_images(1, 3, 40, 40);
  for (std::size_t c = 0; c < 3; ++c) {
    images.data[c * 1600] = 0;
    for (std::size_t i = 1; i < 9; ++i) images.data[c * 1600 + i] = static_cast<std::uint8_t>(i * 30);  // grays
  }
  for (const CorruptionArgs& args : all_args()) {
    const auto [factor, shift] = constants(args);
    const std::vector<float> out = corrupt("saturate", args, images).out;
    for (std::size_t i = 0; i < 1600; ++i) {
      std::array<double, 3> rgb{};
      for (std::size_t c = 0; c < 3; ++c) rgb[c] = images.data[c * 1600 + i] / 255.0;
      const double value = std::max({rgb[0], rgb[1], rgb[2]}), chroma = value - std::min({rgb[0], rgb[1], rgb[2]});
      const double saturation = std::clamp((value > 0 ? chroma / value : 0) * factor + shift, 0.0, 1.0);
      for (std::size_t c = 0; c < 3; ++c) {
        // A gray pixel has the hue 0, which is red's.
        const double share = chroma > 0 ? (value - rgb[c]) / chroma : c == 0 ? 0.0 : 1.0;
        ASSERT_NEAR(out[c * 1600 + i], value * (1 - share * saturation), 2e-7) << text(args) << ", pixel " << i;
      }
    }
  }
}

TEST(Saturate, LeavesTheLargestChannelItsLevel) {
  const ByteImages images = noise_images(1, 3, 64, 64);
  for (const CorruptionArgs& args : all_args()) {
    const std::vector<float> out = corrupt("saturate", args, images).out;
    for (std::size_t i = 0; i < 4096; ++i) {
      const std::uint8_t top = std::max({images.data[i], images.data[4096 + i], images.data[8192 + i]});
      ASSERT_EQ(static_cast<int>(std::max({out[i], out[4096 + i], out[8192 + i]}) * 255.f), top) << text(args);
    }
  }
}

}  // namespace
}  // namespace assay
