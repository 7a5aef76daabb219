// Drops of water or splashes of mud: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C,
// Tiny-ImageNet-C and CIFAR-10-C.
#include "corruptions/water.hpp"

namespace assay {
namespace {

struct Constants {
  double mean, deviation, sigma, threshold;
  double strength;  ///< of water; for mud, sigma of its rim
  bool mud;
};
constexpr Severities<Constants> kConstants = {{{.65, .3, 4, .69, .6, false},
                                               {.65, .3, 3, .68, .6, false},
                                               {.65, .3, 2, .68, .5, false},
                                               {.65, .3, 1, .65, 1.5, true},
                                               {.67, .4, 1, .65, 1.5, true}},
                                              {{.62, .1, .7, .7, .6, false},
                                               {.65, .1, .8, .7, .6, false},
                                               {.65, .3, 1, .69, .6, false},
                                               {.65, .1, .7, .68, .6, true},
                                               {.65, .1, .5, .67, .6, true}},
                                              {{.62, .1, .7, .7, .5, false},
                                               {.65, .1, .8, .7, .5, false},
                                               {.65, .3, 1, .69, .5, false},
                                               {.65, .1, .7, .69, .6, true},
                                               {.65, .1, .5, .68, .6, true}}};
int rim_radius(const Constants& c) {
  return c.mud ? gaussian_radius(c.strength) : 0;
}
int wider_radius(const Constants& c) {
  const int liquid = gaussian_radius(c.sigma), rim = rim_radius(c);
  return liquid > rim ? liquid : rim;
}

/// The layer of liquid that both begin with, before it is blurred.
struct Liquid {
  double mean, deviation;
  std::uint32_t stream;

