#pragma once
#include <cmath>
#include <vector>

#include "corruptions/blur.hpp"

// ImageMagick's motion blur (MotionBlurImage) of a plane of levels: half a normal kernel of 2 radius + 1 taps along a
// direction, taps at whole pixels, edges repeated. The sum is rounded to a level; the Python package imagecorruptions
// has the same blur with the sum as it is, and leaves off at the first tap that is a whole side away.
namespace assay {

struct MotionConstants {
  int radius;
  double sigma;
};

/// The weights of the 2 radius + 1 taps, as doubles: sums often end near a half, where a rounding makes a level.
/// imagecorruptions has a density's factor in them, which decides their last bits.
inline void append_motion_weights(std::vector<std::uint32_t>& words, const MotionConstants& c, Table table) {
  const double divisor = table == Table::imagecorruptions ? std::sqrt(2 * 3.141592653589793) * c.sigma : 1.0;
  std::vector<double> weights;
  for (int i = 0; i <= 2 * c.radius; ++i) weights.push_back(std::exp(-(i * i) / (2 * c.sigma * c.sigma)) / divisor);
  const double total = numpy_sum(weights.data(), 2 * c.radius + 1);
  for (double& weight : weights) weight /= total;
  append_doubles(words, weights);
}

/// A plane of levels with margins, and where the taps are.
struct MotionPlane {
  int h, w, radius;
  float* levels;
  std::int32_t* offsets;

  ASSAY_HD static std::int64_t floats(std::int64_t h, std::int64_t w, int radius) {
    return (h + 4 * radius) * stride_of(static_cast<int>(w), radius) + (2 * radius + 16) / 16 * 16;
  }
  ASSAY_HD static int stride_of(int w, int radius) { return (w + 4 * radius + 31) / 32 * 32 + 32; }
  ASSAY_HD MotionPlane(int height, int width, int reach, float* memory)
      : h(height),
        w(width),
        radius(reach),
        levels(memory),
        offsets(reinterpret_cast<std::int32_t*>(memory + std::int64_t{height + 4 * reach} * stride_of(width, reach))) {}
  ASSAY_HD int stride() const { return stride_of(w, radius); }
  ASSAY_HD int margin() const { return 2 * radius; }
};

/// Where the taps for an angle are.
struct MotionSteps {
  double sine = 0, cosine = 0;

  ASSAY_HD explicit MotionSteps(float degrees) { sincos_degrees(static_cast<double>(degrees), sine, cosine); }
  ASSAY_HD std::int32_t down(int i) const { return step(i, sine); }
  ASSAY_HD std::int32_t right(int i) const { return step(i, cosine); }

 private:
  /// ceil(v - 0.5), of values whose size is under 100.
  ASSAY_HD static std::int32_t step(int i, double v) {
    return 200 - static_cast<std::int32_t>(200.0 - (static_cast<double>(i) * v - 0.5));
  }
};

/// The taps for an angle in degrees; a barrier is to follow.
template <class Team>
ASSAY_HD void aim_motion(Team& team, const MotionPlane& plane, float degrees) {
  const int radius = plane.radius, stride = plane.stride();
  std::int32_t* offsets = plane.offsets;
  team.each(2 * radius + 1, [=](std::int64_t i) {
    const MotionSteps steps(degrees);
    const auto tap = static_cast<int>(i);
    offsets[i] = steps.down(tap) * stride + steps.right(tap);
  });
}
/// Of that many taps those before the first that is as far away as the image is high or wide.
ASSAY_HD int taps_inside(int taps, float degrees, int h, int w) {
  const MotionSteps steps(degrees);
  const auto outside = [=](std::int32_t step, int side) { return step >= side || step <= -side; };
  while (outside(steps.down(taps - 1), h) || outside(steps.right(taps - 1), w)) --taps;
  return taps;
}

/// Fills the plane from level(y, x), a byte's number; barriers stand before and after.
template <class Team, class F>
ASSAY_HD void fill_motion(Team& team, const MotionPlane& plane, const F& level) {
  const int h = plane.h, w = plane.w, margin = plane.margin(), stride = plane.stride(), wide = w + 2 * margin;
  float* levels = plane.levels;
  team.sync();
  team.each_strip(h + 2 * margin, wide, [=](int y, int x) {
    const int from = at_edge(Edge::nearest, y - margin, h);
    float* to = levels + std::int64_t{y} * stride + x;
    each_column<Team::kStrip>(Edge::nearest, x, w, margin,
                              [=](int k, int column) { to[k] = static_cast<float>(level(from, column)); });
  });
  team.sync();
}

/// The nearest whole number, not below 0.
ASSAY_HD float nearest_level(double level) {
  return static_cast<float>(static_cast<std::int32_t>(level + 0.5));
}

/// `weights` as append_motion_weights makes them. store(y, x, levels, count) gets up to kStrip blurred levels, as they
/// add up, from x on.
template <class Team, class Store>
ASSAY_HD void blur_motion(Team& team, const MotionPlane& plane, const double* weights, int taps, const Store& store) {
  constexpr int kStrip = Team::kStrip;
  const int w = plane.w, margin = plane.margin(), stride = plane.stride();
  const float* levels = plane.levels;
  const std::int32_t* offsets = plane.offsets;
  team.each_strip(plane.h, w, [=](int y, int x) {
    const float* middle = levels + std::int64_t{y + margin} * stride + margin + x;
    double sum[kStrip];
    for (int k = 0; k < kStrip; ++k) sum[k] = 0.0;
    for (int t = 0; t < taps; ++t) {
      const float* from = middle + offsets[t];
      const double weight = weights[t];
      for (int k = 0; k < kStrip; ++k) sum[k] += weight * static_cast<double>(from[k]);
    }
    store(y, x, sum, kStrip < w - x ? kStrip : w - x);
  });
}

}  // namespace assay
