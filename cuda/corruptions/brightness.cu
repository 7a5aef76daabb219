// HSV with V + c: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C, Tiny-ImageNet-C and
// CIFAR-10-C. In closed form: V = max(r, g, b), V' = clip(V + c), each channel times V' / V; black becomes gray V'.
#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

constexpr Severities<> kShift = {{.1, .2, .3, .4, .5}, {.1, .2, .3, .4, .5}, {.05, .1, .15, .2, .3}};

struct Brightness {
  float shift;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const std::int64_t plane = row.plane();
    const float add = shift;
    const std::uint8_t *red = row.channel(0), *green = row.channel(1), *blue = row.channel(2);
    float* out = row.out;
    team.each(plane, [=](std::int64_t i) {
      const float r = unit_pixel(red[i]), g = unit_pixel(green[i]), b = unit_pixel(blue[i]);
      const float rg = r > g ? r : g, v = rg > b ? rg : b;
      // Divided first: the largest channel is then exactly V'. Truncation would make 254 of anything under 1.
      const float brighter = clamp01(v + add);
      out[i] = v > 0.f ? r / v * brighter : brighter;
      out[plane + i] = v > 0.f ? g / v * brighter : brighter;
      out[2 * plane + i] = v > 0.f ? b / v * brighter : brighter;
    });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(exec, Brightness{static_cast<float>(kShift.at(args))}, batch);
}
ASSAY_CORRUPTION("brightness", "raises the value in HSV", {}, apply);

}  // namespace
}  // namespace assay
