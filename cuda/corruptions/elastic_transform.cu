// A random affine map and a smooth random displacement: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of
// ImageNet-C (whose 244 for 224 is the benchmark's own), Tiny-ImageNet-C and CIFAR-10-C. The map is OpenCV's warpAffine
// of float32, which reads at whole 32nds of a pixel, edges mirrored (reflect 101); then scipy's map_coordinates of
// order 1, edges mirrored (reflect).
#include "corruptions/blur.hpp"

namespace assay {
namespace {

struct Constants {
  double alpha, sigma, affine;
};
constexpr Severities<Constants> kConstants = {{{244 * 2, 244 * .7, 244 * .1},
                                               {244 * 2, 244 * .08, 244 * .2},
                                               {244 * .05, 244 * .01, 244 * .02},
                                               {244 * .07, 244 * .01, 244 * .02},
                                               {244 * .12, 244 * .01, 244 * .02}},
                                              {{0, 0, 64 * .08},
                                               {64 * .05, 64 * .3, 64 * .06},
                                               {64 * .1, 64 * .08, 64 * .06},
                                               {64 * .1, 64 * .03, 64 * .03},
                                               {64 * .16, 64 * .03, 64 * .02}},
                                              {{0, 0, 32 * .08},
                                               {32 * .05, 32 * .2, 32 * .07},
                                               {32 * .08, 32 * .06, 32 * .06},
                                               {32 * .1, 32 * .04, 32 * .05},
                                               {32 * .1, 32 * .03, 32 * .03}}};
constexpr double kTruncate = 3.0;

/// To the nearest whole number, halves to even; |v| < 2^51.
ASSAY_HD std::int32_t nearest(double v) {
  return static_cast<std::int32_t>((v + 6755399441055744.0) - 6755399441055744.0);
}

/// From a point of the output to one of the image: x' = xx x + xy y + x0, and so for y'.
struct Affine {
  double xx, xy, x0, yx, yy, y0;

  /// The inverse of the map that takes three corners of a square around the centre to those plus `jitter` (x, y each).
  ASSAY_HD static Affine undoing(int h, int w, const float* jitter) {
    // The benchmark writes rows first where OpenCV reads columns.
    const int reach = (h < w ? h : w) / 3, cx = h / 2, cy = w / 2;
    const double side = 2.0 * reach;
    const float x1 = static_cast<float>(cx + reach), x3 = static_cast<float>(cx - reach);
    const float y1 = static_cast<float>(cy + reach), y2 = static_cast<float>(cy - reach);
    const double to_x1 = static_cast<double>(x1 + jitter[0]), to_y1 = static_cast<double>(y1 + jitter[1]);
    const double to_x2 = static_cast<double>(x1 + jitter[2]), to_y2 = static_cast<double>(y2 + jitter[3]);
    const double to_x3 = static_cast<double>(x3 + jitter[4]), to_y3 = static_cast<double>(y2 + jitter[5]);
    const double m00 = (to_x2 - to_x3) / side, m01 = (to_x1 - to_x2) / side;
    const double m10 = (to_y2 - to_y3) / side, m11 = (to_y1 - to_y2) / side;
    const double m02 = to_x1 - m00 * static_cast<double>(x1) - m01 * static_cast<double>(y1);
    const double m12 = to_y1 - m10 * static_cast<double>(x1) - m11 * static_cast<double>(y1);
    const double det = m00 * m11 - m01 * m10, d = det != 0.0 ? 1.0 / det : 0.0;
    const double xx = m11 * d, xy = -m01 * d, yx = -m10 * d, yy = m00 * d;
    return {xx, xy, -xx * m02 - xy * m12, yx, yy, -yx * m02 - yy * m12};
  }
};

/// A kernel that reaches over the whole side, mirrored edges and all: how much of pixel j goes into pixel i. Rows of
/// `stride`, 0 past n.
std::vector<double> folded(const std::vector<double>& taps, int n, int stride) {
  std::vector<double> matrix(static_cast<std::size_t>(n) * static_cast<std::size_t>(stride));
  const int radius = static_cast<int>(taps.size()) - 1;
  for (int i = 0; i < n; ++i) {
    double* row = matrix.data() + std::ptrdiff_t{i} * stride;
    for (int j = -radius; j <= radius; ++j)
      row[at_edge(Edge::reflect, i + j, n)] += taps[static_cast<std::size_t>(j < 0 ? -j : j)];
  }
  return matrix;
}
/// Whether that takes fewer additions.
bool is_folded(const CorruptionShape& of) {
  return gaussian_radius(kConstants.at(of.args).sigma, kTruncate) > (of.h < of.w ? of.h : of.w);
}

/// As smooth, by the matrices of both axes; they are symmetric.
template <class Team, class Store>
ASSAY_HD void smooth_folded(Team& team, const SmoothPlane& plane, const double* down, const double* across,
                            const Store& store) {
  constexpr int kStrip = Team::kStrip;
  const int h = plane.h, w = plane.w, stride = plane.stride(), wide = plane.wide_stride();
  const double* in = plane.in;
  double* between = plane.between;
  team.sync();
  team.each_strip(h, w, [=](int y, int x) {
    double sum[kStrip];
    for (int k = 0; k < kStrip; ++k) sum[k] = 0.0;
    for (int j = 0; j < h; ++j) {
      const double* line = in + std::int64_t{j} * stride + x;
      const double weight = down[y * h + j];
      for (int k = 0; k < kStrip; ++k) sum[k] += line[k] * weight;
    }
    double* out = between + std::int64_t{y} * wide + x;
    for (int k = 0; k < kStrip; ++k) out[k] = sum[k];
  });
  team.sync();
  team.each_strip(h, w, [=](int y, int x) {
    double sum[kStrip];
    for (int k = 0; k < kStrip; ++k) sum[k] = 0.0;
    for (int j = 0; j < w; ++j) {
      const double* weights = across + std::int64_t{j} * stride + x;
      const double value = between[std::int64_t{y} * wide + j];
      for (int k = 0; k < kStrip; ++k) sum[k] += weights[k] * value;
    }
    store(y, x, sum, kStrip < w - x ? kStrip : w - x);
  });
}

template <bool kFolded>
struct ElasticTransform {
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  Constants c;
  Taps kernel;  ///< where it is folded, both matrices, and radius 0
  std::uint32_t corner_stream, x_stream, y_stream;

