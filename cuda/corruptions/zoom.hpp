#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "corruptions/blur.hpp"

// scipy.ndimage.zoom of order 1 (corners on corners) of a centred crop, its surplus trimmed at both sides.
namespace assay {

/// Where an output's position lies on an axis: between the pixels `first` and `first + 1`, with these weights. Both are
/// 0 where scipy finds it past the end, by a rounding, and takes its constant 0.
struct Position {
  double here, next;
  std::int32_t first, unused;
};

inline std::vector<Position> positions(int n, double factor) {
  const int crop = static_cast<int>(std::ceil(n / factor)), top = (n - crop) / 2;
  const int zoomed = static_cast<int>(std::nearbyint(crop * factor)), trim = (zoomed - n) / 2;
  const double scale = zoomed > 1 ? static_cast<double>(crop - 1) / (zoomed - 1) : 1.0;
  std::vector<Position> all;
  for (int i = 0; i < n; ++i) {
    const double at = (i + trim) * scale;
    auto first = static_cast<int>(at);
    double next = at - first, here = 1.0 - next;
    if (at > crop - 1) {
      here = next = 0;
      first = std::max(crop - 2, 0);
    } else if (first == crop - 1 && crop > 1) {
      --first;
      here = 0;
      next = 1;
    }
    all.push_back({here, next, top + first, 0});
  }
  return all;
}

/// The positions of the h lines and then of the w columns.
inline void append_positions(std::vector<std::uint32_t>& words, const CorruptionShape& of, double factor) {
  for (const std::int64_t side : {of.h, of.w})
    for (const Position& position : positions(static_cast<int>(side), factor)) {
      append_doubles(words, {position.here, position.next});
      words.push_back(static_cast<std::uint32_t>(position.first));
      words.push_back(0);
    }
}

}  // namespace assay
