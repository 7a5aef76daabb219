#pragma once
#include <cmath>
#include <vector>

#include "corruptions/corruption_kernel.hpp"

// Separable blurs of one plane in double, in the order in which scipy.ndimage.correlate1d adds: the middle first, then
// pairs from the outside in. So a plane of one level comes out as there, a rounding below or above it.
namespace assay {

/// What stands past the ends of a line: its last value, or the line mirrored there with (d c b a | a b c d) or without
/// its last value again.
enum class Edge { nearest, reflect, reflect_101 };

ASSAY_HD int at_edge(Edge edge, int i, int n) {
  if (i >= 0 && i < n) return i;
  if (edge == Edge::nearest || n == 1) return i < 0 ? 0 : n - 1;
  const int again = edge == Edge::reflect ? 1 : 0, period = 2 * (n - 1 + again);
  int at = i % period;
  if (at < 0) at += period;
  return at < n ? at : period - again - at;
}

/// f(k, column) for the kStrip pixels from x on of a line that has `margin` more than its w columns at both ends: the
/// column that is seen there.
template <int kStrip, class F>
ASSAY_HD void each_column(Edge edge, int x, int w, int margin, const F& f) {
  const int first = x - margin, count = kStrip < w + margin - first ? kStrip : w + margin - first;
  const int left = first < 0 ? (-first < count ? -first : count) : 0;
  const int right = w - first < count ? (w - first > left ? w - first : left) : count;
  for (int k = 0; k < left; ++k) f(k, at_edge(edge, first + k, w));
  for (int k = left; k < right; ++k) f(k, first + k);
  for (int k = right; k < count; ++k) f(k, at_edge(edge, first + k, w));
}

/// Doubles as pairs of words of a corruption's constants.
inline void append_doubles(std::vector<std::uint32_t>& words, const std::vector<double>& values) {
  for (const double value : values) {
    const std::uint64_t bits = double_to_bits(value);
    words.push_back(static_cast<std::uint32_t>(bits));
    words.push_back(static_cast<std::uint32_t>(bits >> 32));
  }
}
ASSAY_HD const double* doubles_at(const std::uint32_t* words) {
  return reinterpret_cast<const double*>(words);
}

/// Radius of scipy.ndimage.gaussian_filter's kernel.
ASSAY_HD int gaussian_radius(double sigma, double truncate = 4.0) {
  return static_cast<int>(truncate * sigma + 0.5);
}
/// NumPy's sum of consecutive doubles, in its order: eight running sums, halves where there are more than 128.
inline double numpy_sum(const double* v, int n) {
  if (n < 8) {
    double total = 0;
    for (int i = 0; i < n; ++i) total += v[i];
    return total;
  }
  if (n > 128) {
    const int half = n / 2 / 8 * 8;
    return numpy_sum(v, half) + numpy_sum(v + half, n - half);
  }
  double part[8];
  for (int k = 0; k < 8; ++k) part[k] = v[k];
  int i = 8;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) part[k] += v[i + k];
  double total = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  for (; i < n; ++i) total += v[i];
  return total;
}
/// The right half of that kernel, the middle first.
inline std::vector<double> gaussian_taps(double sigma, double truncate = 4.0) {
  const int radius = gaussian_radius(sigma, truncate);
  const double factor = -0.5 / (sigma * sigma);
  std::vector<double> all;
  for (int i = -radius; i <= radius; ++i) all.push_back(std::exp(factor * (i * i)));
  const double total = numpy_sum(all.data(), 2 * radius + 1);
  std::vector<double> taps(all.begin() + radius, all.end());
  for (double& tap : taps) tap /= total;
  return taps;
}

/// A symmetric kernel: taps[0] in the middle, taps[radius] at both ends.
struct Taps {
  const double* taps;
  int radius;
};

/// Working memory for one plane of h x w doubles.
struct SmoothPlane {
  int h, w, radius;
  double *in, *between;

  /// Lines are a multiple of a strip, so that strips may read and write past w.
  ASSAY_HD static int line(int w) { return (w + 31) / 32 * 32; }
  ASSAY_HD static std::int64_t doubles(std::int64_t h, std::int64_t w, int radius) {
    const std::int64_t stride = line(static_cast<int>(w));
    return h * (2 * stride + 2 * radius);
  }
  ASSAY_HD SmoothPlane(int height, int width, int reach, double* memory)
      : h(height), w(width), radius(reach), in(memory), between(memory + std::int64_t{height} * line(width)) {}
  ASSAY_HD int stride() const { return line(w); }
  ASSAY_HD int wide_stride() const { return line(w) + 2 * radius; }
};