  /// What the field of an axis begins with: uniform in [-1, 1).
  ASSAY_HD auto displacements(const CorruptionRow& row, int axis) const {
    return [draw = row.draw(axis == 0 ? x_stream : y_stream)](std::int64_t block) {
      Quad<float> u = units(draw.words(block));
      for (int k = 0; k < 4; ++k) u.v[k] = 2.f * u.v[k] - 1.f;
      return u;
    };
  }

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w);
    const std::int64_t plane = row.plane();
    const SmoothPlane smoothed(h, w, kernel.radius, reinterpret_cast<double*>(row.scratch));
    float* const warped = row.scratch + 2 * SmoothPlane::doubles(h, w, kernel.radius);
    float* const fields = warped + (3 * plane + 15) / 16 * 16;  // dx, then dy
    float* const drawn = row.draws;

    float jitter[8];
    for (int block = 0; block < 2; ++block) {
      const Quad<float> u = units(row.draw(corner_stream).words(block));
      for (int k = 0; k < 4; ++k)
        jitter[4 * block + k] = static_cast<float>((2.0 * static_cast<double>(u.v[k]) - 1.0) * c.affine);
    }
    if (drawn != nullptr)
      team.once([&] {
        for (int k = 0; k < 6; ++k) drawn[k] = jitter[k];
      });
    for (int axis = 0; axis < 2; ++axis) row.record(team, 6 + axis * plane, plane, displacements(row, axis));
    const Affine back = Affine::undoing(h, w, jitter);
    const std::uint8_t *red = row.channel(0), *green = row.channel(1), *blue = row.channel(2);
    team.each_strip(h, w, [=](int y, int x) {
      const std::int32_t line_x = nearest((back.xy * y + back.x0) * 1024.0) + 16;
      const std::int32_t line_y = nearest((back.yy * y + back.y0) * 1024.0) + 16;
      const int end = x + Team::kStrip < w ? x + Team::kStrip : w;
      for (int k = x; k < end; ++k) {
        const std::int32_t at_x = (line_x + nearest(back.xx * k * 1024.0)) >> 5;
        const std::int32_t at_y = (line_y + nearest(back.yx * k * 1024.0)) >> 5;
        const float part_x = static_cast<float>(at_x & 31) / 32.f, part_y = static_cast<float>(at_y & 31) / 32.f;
        const int left = at_edge(Edge::reflect_101, at_x >> 5, w),
                  right = at_edge(Edge::reflect_101, (at_x >> 5) + 1, w);
        const int top = at_edge(Edge::reflect_101, at_y >> 5, h) * w;
        const int bottom = at_edge(Edge::reflect_101, (at_y >> 5) + 1, h) * w;
        const float w00 = (1.f - part_y) * (1.f - part_x), w01 = (1.f - part_y) * part_x;
        const float w10 = part_y * (1.f - part_x), w11 = part_y * part_x;
        const auto read = [=](const std::uint8_t* bytes) {
          return unit_pixel(bytes[top + left]) * w00 + unit_pixel(bytes[top + right]) * w01 +
                 unit_pixel(bytes[bottom + left]) * w10 + unit_pixel(bytes[bottom + right]) * w11;
        };
        const std::int64_t i = std::int64_t{y} * w + k;
        warped[i] = read(red);
        warped[plane + i] = read(green);
        warped[2 * plane + i] = read(blue);
      }
    });

