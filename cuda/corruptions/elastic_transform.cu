// A random affine map and a smooth random displacement: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of
// ImageNet-C (whose 244 for 224 is the benchmark's own), Tiny-ImageNet-C and CIFAR-10-C. The map is OpenCV's warpAffine
// of float32, which reads at whole 32nds of a pixel, edges mirrored (reflect 101); then scipy's map_coordinates of
// order 1, edges mirrored (reflect). The Python package imagecorruptions has no affine map, and a displacement that
// goes by the image's sides.
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

double sigma_of(const CorruptionArgs& args, std::int64_t side) {
  return args.table == Table::imagecorruptions ? static_cast<double>(side) * .01 : kConstants.at(args).sigma;
}
/// Of a displacement in [-1, 1).
double alpha_of(const CorruptionArgs& args, std::int64_t h) {
  constexpr double kPackage[5] = {250 * .05, 250 * .065, 250 * .085, 250 * .1, 250 * .12};
  return args.table == Table::imagecorruptions ? kPackage[args.severity - 1] * (static_cast<double>(h) * .005)
                                               : kConstants.at(args).alpha;
}
double affine_of(const CorruptionArgs& args) {
  return args.table == Table::imagecorruptions ? 0 : kConstants.at(args).affine;
}

/// To the nearest whole number, halves to even; |v| < 2^51.
ASSAY_HD std::int32_t nearest(double v) {
  return static_cast<std::int32_t>((v + 6755399441055744.0) - 6755399441055744.0);
}

/// Where the four pixels around each point of a strip stand: upper left, upper right, lower left, lower right.
template <int kStrip>
struct Corners {
  int at[4][kStrip];

  /// Of the points right of and below pixel (left[k], top[k]).
  ASSAY_HD void find(Edge edge, const int* left, const int* top, int count, int h, int w) {
    if constexpr (kStrip > 1) {  // of many pixels, most lie nowhere near an edge
      int inside = 1;
      for (int k = 0; k < kStrip; ++k)
        inside &= (left[k] >= 0 ? 1 : 0) & (left[k] < w - 1 ? 1 : 0) & (top[k] >= 0 ? 1 : 0) & (top[k] < h - 1 ? 1 : 0);
      if (inside != 0) {
        for (int k = 0; k < kStrip; ++k) {
          const int first = top[k] * w + left[k];
          at[0][k] = first;
          at[1][k] = first + 1;
          at[2][k] = first + w;
          at[3][k] = first + w + 1;
        }
        return;
      }
    }
    for (int k = 0; k < count; ++k) {
      const int x0 = at_edge(edge, left[k], w), x1 = at_edge(edge, left[k] + 1, w);
      const int y0 = at_edge(edge, top[k], h) * w, y1 = at_edge(edge, top[k] + 1, h) * w;
      at[0][k] = y0 + x0;
      at[1][k] = y0 + x1;
      at[2][k] = y1 + x0;
      at[3][k] = y1 + x1;
    }
  }
  ASSAY_HD void read(const float* plane, int count, float (&values)[4][kStrip]) const {
    for (int corner = 0; corner < 4; ++corner)
      for (int k = 0; k < count; ++k) values[corner][k] = plane[at[corner][k]];
  }
};

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

/// A kernel that reaches over the whole side, mirrored edges and all. It is the same from either end, so pixels i and
/// n - 1 - i become even + odd and even - odd: how much of the sums x[j] + x[n - 1 - j] goes into the even parts of the
/// first half (with a middle one), and then of the differences into the odd ones. Rows of `stride` for each j.
std::vector<double> folded(const std::vector<double>& taps, int n, int stride) {
  const int half = (n + 1) / 2, radius = static_cast<int>(taps.size()) - 1;
  std::vector<double> both(2 * static_cast<std::size_t>(half) * static_cast<std::size_t>(stride)), row;
  for (int i = 0; i < half; ++i) {
    row.assign(static_cast<std::size_t>(n), 0.0);
    for (int j = -radius; j <= radius; ++j)
      row[static_cast<std::size_t>(at_edge(Edge::reflect, i + j, n))] += taps[static_cast<std::size_t>(j < 0 ? -j : j)];
    double *even = both.data() + i, *odd = even + std::ptrdiff_t{half} * stride;
    for (int j = 0; j < half; ++j) {
      const double here = row[static_cast<std::size_t>(j)], there = row[static_cast<std::size_t>(n - 1 - j)];
      const bool middle = j == n - 1 - j;
      even[std::ptrdiff_t{j} * stride] = middle ? here : 0.5 * (here + there);
      odd[std::ptrdiff_t{j} * stride] = middle ? 0.0 : 0.5 * (here - there);
    }
  }
  return both;
}
/// A value and its mirror image become their sum and their difference.
ASSAY_HD void fold_pair(double* first, double* last) {
  const double here = *first, there = *last;
  *first = here + there;
  *last = here - there;
}
/// Whether that takes fewer additions.
bool is_folded(const CorruptionShape& of) {
  return of.args.table != Table::imagecorruptions &&
         gaussian_radius(kConstants.at(of.args).sigma, kTruncate) > (of.h < of.w ? of.h : of.w);
}