/// Blurs plane.in, down and then across (whose radius is the plane's); store(y, x, values, count) gets up to kStrip
/// pixels from x on, and may write plane.in. What is in between is rounded to T, as scipy does for images of that type.
/// Barriers stand before it reads and after it has read. One thread blurs a line across as soon as no line that is
/// still to be blurred down needs it, so that lines are used while they are in its cache.
template <class T = double, class Team, class Store>
ASSAY_HD void smooth(Team& team, const SmoothPlane& plane, const Taps& down, const Taps& across, Edge edge,
                     const Store& store) {
  constexpr int kStrip = Team::kStrip;
  const int h = plane.h, w = plane.w, reach = down.radius, radius = across.radius;
  const int stride = plane.stride(), wide = plane.wide_stride();
  const double *in = plane.in, *down_taps = down.taps, *taps = across.taps;
  double* between = plane.between;
  const auto blur_down = [=](int y, int x) {
    double sum[kStrip];
    const double* middle = in + std::int64_t{y} * stride + x;
    for (int k = 0; k < kStrip; ++k) sum[k] = middle[k] * down_taps[0];
    for (int j = reach; j > 0; --j) {
      const double* above = in + std::int64_t{at_edge(edge, y - j, h)} * stride + x;
      const double* below = in + std::int64_t{at_edge(edge, y + j, h)} * stride + x;
      const double tap = down_taps[j];
      for (int k = 0; k < kStrip; ++k) sum[k] += (above[k] + below[k]) * tap;
    }
    double* out = between + std::int64_t{y} * wide + radius + x;
    for (int k = 0; k < kStrip; ++k) out[k] = static_cast<T>(sum[k]);
  };
  const auto fill_edges = [=](int y, int first) {
    double* row = between + std::int64_t{y} * wide + radius;
    for (int k = first; k < first + kStrip && k < 2 * radius; ++k) {
      const int x = k < radius ? k - radius : w + k - radius;
      row[x] = row[at_edge(edge, x, w)];
    }
  };
  const auto blur_across = [=](int y, int x) {
    double sum[kStrip];
    const double* middle = between + std::int64_t{y} * wide + radius + x;
    for (int k = 0; k < kStrip; ++k) sum[k] = middle[k] * taps[0];
    for (int j = radius; j > 0; --j) {
      const double *left = middle - j, *right = middle + j, tap = taps[j];
      for (int k = 0; k < kStrip; ++k) sum[k] += (left[k] + right[k]) * tap;
    }
    store(y, x, sum, kStrip < w - x ? kStrip : w - x);
  };
  team.sync();
  if constexpr (std::is_same_v<Team, SerialTeam>) {
    for (int y = 0; y < h + reach; ++y) {
      if (y < h)
        for (int x = 0; x < w; x += kStrip) blur_down(y, x);
      if (const int done = y - reach; done >= 0) {
        for (int x = 0; x < 2 * radius; x += kStrip) fill_edges(done, x);
        for (int x = 0; x < w; x += kStrip) blur_across(done, x);
      }
    }
  } else {
    team.each_strip(h, w, blur_down);
    team.sync();
    team.each_strip(h, 2 * radius, fill_edges);
    team.sync();
    team.each_strip(h, w, blur_across);
  }
}

template <class T = double, class Team, class Store>
ASSAY_HD void smooth(Team& team, const SmoothPlane& plane, const Taps& kernel, Edge edge, const Store& store) {
  smooth<T>(team, plane, kernel, kernel, edge, store);
}

/// value(i) of each pixel i into plane.in. Its worker is the one that has element i of a row of h x w.
template <class Team, class F>
ASSAY_HD void spread_plane(Team& team, const SmoothPlane& plane, const F& value) {
  const int w = plane.w, stride = plane.stride();
  double* in = plane.in;
  team.each_strip(plane.h, w, [=](int y, int x) {
    const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
    const std::int64_t first = std::int64_t{y} * w + x;
    double* to = in + std::int64_t{y} * stride + x;
    for (int k = 0; k < count; ++k) to[k] = value(first + k);
  });
}
/// One channel of bytes as reals into plane.in.
template <class Team>
ASSAY_HD void fill_plane(Team& team, const SmoothPlane& plane, const std::uint8_t* bytes) {
  spread_plane(team, plane, [=](std::int64_t i) { return unit_pixel64(bytes[i]); });
}

}  // namespace assay
