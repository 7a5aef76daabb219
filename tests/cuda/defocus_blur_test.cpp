// A disk with a smoothed rim.
#include <gtest/gtest.h>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

constexpr Published kRadius = {{.3, .4, .5, 1, 1.5}, {.5, 1, 1.5, 2.5, 3}, {3, 4, 6, 8, 10}};

TEST(DefocusBlur, SpreadsAPixelOverADisk) {
  constexpr std::int64_t kSide = 51;
  for (const CorruptionArgs& args : all_args()) {
    const double radius = kRadius.at(args);
    const std::vector<float> out = corrupt("defocus_blur", args, one_white_pixel(kSide)).out;
    double pixels = 0, sum = 0;
    for (int dy = -10; dy <= 10; ++dy)
      for (int dx = -10; dx <= 10; ++dx) pixels += dx * dx + dy * dy <= radius * radius ? 1 : 0;
    for (std::int64_t dy = -25; dy <= 25; ++dy)
      for (std::int64_t dx = -25; dx <= 25; ++dx) {
        const double v = from_middle(out, kSide, dy, dx), distance = std::sqrt(static_cast<double>(dy * dy + dx * dx));
        sum += v;
        // The rim's smoothing reaches one pixel, two with the larger kernel.
        const double rim = radius > 8 ? 2.9 : 1.5;
        const bool outside = distance > radius + rim, inside = distance + rim < radius;
        if (outside || inside) {
          ASSERT_NEAR(v, outside ? 0.0 : 1 / pixels, outside ? 0.0 : 1e-6) << text(args) << " " << dy << " " << dx;
        }
        ASSERT_EQ(v, from_middle(out, kSide, -dy, dx));
        ASSERT_NEAR(v, from_middle(out, kSide, dx, dy), 1e-8);
      }
    // Where the disk touches the edge of the benchmark's kernel, the rim's smoothing folds weight back into it.
    const bool touches = radius == 8 || radius == 10;
    ASSERT_NEAR(sum, touches ? 1.012 : 1.0, touches ? 2e-3 : 1e-5) << text(args);
  }
}

// Measured with OpenCV: kernels of float32 sum to a hair under or over 1, and truncation makes a level of it.
TEST(DefocusBlur, DarkensFlatImagesWhereOpenCvDoes) {
  for (const auto& [args, level] : {std::pair{CorruptionArgs{1, Table::c224}, 199},
                                    {{2, Table::c224}, 199},
                                    {{3, Table::c224}, 199},
                                    {{4, Table::c224}, 202},
                                    {{5, Table::c224}, 202},
                                    {{1, Table::c64}, 200},
                                    {{5, Table::c64}, 199},
                                    {{1, Table::c32}, 200}})
    for (const float v : corrupt("defocus_blur", args, flat_images(1, 3, 40, 200)).out)
      ASSERT_EQ(static_cast<int>(v * 255.f), level) << text(args);
}

}  // namespace
}  // namespace assay
