// A plasma fractal laid over the image: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C,
// Tiny-ImageNet-C and CIFAR-10-C. Diamond-square on a torus; a new point is the mean of four plus wibble times a
// uniform number in [-wibble, wibble): the amplitude is the wibble's square, as in the benchmark's code. The map is as
// large as the benchmark's, or the next power of two that holds the image.
#include <algorithm>

#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

struct Constants {
  double strength, decay;
};
constexpr Severities<Constants> kConstants = {{{1.5, 2}, {2, 2}, {2.5, 1.7}, {2.5, 1.5}, {3, 1.4}},
                                              {{.4, 3}, {.7, 3}, {1, 2.5}, {1.5, 2}, {2, 1.75}},
                                              {{.2, 3}, {.5, 3}, {.75, 2.5}, {1, 2}, {1.5, 1.75}}};

int map_side(const CorruptionShape& of) {
  int side = of.args.table == Table::c224 ? 256 : static_cast<int>(of.args.table);
  while (side < std::max(of.h, of.w)) side *= 2;
  return side;
}

struct Fog {
  [[maybe_unused]] static constexpr int kTeamsTogether = 3;
  Constants c;
  int side;
  std::uint32_t stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    auto* const map = reinterpret_cast<double*>(row.scratch);
    const std::int64_t points = std::int64_t{side} * side;
    const Draw draw = row.draw(stream);
    float* drawn = row.draws;
    // What each point draws stands in its place until it is computed.
    team.each(points / 4, [=](std::int64_t block) {
      const Quad<float> u = units(draw.words(block));
      for (int k = 0; k < 4; ++k) {
        map[4 * block + k] = static_cast<double>(u.v[k]);
        if (drawn != nullptr) drawn[4 * block + k] = u.v[k];
      }
    });
    team.once([=] { map[0] = 0.0; });
    double wibble = 100.0;
    for (int step = side; step >= 2; step /= 2, wibble /= c.decay) {
      const int half = step / 2, mask = side - 1, cells = side / step, width = side;
      const double range = wibble;
      const auto fill = [=](int y, int x, double sum) {
        double& point = map[std::int64_t{y} * width + x];
        point = sum / 4.0 + range * ((2.0 * point - 1.0) * range);
      };
      const auto at = [=](int y, int x) { return map[std::int64_t{y & mask} * width + (x & mask)]; };
      team.each(std::int64_t{cells} * cells, [=](std::int64_t i) {
        const int y = static_cast<int>(i / cells) * step, x = static_cast<int>(i % cells) * step;
        fill(y + half, x + half, (at(y, x) + at(y + step, x)) + (at(y, x + step) + at(y + step, x + step)));
      });
      team.sync();
      team.each(std::int64_t{cells} * cells, [=](std::int64_t i) {
        const int y = static_cast<int>(i / cells) * step, x = static_cast<int>(i % cells) * step;
        const double corner = at(y, x), middle = at(y + half, x + half);
        fill(y, x + half, (middle + at(y - half, x + half)) + (corner + at(y, x + step)));
        fill(y + half, x, (middle + at(y + half, x - half)) + (corner + at(y + step, x)));
      });
      team.sync();
    }
    const double low = -team.max(points, -1e300, [=](std::int64_t i) { return -map[i]; });
    const double high = team.max(points, -1e300, [=](std::int64_t i) { return map[i]; }) - low;
    const std::int64_t size = row.channels * row.plane();
    const std::uint8_t* bytes = row.bytes;
    const std::int32_t top = team.max(size, std::int32_t{0}, [=](std::int64_t i) { return std::int32_t{bytes[i]}; });
    const double largest = unit_pixel64(static_cast<std::uint8_t>(top)), strength = c.strength;
    const std::int64_t plane = row.plane();
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w), width = side;
    const std::uint8_t *red = row.channel(0), *green = row.channel(1), *blue = row.channel(2);
    float* out = row.out;
    team.each_strip(h, w, [=](int y, int x) {
      const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
      const double* line = map + std::int64_t{y} * width + x;
      const std::int64_t at = std::int64_t{y} * w + x;
      for (int k = 0; k < count; ++k) {
        const double haze = strength * ((line[k] - low) / high);
        out[at + k] = same_level((unit_pixel64(red[at + k]) + haze) * largest / (largest + strength));
        out[plane + at + k] = same_level((unit_pixel64(green[at + k]) + haze) * largest / (largest + strength));
        out[2 * plane + at + k] = same_level((unit_pixel64(blue[at + k]) + haze) * largest / (largest + strength));
      }
    });
  }
};

std::vector<std::int64_t> map_shape(const CorruptionShape& of) {
  return {map_side(of), map_side(of)};
}
std::int64_t scratch(const CorruptionShape& of) {
  return 2 * std::int64_t{map_side(of)} * map_side(of);
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const std::uint32_t stream = stream_id("corruption", "fog", args.severity, -1, "uniform");
  launch_corruption(exec, Fog{kConstants.at(args), map_side({args, batch.images.h, batch.images.w}), stream}, batch);
}
ASSAY_CORRUPTION("fog", "lays a plasma fractal over the image", {{"uniform", map_shape}}, apply, nullptr, scratch);

}  // namespace
}  // namespace assay
