// The benchmark's in-place loop, pixel after pixel, between two normal blurs.
#include <gtest/gtest.h>

#include "cuda/blur_cases.hpp"

namespace assay {
namespace {

struct Constants {
  double sigma;
  int reach, iterations;
};
Constants constants(const CorruptionArgs& args) {
  static const Constants all[3][5] = {{{.05, 1, 1}, {.25, 1, 1}, {.4, 1, 1}, {.25, 1, 2}, {.4, 1, 2}},
                                      {{.1, 1, 1}, {.5, 1, 1}, {.6, 1, 2}, {.7, 2, 1}, {.9, 2, 2}},
                                      {{.7, 1, 2}, {.9, 2, 1}, {1, 2, 3}, {1.1, 3, 2}, {1.5, 4, 2}}};
  return all[args.table == Table::c32 ? 0 : args.table == Table::c64 ? 1 : 2][args.severity - 1];
}

std::vector<double> blurred(const std::vector<double>& plane, int h, int w, double sigma) {
  const int reach = static_cast<int>(4 * sigma + 0.5);
  std::vector<double> weights, down(plane.size()), out(plane.size());
  double total = 0;
  for (int i = -reach; i <= reach; ++i) {
    weights.push_back(std::exp(-0.5 * i * i / (sigma * sigma)));
    total += weights.back();
  }
  const auto pass = [&](const std::vector<double>& from, std::vector<double>& to, bool vertical) {
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) {
        double sum = 0;
        for (int i = -reach; i <= reach; ++i) {
          const int sy = vertical ? std::clamp(y + i, 0, h - 1) : y, sx = vertical ? x : std::clamp(x + i, 0, w - 1);
          sum += weights[static_cast<std::size_t>(i + reach)] / total * from[static_cast<std::size_t>(sy * w + sx)];
        }
        to[static_cast<std::size_t>(y * w + x)] = sum;
      }
  };
  pass(plane, down, true);
  pass(down, out, false);
  return out;
}

// Of noise: on flat parts the benchmark's truncation goes by the order of additions.
TEST(GlassBlur, IsTheBenchmarksLoopGivenItsOffsets) {
  for (const auto& [h, w] : {std::pair{32, 32}, {21, 40}}) {
    const ByteImages images = noise_images(1, 3, h, w, 7);
    for (const CorruptionArgs& args : all_args()) {
      const Constants c = constants(args);
      const Corrupted result = corrupt("glass_blur", args, images);
      for (int channel = 0; channel < 3; ++channel) {
        std::vector<double> plane;
        for (int i = 0; i < h * w; ++i)
          plane.push_back(images.data[static_cast<std::size_t>(channel * h * w + i)] / 255.0);
        plane = blurred(plane, h, w, c.sigma);
        for (double& v : plane) v = std::floor(v * 255 + 1e-9);
        for (int iteration = 0; iteration < c.iterations; ++iteration)
          for (int y = h - c.reach; y > c.reach; --y)
            for (int x = w - c.reach; x > c.reach; --x) {
              const auto at = static_cast<std::size_t>(2 * (iteration * h * w + y * w + x));
              const int dx = static_cast<int>(result.draws[at]), dy = static_cast<int>(result.draws[at + 1]);
              ASSERT_TRUE(dx >= -c.reach && dx < c.reach && dy >= -c.reach && dy < c.reach);
              plane[static_cast<std::size_t>(y * w + x)] = plane[static_cast<std::size_t>((y + dy) * w + x + dx)];
            }
        for (double& v : plane) v /= 255;
        plane = blurred(plane, h, w, c.sigma);
        for (int i = 0; i < h * w; ++i)
          ASSERT_NEAR(result.out[static_cast<std::size_t>(channel * h * w + i)], plane[static_cast<std::size_t>(i)],
                      2e-7)
              << text(args) << ", channel " << channel << ", pixel " << i;
      }
    }
  }
}

TEST(GlassBlur, DrawsEveryOffsetEquallyOften) {
  const CorruptionArgs args{5, Table::c224};  // -4 to 3
  const Corrupted result = corrupt("glass_blur", args, noise_images(1, 3, 100, 100));
  std::vector<double> count(8);
  for (const float v : result.draws) ++count.at(static_cast<std::size_t>(v + 4));
  const double expected = static_cast<double>(result.draws.size()) / 8;
  for (const double n : count) EXPECT_NEAR(n, expected, 5 * std::sqrt(expected));
}

}  // namespace
}  // namespace assay
