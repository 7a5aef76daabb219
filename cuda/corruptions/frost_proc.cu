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
    const std::int64_t plane = row.plane();
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w), width = side;
    const std::uint8_t *red = row.channel(0), *green = row.channel(1), *blue = row.channel(2);
    float* out = row.out;
    const FrostWeights mixing = weights;
    team.each_strip(h, w, [=](int y, int x) {
      const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
      const double* line = map + std::int64_t{y} * width + x;
      const std::int64_t at = std::int64_t{y} * w + x;
      for (int k = 0; k < count; ++k) {
        const double slope = 2.0 * heights.part(line[k]) - 1.0, ridge = 1.0 - (slope < 0.0 ? -slope : slope);
        const double ice = 60.0 + 180.0 * (ridge * ridge);
        out[at + k] = mixing.mix(red[at + k], 0.85 * ice);
        out[plane + at + k] = mixing.mix(green[at + k], 0.95 * ice);
        out[2 * plane + at + k] = mixing.mix(blue[at + k], ice);
      }
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
                 {{"uniform", plasma_shape}}, apply, nullptr, plasma_floats, 1, false, false, nullptr, "assay's own");

}  // namespace
}  // namespace assay