/// As smooth, by what `folded` gives for the lines of h and of w pixels; what it stores is visible to all afterwards.
template <class Team, class Store>
ASSAY_HD void smooth_folded(Team& team, const SmoothPlane& plane, const double* down, const double* across,
                            const Store& store) {
  constexpr int kStrip = Team::kStrip;
  const int h = plane.h, w = plane.w, stride = plane.stride(), wide = plane.wide_stride();
  const int half_h = (h + 1) / 2, half_w = (w + 1) / 2;
  double *in = plane.in, *between = plane.between;
  team.sync();
  team.each_strip(h / 2, w, [=](int y, int x) {
    double *upper = in + y * stride + x, *lower = in + (h - 1 - y) * stride + x;
    for (int k = 0; k < kStrip; ++k) fold_pair(upper + k, lower + k);
  });
  team.sync();
  team.each_strip(half_h, w, [=](int y, int x) {
    double even[kStrip], odd[kStrip];
    for (int k = 0; k < kStrip; ++k) even[k] = odd[k] = 0.0;
    const double *to_even = down + y, *to_odd = to_even + half_h * half_h;
    for (int j = 0; j < half_h; ++j) {
      const double *line = in + (j * stride + x), weight = to_even[j * half_h];
      for (int k = 0; k < kStrip; ++k) even[k] += line[k] * weight;
    }
    for (int j = 0; j < h / 2; ++j) {
      const double *line = in + ((h - 1 - j) * stride + x), weight = to_odd[j * half_h];
      for (int k = 0; k < kStrip; ++k) odd[k] += line[k] * weight;
    }
    double *upper = between + y * wide + x, *lower = between + (h - 1 - y) * wide + x;
    for (int k = 0; k < kStrip; ++k) upper[k] = even[k] + odd[k];
    for (int k = 0; k < kStrip; ++k) lower[k] = even[k] - odd[k];
  });
  team.sync();
  team.each_strip(h, w / 2, [=](int y, int x) {
    double* line = between + y * wide;
    for (int k = x; k < x + kStrip && k < w / 2; ++k) fold_pair(line + k, line + w - 1 - k);
  });
  team.sync();
  team.each_strip(h, half_w, [=](int y, int x) {
    double even[kStrip], odd[kStrip];
    for (int k = 0; k < kStrip; ++k) even[k] = odd[k] = 0.0;
    const double* line = between + y * wide;
    const double *to_even = across + x, *to_odd = to_even + half_w * stride;
    for (int j = 0; j < half_w; ++j) {
      const double *weights = to_even + j * stride, value = line[j];
      for (int k = 0; k < kStrip; ++k) even[k] += weights[k] * value;
    }
    for (int j = 0; j < w / 2; ++j) {
      const double *weights = to_odd + j * stride, value = line[w - 1 - j];
      for (int k = 0; k < kStrip; ++k) odd[k] += weights[k] * value;
    }
    const int count = kStrip < half_w - x ? kStrip : half_w - x;
    double left[kStrip], right[kStrip];
    for (int k = 0; k < kStrip; ++k) left[k] = even[k] + odd[k];
    for (int k = 0; k < count; ++k) right[count - 1 - k] = even[k] - odd[k];
    store(y, x, left, count);
    store(y, w - x - count, right, count);
  });
  team.sync();
}

