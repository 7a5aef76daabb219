// Shrinks to int(side * c) and back with Pillow's BOX filter: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants
// of ImageNet-C and CIFAR-10-C. Equal to Pillow to the byte: its resampling is integer arithmetic, with weights in
// units of 2^-22 and bytes between the horizontal and the vertical pass (src/libImaging/Resample.c, as of Pillow 11).
#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

constexpr Severities kScale = {{.6, .5, .4, .3, .25}, {.95, .9, .85, .75, .65}};

/// Which inputs one output of a shrinking BOX pass averages: [first, first + count), all with equal weights.
struct Window {
  std::int64_t first, count;

  ASSAY_HD static Window of(std::int64_t index, double scale, std::int64_t limit) {
    const double center = (static_cast<double>(index) + 0.5) * scale, support = 0.5 * scale;
    std::int64_t begin = static_cast<std::int64_t>(center - support + 0.5);
    std::int64_t end = static_cast<std::int64_t>(center + support + 0.5);
    begin = begin < 0 ? 0 : begin;
    end = end > limit ? limit : end;
    // The filter is 1 on (-0.5, 0.5] of the scaled distance: an input at either end may fall outside.
    const auto inside = [=](std::int64_t x) {
      const double distance = (static_cast<double>(x) - center + 0.5) * (1.0 / scale);
      return distance > -0.5 && distance <= 0.5;
    };
    while (begin < end && !inside(begin)) ++begin;
    while (end > begin && !inside(end - 1)) --end;
    return {begin, end - begin};
  }
  ASSAY_HD std::int64_t weight() const {
    return static_cast<std::int64_t>(0.5 + 4194304.0 * (1.0 / static_cast<double>(count)));
  }
};
ASSAY_HD std::int64_t rounded(std::int64_t sum) {
  const std::int64_t v = (sum + (std::int64_t{1} << 21)) >> 22;
  return v > 255 ? 255 : v;
}

struct Pixelate {
  double factor;

  ASSAY_HD std::int64_t shrunk(std::int64_t side) const {
    const auto small = static_cast<std::int64_t>(static_cast<double>(side) * factor);
    return small > 0 ? small : 1;
  }

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const std::int64_t small_w = shrunk(row.w), small_h = shrunk(row.h);
    const double scale_x = static_cast<double>(row.w) / static_cast<double>(small_w);
    const double scale_y = static_cast<double>(row.h) / static_cast<double>(small_h);
    const double back_x = static_cast<double>(small_w) / static_cast<double>(row.w);
    const double back_y = static_cast<double>(small_h) / static_cast<double>(row.h);
    // Each small pixel is computed once and written to every output whose enlarging BOX window is that pixel.
    team.each(3 * small_h * small_w, [=](std::int64_t index) {
      const std::int64_t c = index / (small_h * small_w), y = index / small_w % small_h, x = index % small_w;
      const std::int64_t plane = c * row.plane();
      const Window across = Window::of(x, scale_x, row.w), down = Window::of(y, scale_y, row.h);
      std::int64_t vertical = 0;
      for (std::int64_t sy = down.first; sy < down.first + down.count; ++sy) {
        std::int64_t horizontal = 0;
        for (std::int64_t sx = across.first; sx < across.first + across.count; ++sx)
          horizontal += row.byte(plane + sy * row.w + sx) * across.weight();
        vertical += rounded(horizontal) * down.weight();
      }
      const float value = static_cast<float>(rounded(vertical)) / 255.f;
      const auto source = [](std::int64_t at, double back) {
        return static_cast<std::int64_t>((static_cast<double>(at) + 0.5) * back);
      };
      std::int64_t oy = static_cast<std::int64_t>(static_cast<double>(y) * scale_y);
      oy = oy > 0 ? oy - 1 : 0;
      for (; oy < row.h && source(oy, back_y) <= y; ++oy) {
        if (source(oy, back_y) != y) continue;
        std::int64_t ox = static_cast<std::int64_t>(static_cast<double>(x) * scale_x);
        ox = ox > 0 ? ox - 1 : 0;
        for (; ox < row.w && source(ox, back_x) <= x; ++ox)
          if (source(ox, back_x) == x) row.out[plane + oy * row.w + ox] = value;
      }
    });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(exec, Pixelate{kScale.at(args)}, batch);
}
ASSAY_CORRUPTION("pixelate", "shrinks and enlarges with box filters", {}, apply);

}  // namespace
}  // namespace assay