    const double alpha = c.alpha;
#pragma unroll 1
    for (int axis = 0; axis < 2; ++axis) {
      float* const field = fields + axis * plane;
      team.map_quads(plane, field, displacements(row, axis));
      spread_plane(team, smoothed, [=](std::int64_t i) { return static_cast<double>(field[i]); });
      const auto store = [=](int y, int x, const double* sum, int count) {
        for (int k = 0; k < count; ++k) field[std::int64_t{y} * w + x + k] = static_cast<float>(sum[k] * alpha);
      };
      if constexpr (kFolded)
        smooth_folded(team, smoothed, kernel.taps, kernel.taps + std::int64_t{h} * h, store);
      else
        smooth(team, smoothed, kernel, Edge::reflect, store);
    }
    float* out = row.out;
    team.each_strip(h, w, [=](int y, int x) {
      const int end = x + Team::kStrip < w ? x + Team::kStrip : w;
      for (int k = x; k < end; ++k) {
        const std::int64_t i = std::int64_t{y} * w + k;
        const double to_x = k + static_cast<double>(fields[i]), to_y = y + static_cast<double>(fields[plane + i]);
        // Floors: displacements are far smaller than this.
        const int left = static_cast<int>(to_x + 65536.0) - 65536, top = static_cast<int>(to_y + 65536.0) - 65536;
        const double part_x = to_x - left, part_y = to_y - top;
        const int x0 = at_edge(Edge::reflect, left, w), x1 = at_edge(Edge::reflect, left + 1, w);
        const int y0 = at_edge(Edge::reflect, top, h) * w, y1 = at_edge(Edge::reflect, top + 1, h) * w;
        for (int channel = 0; channel < 3; ++channel) {
          const float* from = warped + channel * plane;
          double v = static_cast<double>(from[y0 + x0]) * (1.0 - part_y) * (1.0 - part_x);
          v += static_cast<double>(from[y0 + x1]) * (1.0 - part_y) * part_x;
          v += static_cast<double>(from[y1 + x0]) * part_y * (1.0 - part_x);
          v += static_cast<double>(from[y1 + x1]) * part_y * part_x;
          out[channel * plane + i] = clamp01(static_cast<float>(v));
        }
      }
    });
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  const double sigma = kConstants.at(of.args).sigma;
  std::vector<std::uint32_t> words;
  const std::vector<double> taps = sigma > 0 ? gaussian_taps(sigma, kTruncate) : std::vector<double>{1.0};
  if (!is_folded(of)) {
    append_doubles(words, taps);
    return words;
  }
  const auto h = static_cast<int>(of.h), w = static_cast<int>(of.w);
  append_doubles(words, folded(taps, h, h));
  append_doubles(words, folded(taps, w, SmoothPlane::line(w)));
  return words;
}
int radius_of(const CorruptionShape& of) {
  return is_folded(of) ? 0 : gaussian_radius(kConstants.at(of.args).sigma, kTruncate);
}
std::int64_t scratch(const CorruptionShape& of) {
  const std::int64_t plane = of.h * of.w;
  return 2 * SmoothPlane::doubles(of.h, of.w, radius_of(of)) + (3 * plane + 15) / 16 * 16 + 2 * plane;
}
std::vector<std::int64_t> corner_shape(const CorruptionShape&) {
  return {3, 2};
}
std::vector<std::int64_t> plane_shape(const CorruptionShape& of) {
  return {of.h, of.w};
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const Constants& c = kConstants.at(args);
  const auto stream = [&](const char* purpose) {
    return stream_id("corruption", "elastic_transform", args.severity, -1, purpose);
  };
  const CorruptionShape of{args, batch.images.h, batch.images.w};
  const Taps kernel{doubles_at(batch.constants), radius_of(of)};
  const std::uint32_t corner = stream("corner"), x = stream("dx"), y = stream("dy");
  if (is_folded(of))
    launch_corruption(exec, ElasticTransform<true>{c, kernel, corner, x, y}, batch);
  else
    launch_corruption(exec, ElasticTransform<false>{c, kernel, corner, x, y}, batch);
}
ASSAY_CORRUPTION("elastic_transform", "shears, and moves pixels by a smooth random field",
                 {{"corner", corner_shape}, {"dx", plane_shape}, {"dy", plane_shape}}, apply, constants, scratch, 3);

}  // namespace
}  // namespace assay
