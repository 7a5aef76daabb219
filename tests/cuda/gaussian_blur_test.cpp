// A normal kernel, truncated at four sigma.
#include <gtest/gtest.h>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

constexpr Published kSigma = {{.4, .6, .7, .8, 1}, {.5, .75, 1, 1.25, 1.5}, {1, 2, 3, 4, 6}};

TEST(GaussianBlur, SpreadsAPixelAsTheNormalDensityUpToFourSigma) {
  constexpr std::int64_t kSide = 61;
  for (const CorruptionArgs& args : all_args()) {
    const double sigma = kSigma.at(args);
    const auto reach = static_cast<std::int64_t>(4 * sigma + 0.5);
    double total = 0;
    for (std::int64_t i = -reach; i <= reach; ++i)
      total += std::exp(-0.5 * static_cast<double>(i * i) / (sigma * sigma));
    const std::vector<float> out = corrupt("gaussian_blur", args, one_white_pixel(kSide)).out;
    for (std::int64_t dy = -30; dy <= 30; ++dy)
      for (std::int64_t dx = -30; dx <= 30; ++dx) {
        const bool inside = std::max(std::abs(dy), std::abs(dx)) <= reach;
        const double density =
            std::exp(-0.5 * static_cast<double>(dy * dy + dx * dx) / (sigma * sigma)) / (total * total);
        ASSERT_NEAR(from_middle(out, kSide, dy, dx), inside ? density : 0.0, 1e-7)
            << text(args) << " " << dy << " " << dx;
      }
  }
}

TEST(GaussianBlur, RepeatsTheEdge) {
  // White above black: every column is the same step, smoothed by the kernel's cumulated weights.
  ByteImages images = flat_images(1, 1, 12, 0);
  std::fill_n(images.data.begin(), 12 * 2, std::uint8_t{255});
  const CorruptionArgs args{3, Table::c64};  // sigma 1, radius 4
  double weights[9], total = 0;
  for (int i = -4; i <= 4; ++i) total += weights[i + 4] = std::exp(-0.5 * i * i);
  const std::vector<float> out = corrupt("gaussian_blur", args, images).out;
  for (int y = 0; y < 12; ++y) {
    double expected = 0;
    for (int i = -4; i <= 4; ++i)
      if (y + i < 2) expected += weights[i + 4] / total;  // lines before the first one are white as it is
    for (int x = 0; x < 12; ++x)
      ASSERT_NEAR(out[static_cast<std::size_t>(y * 12 + x)], expected, 1e-6) << y << " " << x;
  }
}

}  // namespace
}  // namespace assay
