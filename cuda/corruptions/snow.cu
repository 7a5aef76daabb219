// Snow that falls at a random angle: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C,
// Tiny-ImageNet-C and CIFAR-10-C. The layer's levels are cut off to bytes, as in the benchmark, before they are
// blurred; in the Python package imagecorruptions they aren't, and are blurred together with what the zoom has too
// many at the right, which flakes come in from (they fall from below: rows past the last are never read).
#include "corruptions/motion.hpp"
#include "corruptions/zoom.hpp"

namespace assay {
namespace {

struct Constants {
  double mean, sigma, zoom, threshold;
  MotionConstants motion;
  double share;
};
constexpr Severities<Constants> kConstants = {{{.1, .3, 3, .5, {10, 4}, .8},
                                               {.2, .3, 2, .5, {12, 4}, .7},
                                               {.55, .3, 4, .9, {12, 8}, .7},
                                               {.55, .3, 4.5, .85, {12, 8}, .65},
                                               {.55, .3, 2.5, .85, {12, 12}, .55}},
                                              {{.1, .2, 1, .6, {8, 3}, .8},
                                               {.1, .2, 1, .5, {10, 4}, .8},
                                               {.15, .3, 1.75, .55, {10, 4}, .7},
                                               {.25, .3, 2.25, .6, {12, 6}, .65},
                                               {.3, .3, 1.25, .65, {14, 12}, .6}},
                                              {{.1, .2, 1, .6, {8, 3}, .95},
                                               {.1, .2, 1, .5, {10, 4}, .9},
                                               {.15, .3, 1.75, .55, {10, 4}, .9},
                                               {.25, .3, 2.25, .6, {12, 6}, .85},
                                               {.3, .3, 1.25, .65, {14, 12}, .8}}};

std::int64_t table_words(const MotionConstants& motion) {
  return 2 * (2 * motion.radius + 1);
}

/// kWhole: the layer's levels are whole numbers before its blur too, as the benchmark's, and it is as wide as the
/// image; else imagecorruptions'.
template <bool kWhole>
struct Snow {
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  Constants c;
  const double* weights;
  const std::uint32_t* axes;  ///< of h pixels, then of layer_w
  std::uint32_t normal_stream, angle_stream;
  int layer_w;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w), wide = kWhole ? w : layer_w;
    const std::int64_t plane = row.plane();
    const MotionPlane motion(h, wide, c.motion.radius, row.scratch);
    auto* const field = row.scratch + MotionPlane::floats(h, wide, c.motion.radius);
    float *const layer = field + (plane + 15) / 16 * 16, *const turned = field;

    float* drawn = row.draws;
    const float degrees = unit_float(row.draw(angle_stream).words(0).v[0]) * 90.f - 135.f;
    if (drawn != nullptr) team.once([=] { drawn[plane] = degrees; });
    const Draw draw = row.draw(normal_stream);
    const auto drawing = [=](std::int64_t block) { return normals(draw, block); };
    team.map_quads(plane, field, drawing);
    row.record(team, 0, plane, drawing);
    aim_motion(team, motion, degrees);
    team.sync();

