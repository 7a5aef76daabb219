#pragma once
#include "corruptions/blur.hpp"

// How spatter shades its water, by the distance to the water's edges: OpenCV's Canny (thresholds 50 and 150),
// distanceTransform (L2, 5 x 5) cut at 20, blur, equalizeHist, an embossing filter2D and blur again, in its numbers.
namespace assay {

inline constexpr int kReach = 20, kBins = kReach + 1;  ///< distances are cut there
inline constexpr std::int32_t kLow = 50, kHigh = 150;
inline constexpr std::int32_t kWeak = 1, kStrong = 2;

/// One step straight, diagonal, or as a knight moves, in 2^-23: OpenCV's floats 1, 1.4 and 2.1969.
inline constexpr std::int32_t kStraight = 1 << 23, kDiagonal = 11744051, kKnight = 18428932;

/// h x w whole numbers in a frame one wide.
struct Framed {
  int h, w;
  std::int32_t* first;

  ASSAY_HD static std::int64_t words(std::int64_t h, std::int64_t w) { return ((h + 2) * (w + 2) + 15) / 16 * 16; }
  ASSAY_HD std::int32_t* line(int y) const { return first + std::int64_t{y + 1} * (w + 2) + 1; }
};

template <class Team>
ASSAY_HD void frame(Team& team, const Framed& plane, Edge edge) {
  const int h = plane.h, w = plane.w;
  team.sync();
  team.each(2 * (std::int64_t{w} + 2) + 2 * std::int64_t{h}, [=](std::int64_t i) {
    const int across = w + 2, k = static_cast<int>(i);
    const int y = k < across ? -1 : k < 2 * across ? h : (k - 2 * across) / 2;
    const int x = k < across ? k - 1 : k < 2 * across ? k - across - 1 : (k % 2 == 0 ? -1 : w);
    plane.line(y)[x] = plane.line(at_edge(edge, y, h))[at_edge(edge, x, w)];
  });
  team.sync();
}

/// Canny: `at` gets kStrong where an edge is; `sizes` holds the gradients' sizes then. Both are framed by zeros.
template <class Team>
ASSAY_HD void find_edges(Team& team, const Framed& levels, const Framed& sizes, const Framed& at) {
  const int h = levels.h, w = levels.w;
  team.each(Framed::words(h, w), [=](std::int64_t i) {
    sizes.first[i] = 0;
    at.first[i] = 0;
  });
  frame(team, levels, Edge::nearest);
  const int line = w + 2;
  const auto across = [=](int y, int x) {
    const std::int32_t* here = levels.line(y) + x;
    return (here[1 - line] + 2 * here[1] + here[1 + line]) - (here[-1 - line] + 2 * here[-1] + here[-1 + line]);
  };
  const auto down = [=](int y, int x) {
    const std::int32_t* here = levels.line(y) + x;
    return (here[line - 1] + 2 * here[line] + here[line + 1]) - (here[-line - 1] + 2 * here[-line] + here[1 - line]);
  };
  const auto size_of = [](std::int32_t v) { return v < 0 ? -v : v; };
  team.each_strip(h, w, [=](int y, int x) {
    const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
    std::int32_t* to = sizes.line(y) + x;
    for (int k = 0; k < count; ++k) to[k] = size_of(across(y, x + k)) + size_of(down(y, x + k));
  });
  team.sync();
  team.each_strip(h, w, [=](int y, int x0) {
    const int end = x0 + Team::kStrip < w ? x0 + Team::kStrip : w;
    for (int x = x0; x < end; ++x) {
      const std::int32_t *above = sizes.line(y - 1) + x, *here = sizes.line(y) + x, *below = sizes.line(y + 1) + x;
      const std::int32_t size = here[0];
      if (size <= kLow) continue;
      // A direction is told by its tangent: below that of 22.5 degrees, above that of 67.5, or between.
      const std::int32_t dx = across(y, x), dy = down(y, x), rise = size_of(dy) << 15, flat = size_of(dx) * 13573;
      bool largest = false;
      if (rise < flat) {
        largest = size > here[-1] && size >= here[1];
      } else if (rise > flat + (size_of(dx) << 16)) {
        largest = size > above[0] && size >= below[0];
      } else {
        const int slant = (dx ^ dy) < 0 ? -1 : 1;
        largest = size > above[-slant] && size > below[slant];
      }
      if (largest) at.line(y)[x] = size > kHigh ? kStrong : kWeak;
    }
  });
  team.sync();
  const std::int32_t weak =
      team.max(Framed::words(h, w), std::int32_t{0}, [=](std::int64_t i) { return at.first[i] == kWeak ? 1 : 0; });
  if (weak == 0) return;
  // Weak edges that touch a strong one are strong: every second line at a time, so that none is read while it changes.
  const auto spread = [=](int y) {
    const std::int32_t *above = at.line(y - 1), *below = at.line(y + 1);
    std::int32_t* here = at.line(y);
    std::int32_t changed = 0;
#pragma unroll 1
    for (int x = 0; x < w; ++x) {
      if (here[x] != kWeak) continue;
      bool touches = here[x - 1] == kStrong;
      for (int k = x - 1; k <= x + 1; ++k) touches = touches || above[k] == kStrong || below[k] == kStrong;
      if (!touches) continue;
      here[x] = kStrong;
      changed = 1;
    }
    for (int x = w - 1; x >= 0; --x) {
      if (here[x] != kWeak || here[x + 1] != kStrong) continue;
      here[x] = kStrong;
      changed = 1;
    }
    return changed;
  };
  for (std::int32_t changed = 1; changed != 0;) {
    changed = team.max((h + 1) / 2, std::int32_t{0}, [=](std::int64_t i) { return spread(static_cast<int>(2 * i)); });
    const std::int32_t odd =
        team.max(h / 2, std::int32_t{0}, [=](std::int64_t i) { return spread(static_cast<int>(2 * i + 1)); });
    changed = changed > odd ? changed : odd;
  }
}

/// The distance to the next edge along each line into `beside`, kReach at most; then that in the plane, as floats, into
/// `away`. The shortest way over the three kinds of steps is the larger of two linear functions.
template <class Team>
ASSAY_HD void measure_distances(Team& team, const Framed& edges, const Framed& beside, const Framed& away) {
  const int h = edges.h, w = edges.w;
  team.each(h, [=](std::int64_t y) {
    const std::int32_t* from = edges.line(static_cast<int>(y));
    std::int32_t* to = beside.line(static_cast<int>(y));
    std::int32_t steps = kReach;
    for (int x = 0; x < w; ++x) {
      steps = from[x] == kStrong ? 0 : steps < kReach ? steps + 1 : kReach;
      to[x] = steps;
    }
    for (int x = w - 1; x >= 0; --x) {
      steps = to[x] < steps + 1 ? to[x] : steps + 1;
      to[x] = steps;
    }
  });
  team.sync();
  team.each_strip(h, w, [=](int y, int x) {
    const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
    std::int32_t best[Team::kStrip];
    for (int k = 0; k < Team::kStrip; ++k) best[k] = kReach * kStraight;
    const int top = y < kReach ? 0 : y - kReach + 1, bottom = y + kReach < h ? y + kReach : h;
#pragma unroll 1
    for (int line = top; line < bottom; ++line) {
      const std::int32_t* from = beside.line(line) + x;
      const std::int32_t dy = line < y ? y - line : line - y;
      for (int k = 0; k < count; ++k) {
        const std::int32_t dx = from[k], more = dx > dy ? dx : dy, less = dx > dy ? dy : dx;
        const std::int32_t steep = kStraight * more + (kKnight - 2 * kStraight) * less,
                           slant = (kKnight - kDiagonal) * more + (2 * kDiagonal - kKnight) * less;
        const std::int32_t way = steep > slant ? steep : slant;
        best[k] = way < best[k] ? way : best[k];
      }
    }
    auto* to = away.line(y) + x;
    for (int k = 0; k < count; ++k)
      to[k] = static_cast<std::int32_t>(float_to_bits(static_cast<float>(best[k]) * 0x1p-23f));
  });
}

/// Nine neighbours' sum, as f reads them.
template <class F>
ASSAY_HD auto around(const Framed& plane, int y, int x, const F& f) {
  decltype(f(0)) sum{};
  for (int dy = -1; dy <= 1; ++dy)
    for (int dx = -1; dx <= 1; ++dx) sum += f(plane.line(y + dy)[x + dx]);
  return sum;
}

inline std::int64_t equalizing_words(std::int64_t h) {
  return (h + 2) * kBins;
}
/// Levels 0 .. kReach, evenly spread over 0 .. 255 by how many pixels have them. `counts`: equalizing_words(h).
template <class Team>
ASSAY_HD void equalize(Team& team, const Framed& plane, std::int32_t* counts) {
  const int h = plane.h, w = plane.w;
  std::int32_t *totals = counts + std::int64_t{h} * kBins, *table = totals + kBins;
  team.sync();
  team.each(h, [=](std::int64_t y) {
    std::int32_t* mine = counts + y * kBins;
    for (int bin = 0; bin < kBins; ++bin) mine[bin] = 0;
    const std::int32_t* from = plane.line(static_cast<int>(y));
#pragma unroll 1
    for (int x = 0; x < w; ++x) ++mine[from[x]];
  });
  team.sync();
  team.each(kBins, [=](std::int64_t bin) {
    std::int32_t total = 0;
    for (int y = 0; y < h; ++y) total += counts[std::int64_t{y} * kBins + bin];
    totals[bin] = total;
  });
  team.sync();
  team.each(kBins, [=](std::int64_t bin) {
    int lowest = 0;
    while (totals[lowest] == 0) ++lowest;
    const std::int32_t others = h * w - totals[lowest];
    std::int32_t below = 0;
    for (int k = lowest + 1; k <= bin; ++k) below += totals[k];
    const float scale = 255.f / static_cast<float>(others > 0 ? others : 1);
    // To the nearest whole number, halves to even.
    table[bin] =
        others > 0 ? static_cast<std::int32_t>(static_cast<float>(below) * scale + 12582912.f - 12582912.f) : lowest;
  });
  team.sync();
  team.each_strip(h, w, [=](int y, int x) {
    const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
    std::int32_t* at = plane.line(y) + x;
    for (int k = 0; k < count; ++k) at[k] = table[at[k]];
  });
}

/// The water's light, 0 .. 255, into `one`; `other` is working memory. `levels` gets a frame.
template <class Team>
ASSAY_HD void shade_water(Team& team, const Framed& levels, const Framed& one, const Framed& other,
                          std::int32_t* counts) {
  const int h = levels.h, w = levels.w;
  find_edges(team, levels, one, other);
  measure_distances(team, other, one, other);
  frame(team, other, Edge::reflect_101);
  team.each_strip(h, w, [=](int y, int x) {
    const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
    std::int32_t* to = one.line(y) + x;
    for (int k = 0; k < count; ++k) {
      const double sum = around(other, y, x + k, [](std::int32_t bits) {
        return static_cast<double>(bits_to_float(static_cast<std::uint32_t>(bits)));
      });
      to[k] = static_cast<std::int32_t>(static_cast<float>(sum * (1.0 / 9.0)));
    }
  });
  equalize(team, one, counts);
  frame(team, one, Edge::reflect_101);
  team.each_strip(h, w, [=](int y, int x) {
    const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
    const std::int32_t *above = one.line(y - 1) + x, *here = one.line(y) + x, *below = one.line(y + 1) + x;
    std::int32_t* to = other.line(y) + x;
    for (int k = 0; k < count; ++k) {
      const std::int32_t relief =
          -2 * above[k - 1] - above[k] - here[k - 1] + here[k] + here[k + 1] + below[k] + 2 * below[k + 1];
      to[k] = relief < 0 ? 0 : relief > 255 ? 255 : relief;
    }
  });
  frame(team, other, Edge::reflect_101);
  team.each_strip(h, w, [=](int y, int x) {
    const int count = Team::kStrip < w - x ? Team::kStrip : w - x;
    std::int32_t* to = one.line(y) + x;
    for (int k = 0; k < count; ++k) to[k] = (2 * around(other, y, x + k, [](std::int32_t v) { return v; }) + 9) / 18;
  });
}

}  // namespace assay
