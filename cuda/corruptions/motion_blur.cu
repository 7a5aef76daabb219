// Motion blur at a random angle in [-45, 45) degrees: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of
// ImageNet-C, Tiny-ImageNet-C and CIFAR-10-C.
#include "corruptions/motion.hpp"

namespace assay {
namespace {

constexpr Severities<MotionConstants> kConstants = {{{10, 3}, {15, 5}, {15, 8}, {15, 12}, {20, 15}},
                                                    {{10, 1}, {10, 1.5}, {10, 2}, {10, 2.5}, {12, 3}},
                                                    {{6, 1}, {6, 1.5}, {6, 2}, {8, 2}, {9, 2.5}}};

/// A level that may be a rounding above 255, cut off as it is: a quotient's rounding would make another byte of it.
ASSAY_HD float summed_level(double level) {
  const double v = level < 255.0 ? level : 255.0;
  return at_level(v / 255.0, static_cast<std::int32_t>(v));
}

/// kWhole: levels are whole numbers, as the benchmark's; else imagecorruptions'.
template <bool kWhole>
struct MotionBlur {
  const double* weights;
  int radius;
  std::uint32_t stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int w = static_cast<int>(row.w);
    const MotionPlane plane(static_cast<int>(row.h), w, radius, row.scratch);
    const float degrees = unit_float(row.draw(stream).words(0).v[0]) * 90.f - 45.f;
    if (row.draws != nullptr) team.once([&] { row.draws[0] = degrees; });
    aim_motion(team, plane, degrees);
    int taps = 2 * radius + 1;
    if constexpr (!kWhole) taps = taps_inside(taps, degrees, plane.h, w);
    for (int c = 0; c < 3; ++c) {
      const std::uint8_t* bytes = row.channel(c);
      fill_motion(team, plane, [=](int y, int x) { return bytes[std::int64_t{y} * w + x]; });
      float* out = row.out + c * row.plane();
      blur_motion(team, plane, weights, taps, [=](int y, int x, const double* levels, int count) {
        float* to = out + std::int64_t{y} * w + x;
        for (int k = 0; k < count; ++k) to[k] = kWhole ? nearest_level(levels[k]) / 255.f : summed_level(levels[k]);
      });
    }
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  std::vector<std::uint32_t> words;
  append_motion_weights(words, kConstants.at(of.args), of.args.table);
  return words;
}
std::int64_t scratch(const CorruptionShape& of) {
  return MotionPlane::floats(of.h, of.w, kConstants.at(of.args).radius);
}
std::vector<std::int64_t> one(const CorruptionShape&) {
  return {1};
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const std::uint32_t stream = stream_id("corruption", "motion_blur", args.severity, -1, "angle");
  const double* weights = doubles_at(batch.constants);
  const int radius = kConstants.at(args).radius;
  if (args.table == Table::imagecorruptions)
    launch_corruption(exec, MotionBlur<false>{weights, radius, stream}, batch);
  else
    launch_corruption(exec, MotionBlur<true>{weights, radius, stream}, batch);
}
ASSAY_CORRUPTION("motion_blur", "blurs along a random direction", {{"angle", one}}, apply, constants, scratch);

}  // namespace
}  // namespace assay