    const double mean = c.mean, sigma = c.sigma, threshold = c.threshold;
    constexpr int kStrip = Team::kStrip;
    const ZoomAxis down(axes, h), across(axes + ZoomAxis::words(h), wide);
    team.each_strip(h, wide, [=](int y, int x) {
      const int count = kStrip < wide - x ? kStrip : wide - x;
      const double here = down.here[y], next = down.next[y];
      const int top = down.first[y], left = across.first[x];
      const float *upper = field + std::int64_t{top} * w + left, *lower = upper + (top + 1 < h ? w : 0);
      double above[kStrip + 1], below[kStrip + 1], mixed[kStrip];
      for (int k = 0; k < kStrip + 1; ++k) above[k] = (mean + sigma * static_cast<double>(upper[k])) * here;
      for (int k = 0; k < kStrip + 1; ++k) below[k] = (mean + sigma * static_cast<double>(lower[k])) * next;
      across.template across<kStrip>(x, above, [&](int k, double pixel, double other, double weight, double rest) {
        mixed[k] = pixel * weight + other * rest;
      });
      across.template across<kStrip>(x, below, [&](int k, double pixel, double other, double weight, double rest) {
        mixed[k] = mixed[k] + pixel * weight + other * rest;
      });
      float* to = layer + std::int64_t{y} * wide + x;
      for (int k = 0; k < count; ++k) {
        double v = mixed[k] < threshold ? 0.0 : mixed[k];
        v = v < 1.0 ? v : 1.0;
        v = v > 0.0 ? v : 0.0;
        const double level = v * 255.0;
        to[k] = static_cast<float>(kWhole ? static_cast<double>(static_cast<std::int32_t>(level)) : level);
      }
    });
    fill_motion(team, motion, [=](int y, int x) { return layer[std::int64_t{y} * wide + x]; });
    blur_motion(team, motion, weights, 2 * c.motion.radius + 1, [=](int y, int x, const double* sums, int count) {
      const int kept = kWhole || count < w - x ? count : w - x;
      const std::int64_t at = std::int64_t{y} * w + x;
      float levels[kStrip];
      for (int k = 0; k < kStrip; ++k) levels[k] = nearest_level(sums[k]);
      for (int k = 0; k < kept; ++k) layer[at + k] = levels[k];
      for (int k = 0; k < kept; ++k) turned[plane - 1 - at - k] = levels[k];
    });
    team.sync();

    const auto share = static_cast<float>(c.share), rest = static_cast<float>(1.0 - c.share);
    row.map_pixels(team, [=](int y, int x) {
      const std::int64_t at = std::int64_t{y} * w + x;
      const float *flakes = layer + at, *others = turned + at;
      return [=](int k, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
        const float r = unit_pixel(red), g = unit_pixel(green), b = unit_pixel(blue);
        const float pale = (r * 0.299f + g * 0.587f + b * 0.114f) * 1.5f + 0.5f;
        const double here = static_cast<double>(flakes[k]) / 255.0, there = static_cast<double>(others[k]) / 255.0;
        const auto lit = [=](float v) {
          return same_level(static_cast<double>(share * v + rest * (v > pale ? v : pale)) + here + there);
        };
        return Rgb{lit(r), lit(g), lit(b)};
      };
    });
  }
};

int layer_width(const CorruptionArgs& args, std::int64_t w) {
  const auto width = static_cast<int>(w);
  return args.table == Table::imagecorruptions ? zoomed_side(width, kConstants.at(args).zoom) : width;
}
std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  const Constants& c = kConstants.at(of.args);
  const Table table = of.args.table;
  const auto h = static_cast<int>(of.h), w = static_cast<int>(of.w);
  std::vector<std::uint32_t> words;
  append_motion_weights(words, c.motion, table);
  append_zoom(words, h, c.zoom, table, h);
  append_zoom(words, w, c.zoom, table, layer_width(of.args, w));
  return words;
}
std::int64_t scratch(const CorruptionShape& of) {
  const int layer_w = layer_width(of.args, of.w);
  const auto floats = [&of](std::int64_t width) { return (of.h * width + 15) / 16 * 16; };
  return MotionPlane::floats(of.h, layer_w, kConstants.at(of.args).motion.radius) + floats(of.w) + floats(layer_w);
}
std::vector<std::int64_t> plane_shape(const CorruptionShape& of) {
  return {of.h, of.w};
}
std::vector<std::int64_t> one(const CorruptionShape&) {
  return {1};
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const Constants& c = kConstants.at(args);
  const double* weights = doubles_at(batch.constants);
  const std::uint32_t* axes = batch.constants + table_words(c.motion);
  const std::uint32_t normal = stream_id("corruption", "snow", args.severity, -1, "normal");
  const std::uint32_t angle = stream_id("corruption", "snow", args.severity, -1, "angle");
  const int wide = layer_width(args, batch.images.w);
  if (args.table == Table::imagecorruptions)
    launch_corruption(exec, Snow<false>{c, weights, axes, normal, angle, wide}, batch);
  else
    launch_corruption(exec, Snow<true>{c, weights, axes, normal, angle, wide}, batch);
}
ASSAY_CORRUPTION("snow", "lets snow fall at a random angle", {{"normal", plane_shape}, {"angle", one}}, apply,
                 constants, scratch);

}  // namespace
}  // namespace assay
