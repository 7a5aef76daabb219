// Ice without pictures, for those who lack the benchmark's: not ImageNet-C's frost, and not comparable with it. Ridges
// of a plasma fractal, pale blue, mixed with the image by frost's weights.
#include "corruptions/frost.hpp"
#include "corruptions/plasma.hpp"

namespace assay {
namespace {

constexpr double kDecay = 1.6;

struct FrostProc {
  [[maybe_unused]] static constexpr int kTeamsTogether = 3;
  FrostWeights weights;
  int side;
  std::uint32_t stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    auto* const map = reinterpret_cast<double*>(row.scratch);
    const Heights heights = grow_plasma(team, map, side, kDecay, row.draw(stream), row.draws);
    const int width = side;
    const FrostWeights mixing = weights;
    row.map_pixels(team, [=](int y, int x) {
      const double* line = map + std::int64_t{y} * width + x;
      return [=](int k, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
        const double slope = 2.0 * heights.part(line[k]) - 1.0, ridge = 1.0 - (slope < 0.0 ? -slope : slope);
        const double ice = 60.0 + 180.0 * (ridge * ridge);
        return Rgb{mixing.mix(red, 0.85 * ice), mixing.mix(green, 0.95 * ice), mixing.mix(blue, ice)};
      };
    });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(exec,
                    FrostProc{kFrostWeights.at(args), plasma_side({args, batch.images.h, batch.images.w}),
                              stream_id("corruption", "frost_proc", args.severity, -1, "uniform")},
                    batch);
}
ASSAY_CORRUPTION("frost_proc", "lays made-up ice over the image; not the benchmark's frost",
                 {{"uniform", plasma_shape}}, apply, nullptr, plasma_floats, 1, false, false, nullptr, "assay's own",
                 false);

}  // namespace
}  // namespace assay
