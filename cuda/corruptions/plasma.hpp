#pragma once
#include <algorithm>
#include <vector>

#include "corruptions/corruption_kernel.hpp"

// A plasma fractal: diamond-square on a torus. A new point is the mean of four plus wibble times a uniform number in
// [-wibble, wibble): the amplitude is the wibble's square, as in the benchmark's code.
namespace assay {

/// The map is as large as the benchmark's, or the next power of two that holds the image: imagecorruptions always takes
/// that one.
inline int plasma_side(const CorruptionShape& of) {
  const Table table = of.args.table;
  int side = table == Table::c224 ? 256 : table == Table::c64 ? 64 : 32;
  while (side < std::max(of.h, of.w)) side *= 2;
  return side;
}
inline std::vector<std::int64_t> plasma_shape(const CorruptionShape& of) {
  return {plasma_side(of), plasma_side(of)};
}
inline std::int64_t plasma_floats(const CorruptionShape& of) {
  return 2 * std::int64_t{plasma_side(of)} * plasma_side(of);
}

/// A plasma's lowest point, and how far the highest is above it.
struct Heights {
  double low, range;
  /// In [0, 1].
  ASSAY_HD double part(double height) const { return (height - low) / range; }
};

/// Fills map, side x side; `drawn` gets its uniform numbers where it is not null.
template <class Team>
ASSAY_HD Heights grow_plasma(Team& team, double* map, int side, double decay, const Draw& draw, float* drawn) {
  const std::int64_t points = std::int64_t{side} * side;
  // What each point draws stands in its place until it is computed.
  team.each(points / 4, [=](std::int64_t block) {
    const Quad<float> u = units(draw.words(block));
    for (int k = 0; k < 4; ++k) map[4 * block + k] = static_cast<double>(u.v[k]);
  });
  if (drawn != nullptr) team.map_quads(points, drawn, [=](std::int64_t block) { return units(draw.words(block)); });
  team.once([=] { map[0] = 0.0; });
  double wibble = 100.0;
  for (int step = side; step >= 2; step /= 2, wibble /= decay) {
    const int half = step / 2, mask = side - 1, cells = side / step, width = side;
    const double range = wibble;
    const auto fill = [=](int y, int x, double sum) {
      double& point = map[std::int64_t{y} * width + x];
      point = sum / 4.0 + range * ((2.0 * point - 1.0) * range);
    };
    const auto at = [=](int y, int x) { return map[std::int64_t{y & mask} * width + (x & mask)]; };
    team.each_strip(cells, cells, [=](int row, int first) {
      const int y = row * step, end = first + Team::kStrip < cells ? first + Team::kStrip : cells;
      for (int column = first; column < end; ++column) {
        const int x = column * step;
        fill(y + half, x + half, (at(y, x) + at(y + step, x)) + (at(y, x + step) + at(y + step, x + step)));
      }
    });
    team.sync();
    team.each_strip(cells, cells, [=](int row, int first) {
      const int y = row * step, end = first + Team::kStrip < cells ? first + Team::kStrip : cells;
      for (int column = first; column < end; ++column) {
        const int x = column * step;
        const double corner = at(y, x), middle = at(y + half, x + half);
        fill(y, x + half, (middle + at(y - half, x + half)) + (corner + at(y, x + step)));
        fill(y + half, x, (middle + at(y + half, x - half)) + (corner + at(y + step, x)));
      }
    });
    team.sync();
  }
  const double low = -team.max(points, -1e300, [=](std::int64_t i) { return -map[i]; });
  const double high = team.max(points, -1e300, [=](std::int64_t i) { return map[i]; });
  return {low, high - low};
}

}  // namespace assay
