// Salt and pepper: Hendrycks & Dietterich 2019, arXiv:1903.12261 (scikit-image's random_noise, mode s&p): a value is
// replaced where U <= c, by 1 where U' <= 0.5 and by 0 elsewhere. Constants of ImageNet-C, Tiny-ImageNet-C and
// CIFAR-10-C.
#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

constexpr Severities<> kAmount = {{.03, .06, .09, .17, .27}, {.01, .02, .05, .08, .14}, {.01, .02, .03, .05, .07}};

struct ImpulseNoise {
  float amount;
  std::uint32_t flip_stream, salt_stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const Draw flip = row.draw(flip_stream), salt = row.draw(salt_stream);
    const float share = amount;
    row.map_quads(team, [=](std::int64_t block, const Quad<std::uint8_t>& bytes) {
      const Quad<float> flips = units(flip.words(block)), salts = units(salt.words(block));
      Quad<float> out;
      // Every pixel is used, so that four are loaded at once.
      for (int k = 0; k < 4; ++k) {
        const bool flipped = flips.v[k] <= share;
        const float kept = flipped ? 0.f : 1.f, salted = flipped && salts.v[k] <= 0.5f ? 1.f : 0.f;
        out.v[k] = unit_pixel(bytes.v[k]) * kept + salted;
      }
      return out;
    });
    row.record(team, 0, row.size(), [=](std::int64_t block) { return units(flip.words(block)); });
    row.record(team, row.size(), row.size(), [=](std::int64_t block) { return units(salt.words(block)); });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const std::uint32_t flip = stream_id("corruption", "impulse_noise", args.severity, -1, "flip");
  const std::uint32_t salt = stream_id("corruption", "impulse_noise", args.severity, -1, "salt");
  launch_corruption(exec, ImpulseNoise{static_cast<float>(kAmount.at(args)), flip, salt}, batch);
}
ASSAY_CORRUPTION("impulse_noise", "salt and pepper", {{"flip"}, {"salt"}}, apply);

}  // namespace
}  // namespace assay