template <bool kFolded>
struct ElasticTransform {
  [[maybe_unused]] static constexpr int kTeamsTogether = kFolded ? 1 : 2;
  double alpha, affine;
  Taps down, across;  ///< where they are folded, matrices, and radius 0
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
    const SmoothPlane smoothed(h, w, across.radius, reinterpret_cast<double*>(row.scratch));
    float* const warped = row.scratch + 2 * SmoothPlane::doubles(h, w, across.radius);
    float* const fields = warped + (3 * plane + 15) / 16 * 16;  // dx, then dy
    float* const drawn = row.draws;

    float jitter[8];
    for (int block = 0; block < 2; ++block) {
      const Quad<float> u = units(row.draw(corner_stream).words(block));
      for (int k = 0; k < 4; ++k)
        jitter[4 * block + k] = static_cast<float>((2.0 * static_cast<double>(u.v[k]) - 1.0) * affine);
    }
    if (drawn != nullptr)
      team.once([&] {
        for (int k = 0; k < 6; ++k) drawn[k] = jitter[k];
      });
    for (int axis = 0; axis < 2; ++axis) row.record(team, 6 + axis * plane, plane, displacements(row, axis));
    const Affine back = Affine::undoing(h, w, jitter);
    constexpr int kStrip = Team::kStrip;
    const int size = static_cast<int>(plane);
    float* const out = row.out;
    row.map_quads(team, [](std::int64_t, const Quad<std::uint8_t>& bytes) {
      Quad<float> pixels;
      for (int k = 0; k < 4; ++k) pixels.v[k] = unit_pixel(bytes.v[k]);
      return pixels;
    });
    team.sync();
    team.each_strip(h, w, [=](int y, int x) {
      const int count = kStrip == 1 || kStrip < w - x ? kStrip : w - x;
      const std::int32_t line_x = nearest((back.xy * y + back.x0) * 1024.0) + 16;
      const std::int32_t line_y = nearest((back.yy * y + back.y0) * 1024.0) + 16;
      int left[kStrip], top[kStrip];
      float part_x[kStrip], part_y[kStrip];
      for (int k = 0; k < kStrip; ++k) {
        const std::int32_t at_x = (line_x + nearest(back.xx * (x + k) * 1024.0)) >> 5;
        const std::int32_t at_y = (line_y + nearest(back.yx * (x + k) * 1024.0)) >> 5;
        left[k] = at_x >> 5;
        top[k] = at_y >> 5;
        part_x[k] = static_cast<float>(at_x & 31) / 32.f;
        part_y[k] = static_cast<float>(at_y & 31) / 32.f;
      }
      Corners<kStrip> corners;
      corners.find(Edge::reflect_101, left, top, count, h, w);
#pragma unroll 1
      for (int channel = 0; channel < 3; ++channel) {
        float v[4][kStrip], mixed[kStrip];
        corners.read(out + channel * size, count, v);
        for (int k = 0; k < kStrip; ++k)
          mixed[k] = v[0][k] * ((1.f - part_y[k]) * (1.f - part_x[k])) + v[1][k] * ((1.f - part_y[k]) * part_x[k]) +
                     v[2][k] * (part_y[k] * (1.f - part_x[k])) + v[3][k] * (part_y[k] * part_x[k]);
        for (int k = 0; k < count; ++k) warped[channel * size + y * w + x + k] = mixed[k];
      }
    });

