// A plasma fractal laid over the image: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C,
// Tiny-ImageNet-C and CIFAR-10-C.
#include "corruptions/plasma.hpp"

namespace assay {
namespace {

struct Constants {
  double strength, decay;
};
constexpr Severities<Constants> kConstants = {{{1.5, 2}, {2, 2}, {2.5, 1.7}, {2.5, 1.5}, {3, 1.4}},
                                              {{.4, 3}, {.7, 3}, {1, 2.5}, {1.5, 2}, {2, 1.75}},
                                              {{.2, 3}, {.5, 3}, {.75, 2.5}, {1, 2}, {1.5, 1.75}}};

struct Fog {
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  Constants c;
  int side;
  std::uint32_t stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    auto* const map = reinterpret_cast<double*>(row.scratch);
    const Heights heights = grow_plasma(team, map, side, c.decay, row.draw(stream), row.draws);
    const std::int64_t size = row.channels * row.plane();
    const std::uint8_t* bytes = row.bytes;
    const std::int32_t top = team.max(size, std::int32_t{0}, [=](std::int64_t i) { return std::int32_t{bytes[i]}; });
    const double largest = unit_pixel64(static_cast<std::uint8_t>(top)), strength = c.strength;
    const int width = side;
    row.map_pixels(team, [=](int y, int x) {
      const double* line = map + std::int64_t{y} * width + x;
      return [=](int k, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
        const double haze = strength * heights.part(line[k]);
        const auto hazy = [=](std::uint8_t byte) {
          return same_level((unit_pixel64(byte) + haze) * largest / (largest + strength));
        };
        return Rgb{hazy(red), hazy(green), hazy(blue)};
      };
    });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const std::uint32_t stream = stream_id("corruption", "fog", args.severity, -1, "uniform");
  launch_corruption(exec, Fog{kConstants.at(args), plasma_side({args, batch.images.h, batch.images.w}), stream}, batch);
}
ASSAY_CORRUPTION("fog", "lays a plasma fractal over the image", {{"uniform", plasma_shape}}, apply, nullptr,
                 plasma_floats);

}  // namespace
}  // namespace assay
