#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "corruptions/blur.hpp"

// scipy.ndimage.zoom of order 1 (corners on corners) of a centred crop, its surplus trimmed at both sides, or, as the
// Python package imagecorruptions has it, at the far ones alone.
namespace assay {

/// Where each output lies on an axis: between the pixels `first` and `first + 1`, with these weights. Both are 0 where
/// scipy finds it past the end, by a rounding, and takes its constant 0.
struct ZoomAxis {
  const double *here, *next;
  const std::int32_t* first;

  /// As append_zoom makes it: lines of whole strips, one after the other.
  ASSAY_HD ZoomAxis(const std::uint32_t* words, int n)
      : here(doubles_at(words)),
        next(here + SmoothPlane::line(n)),
        first(reinterpret_cast<const std::int32_t*>(next + SmoothPlane::line(n))) {}
  ASSAY_HD static std::int64_t words(int n) { return 5 * std::int64_t{SmoothPlane::line(n)}; }

  /// The strip from x on of a line, zoomed in: its pixels lie within as many columns, and one more, of
  /// `line`, which begins at first[x]. Calls f(k, the pixel there, the next one, their weights).
  template <int kStrip, class F>
  ASSAY_HD void across(int x, const double* line, const F& f) const {
    const std::int32_t* columns = first + x;
    const std::int32_t left = columns[0];
    double pairs[2 * kStrip];
    for (int k = 0; k < kStrip; ++k) {
      const double* pair = line + (columns[k] - left);
      pairs[2 * k] = pair[0];
      pairs[2 * k + 1] = pair[1];
    }
    const double *weights = here + x, *others = next + x;
    for (int k = 0; k < kStrip; ++k) f(k, pairs[2 * k], pairs[2 * k + 1], weights[k], others[k]);
  }
};

inline int zoom_crop(int n, double factor) {
  return static_cast<int>(std::ceil(n / factor));
}
/// How long that crop is when it is zoomed: n, or a little more.
inline int zoomed_side(int n, double factor) {
  return static_cast<int>(std::nearbyint(zoom_crop(n, factor) * factor));
}

/// Of the zoomed axis of n pixels the `kept` ones that the table trims it to.
inline void append_zoom(std::vector<std::uint32_t>& words, int n, double factor, Table table, int kept) {
  const int crop = zoom_crop(n, factor), top = (n - crop) / 2, zoomed = zoomed_side(n, factor);
  const int trim = table == Table::imagecorruptions ? 0 : (zoomed - n) / 2;
  const double scale = zoomed > 1 ? static_cast<double>(crop - 1) / (zoomed - 1) : 1.0;
  const auto line = static_cast<std::size_t>(SmoothPlane::line(kept));
  std::vector<double> all_here(line), all_next(line);
  std::vector<std::uint32_t> all_first(line);
  for (std::size_t i = 0; i < line; ++i) {
    if (i >= static_cast<std::size_t>(kept)) {
      all_first[i] = all_first[i - 1];
      continue;
    }
    const double at = (static_cast<int>(i) + trim) * scale;
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
    all_here[i] = here;
    all_next[i] = next;
    all_first[i] = static_cast<std::uint32_t>(top + first);
  }
  append_doubles(words, all_here);
  append_doubles(words, all_next);
  words.insert(words.end(), all_first.begin(), all_first.end());
}

}  // namespace assay
