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

struct Spatter {
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  Constants c;
  Taps liquid, rim;
  std::uint32_t stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w);
    const std::int64_t plane = row.plane();
    const SmoothPlane smoothed(h, w, liquid.radius > rim.radius ? liquid.radius : rim.radius,
                               reinterpret_cast<double*>(row.scratch));
    const Draw draw = row.draw(stream);
    float* drawn = row.draws;
    const Constants constants = c;
    team.each((plane + 3) / 4, [=](std::int64_t block) {
      float z[4];
      draw.normal4(block, z);
      for (int k = 0; k < 4; ++k) {
        const std::int64_t i = 4 * block + k;
        if (i >= plane) break;
        smoothed.in[i / w * smoothed.stride() + i % w] =
            constants.mean + constants.deviation * static_cast<double>(z[k]);
        if (drawn != nullptr) drawn[i] = z[k];
      }
    });
    if (c.mud)
      cover_with_mud(team, row, smoothed);
    else
      cover_with_water(team, row, smoothed);
  }

  template <class Team>
  ASSAY_HD void cover_with_mud(Team& team, const CorruptionRow& row, const SmoothPlane& smoothed) const {
    const int w = smoothed.w, stride = smoothed.stride();
    const std::int64_t plane = row.plane();
    const double threshold = c.threshold;
    smooth(team, smoothed, liquid, Edge::nearest, [=](int y, int x, const double* values, int count) {
      double* to = smoothed.in + std::int64_t{y} * stride + x;
      for (int k = 0; k < count; ++k) to[k] = values[k] > threshold ? 1.0 : 0.0;
    });
    const std::uint8_t *red = row.channel(0), *green = row.channel(1), *blue = row.channel(2);
    float* out = row.out;
    smooth<float>(team, smoothed, rim, Edge::nearest, [=](int y, int x, const double* values, int count) {
      const std::int64_t at = std::int64_t{y} * w + x;
      for (int k = 0; k < count; ++k) {
        const auto found = static_cast<float>(values[k]);
        const float cover = found < 0.8f ? 0.f : found, rest = 1.f - cover;
        const auto mixed = [=](std::uint8_t byte, float brown) {
          return clamp01(unit_pixel(byte) * rest + brown * cover);
        };
        out[at + k] = mixed(red[at + k], unit_pixel(63));
        out[plane + at + k] = mixed(green[at + k], unit_pixel(42));
        out[2 * plane + at + k] = mixed(blue[at + k], unit_pixel(20));
      }
    });
  }

  template <class Team>
  ASSAY_HD void cover_with_water(Team& team, const CorruptionRow& row, const SmoothPlane& smoothed) const {
    const int h = smoothed.h, w = smoothed.w;
    const std::int64_t plane = row.plane(), words = Framed::words(h, w);
    auto* const memory = reinterpret_cast<std::int32_t*>(
        row.scratch + 2 * SmoothPlane::doubles(h, w, liquid.radius > rim.radius ? liquid.radius : rim.radius));
    const Framed levels{h, w, memory}, one{h, w, memory + words}, other{h, w, memory + 2 * words};
    const double threshold = c.threshold;
    smooth(team, smoothed, liquid, Edge::nearest, [=](int y, int x, const double* values, int count) {
      std::int32_t* to = levels.line(y) + x;
      // Cut off to bytes, above 1 around as NumPy does.
      for (int k = 0; k < count; ++k)
        to[k] = values[k] < threshold ? 0 : static_cast<std::int32_t>(values[k] * 255.0) & 255;
    });
    shade_water(team, levels, one, other, memory + 3 * words);
    team.sync();
    const std::int32_t most = team.max(h, std::int32_t{1}, [=](std::int64_t y) {
      const std::int32_t *level = levels.line(static_cast<int>(y)), *shade = one.line(static_cast<int>(y));
      std::int32_t largest = 0;
      for (int x = 0; x < w; ++x) largest = level[x] * shade[x] > largest ? level[x] * shade[x] : largest;
      return largest;
    });
    const std::uint8_t *red = row.channel(0), *green = row.channel(1), *blue = row.channel(2);
    float* out = row.out;
    const auto strength = static_cast<float>(c.strength), largest = static_cast<float>(most);
    team.each_strip(h, w, [=](int y, int x) {
      const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
      const std::int32_t *level = levels.line(y) + x, *shade = one.line(y) + x;
      const std::int64_t at = std::int64_t{y} * w + x;
      for (int k = 0; k < count; ++k) {
        const float cover = static_cast<float>(level[k] * shade[k]) / largest * strength;
        out[at + k] = clamp01(unit_pixel(red[at + k]) + cover * unit_pixel(175));
        out[plane + at + k] = clamp01(unit_pixel(green[at + k]) + cover * unit_pixel(238));
        out[2 * plane + at + k] = clamp01(unit_pixel(blue[at + k]) + cover * unit_pixel(238));
      }
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
  return c.mud ? blurred : blurred + 3 * Framed::words(of.h, of.w) + equalizing_words(of.h);
}
std::vector<std::int64_t> plane_shape(const CorruptionShape& of) {
  return {of.h, of.w};
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const Constants& c = kConstants.at(args);
  const double* taps = doubles_at(batch.constants);
  const int radius = gaussian_radius(c.sigma);
  launch_corruption(exec,
                    Spatter{c,
                            {taps, radius},
                            {taps + radius + 1, rim_radius(c)},
                            stream_id("corruption", "spatter", args.severity, -1, "normal")},
                    batch);
}
ASSAY_CORRUPTION("spatter", "spatters water or mud on the image", {{"normal", plane_shape}}, apply, constants, scratch);

}  // namespace
}  // namespace assay