    const double far = alpha;
#pragma unroll 1
    for (int axis = 0; axis < 2; ++axis) {
      float* const field = fields + axis * plane;
      team.map_quads(plane, field, displacements(row, axis));
      spread_plane(team, smoothed, [=](std::int64_t i) { return static_cast<double>(field[i]); });
      const auto store = [=](int y, int x, const double* sum, int count) {
        for (int k = 0; k < count; ++k) field[y * w + x + k] = static_cast<float>(sum[k] * far);
      };
      if constexpr (kFolded)
        smooth_folded(team, smoothed, down.taps, across.taps, store);
      else
        smooth(team, smoothed, down, across, Edge::reflect, store);
    }
    team.each_strip(h, w, [=](int y, int x) {
      const int count = kStrip == 1 || kStrip < w - x ? kStrip : w - x;
      const int i = y * w + x;
      float by_x[kStrip] = {}, by_y[kStrip] = {};
      for (int k = 0; k < count; ++k) by_x[k] = fields[i + k];
      for (int k = 0; k < count; ++k) by_y[k] = fields[size + i + k];
      int left[kStrip], top[kStrip];
      double part_x[kStrip], part_y[kStrip];
      for (int k = 0; k < kStrip; ++k) {
        const double to_x = x + k + static_cast<double>(by_x[k]), to_y = y + static_cast<double>(by_y[k]);
        // Floors: displacements are far smaller than this.
        left[k] = static_cast<int>(to_x + 65536.0) - 65536;
        top[k] = static_cast<int>(to_y + 65536.0) - 65536;
        part_x[k] = to_x - left[k];
        part_y[k] = to_y - top[k];
      }
      Corners<kStrip> corners;
      corners.find(Edge::reflect, left, top, count, h, w);
#pragma unroll 1
      for (int channel = 0; channel < 3; ++channel) {
        float v[4][kStrip], moved[kStrip];
        corners.read(warped + channel * size, count, v);
        for (int k = 0; k < kStrip; ++k) {
          double sum = static_cast<double>(v[0][k]) * (1.0 - part_y[k]) * (1.0 - part_x[k]);
          sum += static_cast<double>(v[1][k]) * (1.0 - part_y[k]) * part_x[k];
          sum += static_cast<double>(v[2][k]) * part_y[k] * (1.0 - part_x[k]);
          sum += static_cast<double>(v[3][k]) * part_y[k] * part_x[k];
          moved[k] = clamp01(static_cast<float>(sum));
        }
        for (int k = 0; k < count; ++k) out[channel * size + i + k] = moved[k];
      }
    });
  }
};

/// Of the lines down, then of those across.
std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  std::vector<std::uint32_t> words;
  const auto append = [&](std::int64_t side, std::int64_t stride) {
    const double sigma = sigma_of(of.args, side);
    const std::vector<double> taps = sigma > 0 ? gaussian_taps(sigma, kTruncate) : std::vector<double>{1.0};
    if (is_folded(of))
      append_doubles(words, folded(taps, static_cast<int>(side), static_cast<int>(stride)));
    else
      append_doubles(words, taps);
  };
  append(of.h, (of.h + 1) / 2);
  append(of.w, SmoothPlane::line(static_cast<int>(of.w)));
  return words;
}
int radius_of(const CorruptionShape& of, std::int64_t side) {
  return is_folded(of) ? 0 : gaussian_radius(sigma_of(of.args, side), kTruncate);
}
std::int64_t scratch(const CorruptionShape& of) {
  const std::int64_t plane = of.h * of.w;
  return 2 * SmoothPlane::doubles(of.h, of.w, radius_of(of, of.w)) + (3 * plane + 15) / 16 * 16 + 2 * plane;
}
std::vector<std::int64_t> corner_shape(const CorruptionShape&) {
  return {3, 2};
}
std::vector<std::int64_t> plane_shape(const CorruptionShape& of) {
  return {of.h, of.w};
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const auto stream = [&](const char* purpose) {
    return stream_id("corruption", "elastic_transform", args.severity, -1, purpose);
  };
  const CorruptionShape of{args, batch.images.h, batch.images.w};
  const double alpha = alpha_of(args, of.h), affine = affine_of(args);
  const std::int64_t half = (of.h + 1) / 2;
  const Taps down{doubles_at(batch.constants), radius_of(of, of.h)};
  const Taps across{down.taps + (is_folded(of) ? 2 * half * half : down.radius + 1), radius_of(of, of.w)};
  const std::uint32_t corner = stream("corner"), x = stream("dx"), y = stream("dy");
  if (is_folded(of))
    launch_corruption(exec, ElasticTransform<true>{alpha, affine, down, across, corner, x, y}, batch);
  else
    launch_corruption(exec, ElasticTransform<false>{alpha, affine, down, across, corner, x, y}, batch);
}
ASSAY_CORRUPTION("elastic_transform", "shears, and moves pixels by a smooth random field",
                 {{"corner", corner_shape}, {"dx", plane_shape}, {"dy", plane_shape}}, apply, constants, scratch, 3);

}  // namespace
}  // namespace assay
