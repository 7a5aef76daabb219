// (x - mean) c + mean with a mean a channel: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C and
// CIFAR-10-C.
#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

constexpr Severities<> kFactor = {{.4, .3, .2, .1, .05}, {.4, .3, .2, .1, .05}, {.75, .5, .4, .3, .15}};

/// Bytes whose sum is a 32-bit number.
constexpr std::int64_t kCounted = 1 << 24;

struct Contrast {
  float factor;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const std::int64_t plane = row.plane();
    const float scale = factor;
    for (int c = 0; c < 3; ++c) {
      const std::uint8_t* bytes = row.channel(c);
      const std::int64_t total = plane <= kCounted
                                     ? team.sum_of(
                                           plane, [](std::uint8_t v) { return std::uint32_t{v}; }, bytes)
                                     : team.sum_of(plane, [](std::uint8_t v) { return std::int64_t{v}; }, bytes);
      const auto mean = static_cast<float>(static_cast<double>(total) / (255.0 * static_cast<double>(plane)));
      team.map(
          plane, row.out + c * plane, [=](std::uint8_t v) { return clamp01((unit_pixel(v) - mean) * scale + mean); },
          bytes);
    }
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(exec, Contrast{static_cast<float>(kFactor.at(args))}, batch);
}
ASSAY_CORRUPTION("contrast", "shrinks each channel towards its mean", {}, apply);

}  // namespace
}  // namespace assay