  /// `drawn`: working memory for h x w.
  template <class Team>
  ASSAY_HD void fill(Team& team, const CorruptionRow& row, const SmoothPlane& smoothed, float* drawn) const {
    const Draw draw = row.draw(stream);
    const auto drawing = [=](std::int64_t block) { return normals(draw, block); };
    row.record(team, 0, row.plane(), drawing);
    team.map_quads(row.plane(), drawn, drawing);
    const double middle = mean, spread = deviation;
    spread_plane(team, smoothed, [=](std::int64_t i) { return middle + spread * static_cast<double>(drawn[i]); });
  }
};

/// kSingle: colours are mixed in float32, as the benchmark's; imagecorruptions mixes them in double.
template <bool kSingle>
struct Mud {
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  Liquid layer;
  double threshold;
  Taps liquid, rim;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const SmoothPlane smoothed(static_cast<int>(row.h), static_cast<int>(row.w),
                               liquid.radius > rim.radius ? liquid.radius : rim.radius,
                               reinterpret_cast<double*>(row.scratch));
    const int w = smoothed.w, stride = smoothed.stride();
    const std::int64_t plane = row.plane();
    layer.fill(team, row, smoothed, row.scratch + 2 * SmoothPlane::doubles(row.h, row.w, smoothed.radius));
    const double least = threshold;
    smooth(team, smoothed, liquid, Edge::nearest, [=](int y, int x, const double* values, int count) {
      double* to = smoothed.in + std::int64_t{y} * stride + x;
      for (int k = 0; k < count; ++k) to[k] = values[k] > least ? 1.0 : 0.0;
    });
    const std::uint8_t *red = row.channel(0), *green = row.channel(1), *blue = row.channel(2);
    float* out = row.out;
    smooth<float>(team, smoothed, rim, Edge::nearest, [=](int y, int x, const double* values, int count) {
      const std::int64_t at = std::int64_t{y} * w + x;
      for (int k = 0; k < count; ++k) {
        const auto found = static_cast<float>(values[k]);
        const float cover = found < 0.8f ? 0.f : found, rest = 1.f - cover;
        const auto mixed = [=](std::uint8_t byte, std::uint8_t brown) {
          const float left = unit_pixel(byte) * rest;
          if constexpr (kSingle) return clamp01(left + unit_pixel(brown) * cover);
          return same_level(static_cast<double>(left) + unit_pixel64(brown) * static_cast<double>(cover));
        };
        out[at + k] = mixed(red[at + k], 63);
        out[plane + at + k] = mixed(green[at + k], 42);
        out[2 * plane + at + k] = mixed(blue[at + k], 20);
      }
    });
  }
};

struct Water {
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  Liquid layer;
  double threshold;
  float strength;
  Taps liquid;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w);
    const SmoothPlane smoothed(h, w, liquid.radius, reinterpret_cast<double*>(row.scratch));
    const std::int64_t words = Framed::words(h, w);
    auto* const memory = reinterpret_cast<std::int32_t*>(row.scratch + 2 * SmoothPlane::doubles(h, w, liquid.radius));
    const Framed levels{h, w, memory}, one{h, w, memory + words}, other{h, w, memory + 2 * words};
    layer.fill(team, row, smoothed, reinterpret_cast<float*>(other.first));
    const double least = threshold;
    smooth(team, smoothed, liquid, Edge::nearest, [=](int y, int x, const double* values, int count) {
      std::int32_t* to = levels.line(y) + x;
      // Cut off to bytes, above 1 around as NumPy does.
      for (int k = 0; k < count; ++k)
        to[k] = values[k] < least ? 0 : static_cast<std::int32_t>(values[k] * 255.0) & 255;
    });
    shade_water(team, levels, one, other, memory + 3 * words);
    team.sync();
    const std::int32_t most = team.max(h, std::int32_t{1}, [=](std::int64_t y) {
      const std::int32_t *level = levels.line(static_cast<int>(y)), *shade = one.line(static_cast<int>(y));
      std::int32_t largest = 0;
      for (int x = 0; x < w; ++x) largest = level[x] * shade[x] > largest ? level[x] * shade[x] : largest;
      return largest;
    });
    const float full = strength, largest = static_cast<float>(most);
    row.map_pixels(team, [=](int y, int x) {
      const std::int32_t *level = levels.line(y) + x, *shade = one.line(y) + x;
      return [=](int k, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
        const float cover = static_cast<float>(level[k] * shade[k]) / largest * full;
        const auto wet = [=](std::uint8_t byte, std::uint8_t water) {
          return clamp01(unit_pixel(byte) + cover * unit_pixel(water));
        };
        return Rgb{wet(red, 175), wet(green, 238), wet(blue, 238)};
      };
    });
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  const Constants& c = kConstants.at(of.args);
  std::vector<std::uint32_t> words;
  append_doubles(words, gaussian_taps(c.sigma));
  if (c.mud) append_doubles(words, gaussian_taps(c.strength));
  return words;
}
std::int64_t scratch(const CorruptionShape& of) {
  const Constants& c = kConstants.at(of.args);
  const std::int64_t blurred = 2 * SmoothPlane::doubles(of.h, of.w, wider_radius(c));
  return c.mud ? blurred + (of.h * of.w + 15) / 16 * 16
               : blurred + 3 * Framed::words(of.h, of.w) + equalizing_words(of.h);
}
std::vector<std::int64_t> plane_shape(const CorruptionShape& of) {
  return {of.h, of.w};
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const Constants& c = kConstants.at(args);
  const Liquid layer{c.mean, c.deviation, stream_id("corruption", "spatter", args.severity, -1, "normal")};
  const Taps liquid{doubles_at(batch.constants), gaussian_radius(c.sigma)};
  const Taps rim{liquid.taps + liquid.radius + 1, rim_radius(c)};
  if (c.mud && args.table == Table::imagecorruptions)
    launch_corruption(exec, Mud<false>{layer, c.threshold, liquid, rim}, batch);
  else if (c.mud)
    launch_corruption(exec, Mud<true>{layer, c.threshold, liquid, rim}, batch);
  else
    launch_corruption(exec, Water{layer, c.threshold, static_cast<float>(c.strength), liquid}, batch);
}
ASSAY_CORRUPTION("spatter", "spatters water or mud on the image", {{"normal", plane_shape}}, apply, constants, scratch);

}  // namespace
}  // namespace assay
