// x + x N(0, c): Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C, Tiny-ImageNet-C and
// CIFAR-10-C.
#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

constexpr Severities<> kSigma = {{.15, .2, .35, .45, .6}, {.15, .2, .25, .3, .35}, {.06, .1, .12, .16, .2}};

struct SpeckleNoise {
  float sigma;
  std::uint32_t stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const Draw draw = row.draw(stream);
    const float scale = sigma;
    row.map_quads(team, [=](std::int64_t block, const Quad<std::uint8_t>& bytes) {
      const Quad<float> z = normals(draw, block);
      Quad<float> out;
      for (int k = 0; k < 4; ++k) {
        const float x = unit_pixel(bytes.v[k]);
        out.v[k] = clamp01(x + x * (scale * z.v[k]));
      }
      return out;
    });
    row.record(team, 0, row.size(), [=](std::int64_t block) { return normals(draw, block); });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const std::uint32_t stream = stream_id("corruption", "speckle_noise", args.severity, -1, "normal");
  launch_corruption(exec, SpeckleNoise{static_cast<float>(kSigma.at(args)), stream}, batch);
}
ASSAY_CORRUPTION("speckle_noise", "adds normal noise times the value", {{"normal"}}, apply);

}  // namespace
}  // namespace assay
