// Shrinks to int(side * c) and back with Pillow's BOX filter: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants
// of ImageNet-C and CIFAR-10-C. Equal to Pillow to the byte: its resampling is integer arithmetic, with weights in
// units of 2^-22 and bytes between the horizontal and the vertical pass (src/libImaging/Resample.c, as of Pillow 11).
#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

constexpr Severities<> kScale = {{.6, .5, .4, .3, .25}, {.9, .8, .7, .6, .5}, {.95, .9, .85, .75, .65}};

/// Which inputs one output of a shrinking BOX pass averages: [first, first + count), all with equal weights.
struct Window {
  int first, count;

  ASSAY_HD static Window of(int index, double scale, int limit) {
    const double center = (static_cast<double>(index) + 0.5) * scale, support = 0.5 * scale;
    int begin = static_cast<int>(center - support + 0.5);
    int end = static_cast<int>(center + support + 0.5);
    begin = begin < 0 ? 0 : begin;
    end = end > limit ? limit : end;
    // The filter is 1 on (-0.5, 0.5] of the scaled distance: an input at either end may fall outside.
    const auto inside = [=](int x) {
      const double distance = (static_cast<double>(x) - center + 0.5) * (1.0 / scale);
      return distance > -0.5 && distance <= 0.5;
    };
    while (begin < end && !inside(begin)) ++begin;
    while (end > begin && !inside(end - 1)) --end;
    return {begin, end - begin};
  }
  ASSAY_HD int weight() const { return static_cast<int>(0.5 + 4194304.0 * (1.0 / static_cast<double>(count))); }
};
/// As Pillow's, in 32 bits: the weights of a window add up to 2^22, but for a half each.
ASSAY_HD int rounded(int sum) {
  const int v = (sum + (1 << 21)) >> 22;
  return v > 255 ? 255 : v;
}

struct Pixelate {
  double factor;

  ASSAY_HD int shrunk(int side) const {
    const auto small = static_cast<int>(static_cast<double>(side) * factor);
    return small > 0 ? small : 1;
  }

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int w = static_cast<int>(row.w), h = static_cast<int>(row.h);
    const int small_w = shrunk(w), small_h = shrunk(h);
    const double scale_x = static_cast<double>(w) / static_cast<double>(small_w);
    const double scale_y = static_cast<double>(h) / static_cast<double>(small_h);
    const double back_x = static_cast<double>(small_w) / static_cast<double>(w);
    const double back_y = static_cast<double>(small_h) / static_cast<double>(h);
    const std::int64_t small = std::int64_t{small_h} * small_w;
    // Each small pixel is computed once and written to every output whose enlarging BOX window is that pixel.
    team.each(3 * small, [=](std::int64_t index) {
      const int c = static_cast<int>(index / small);
      const int y = static_cast<int>(index / small_w) - c * small_h, x = static_cast<int>(index % small_w);
      const std::uint8_t* in = row.channel(c);
      const Window across = Window::of(x, scale_x, w), down = Window::of(y, scale_y, h);
      int vertical = 0;
      for (int sy = down.first; sy < down.first + down.count; ++sy) {
        const std::uint8_t* line = in + std::int64_t{sy} * w;
        int horizontal = 0;
        for (int sx = across.first; sx < across.first + across.count; ++sx) horizontal += line[sx] * across.weight();
        vertical += rounded(horizontal) * down.weight();
      }
      const float value = static_cast<float>(rounded(vertical)) / 255.f;
      const auto source = [](int at, double back) { return static_cast<int>((static_cast<double>(at) + 0.5) * back); };
      float* out = row.out + c * row.plane();
      int oy = static_cast<int>(static_cast<double>(y) * scale_y);
      oy = oy > 0 ? oy - 1 : 0;
      for (; oy < h && source(oy, back_y) <= y; ++oy) {
        if (source(oy, back_y) != y) continue;
        int ox = static_cast<int>(static_cast<double>(x) * scale_x);
        ox = ox > 0 ? ox - 1 : 0;
        for (; ox < w && source(ox, back_x) <= x; ++ox)
          if (source(ox, back_x) == x) out[std::int64_t{oy} * w + ox] = value;
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
