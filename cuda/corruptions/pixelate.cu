// Shrinks to int(side * c) and back with Pillow's BOX filter: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants
// of ImageNet-C, Tiny-ImageNet-C and CIFAR-10-C. Equal to Pillow to the byte: its resampling is integer arithmetic,
// with weights in units of 2^-22 and bytes between the horizontal and the vertical pass (src/libImaging/Resample.c, as
// of Pillow 11). The Python package imagecorruptions enlarges by NEAREST, whose places Pillow adds up step by step
// (src/libImaging/Geometry.c): at a tie between two pixels it may take the other one.
#include <algorithm>

#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

constexpr Severities<> kScale = {{.6, .5, .4, .3, .25}, {.9, .8, .7, .6, .5}, {.95, .9, .85, .75, .65}};

int shrunk(std::int64_t side, double factor) {
  return std::max(1, static_cast<int>(static_cast<double>(side) * factor));
}

/// One pixel of the small image along one axis: the inputs that it averages, all with one weight, and the outputs whose
/// enlarging BOX window it is.
struct Window {
  std::int32_t first, count, weight, out_first, out_end, unused;

  /// sources: see sources_of.
  static Window of(int index, int small, const std::vector<int>& sources) {
    const auto side = static_cast<int>(sources.size());
    const double scale = static_cast<double>(side) / small;
    const double center = (index + 0.5) * scale, support = 0.5 * scale;
    int begin = std::max(0, static_cast<int>(center - support + 0.5));
    int end = std::min(side, static_cast<int>(center + support + 0.5));
    // The filter is 1 on (-0.5, 0.5] of the scaled distance: an input at either end may fall outside.
    const auto inside = [=](int x) {
      const double distance = (x - center + 0.5) * (1.0 / scale);
      return distance > -0.5 && distance <= 0.5;
    };
    while (begin < end && !inside(begin)) ++begin;
    while (end > begin && !inside(end - 1)) --end;
    const auto [first, last] = std::ranges::equal_range(sources, index);
    const auto place = [&sources](auto at) { return static_cast<std::int32_t>(at - sources.begin()); };
    return {begin,        end - begin, static_cast<std::int32_t>(0.5 + 4194304.0 * (1.0 / (end - begin))),
            place(first), place(last), 0};
  }
};
/// The pixel of the small image that each of the enlarged one is.
std::vector<int> sources_of(int small, int side, Table table) {
  const double back = static_cast<double>(small) / side;
  std::vector<int> sources;
  double nearest = 0.5 * back;
  for (int at = 0; at < side; ++at, nearest += back)
    sources.push_back(static_cast<int>(table == Table::imagecorruptions ? nearest : (at + 0.5) * back));
  return sources;
}
/// As Pillow's, in 32 bits: the weights of a window add up to 2^22, but for a half each.
ASSAY_HD std::int32_t rounded(std::int32_t sum) {
  const std::int32_t v = (sum + (1 << 21)) >> 22;
  return v > 255 ? 255 : v;
}

struct Pixelate {
  const Window* windows;  ///< small_h, then small_w
  int small_h, small_w;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const std::int64_t w = row.w;
    const Window *downs = windows, *acrosses = windows + small_h;
    for (int c = 0; c < 3; ++c) {
      const std::uint8_t* in = row.channel(c);
      float* out = row.out + c * row.plane();
      team.each_strip(small_h, small_w, [=, width = small_w](int y, int x) {
        const int end = x + Team::kStrip < width ? x + Team::kStrip : width;
        const Window down = downs[y];
        for (int k = x; k < end; ++k) {
          const Window across = acrosses[k];
          std::int32_t vertical = 0;
          for (int sy = down.first; sy < down.first + down.count; ++sy) {
            const std::uint8_t* line = in + sy * w;
            std::int32_t horizontal = 0;
            for (int sx = across.first; sx < across.first + across.count; ++sx) horizontal += line[sx];
            vertical += rounded(horizontal * across.weight);
          }
          const float value = static_cast<float>(rounded(vertical * down.weight)) / 255.f;
          for (int oy = down.out_first; oy < down.out_end; ++oy)
            for (int ox = across.out_first; ox < across.out_end; ++ox) out[oy * w + ox] = value;
        }
      });
    }
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  std::vector<std::uint32_t> words;
  for (const std::int64_t side : {of.h, of.w}) {
    const int small = shrunk(side, kScale.at(of.args));
    const std::vector<int> sources = sources_of(small, static_cast<int>(side), of.args.table);
    for (int i = 0; i < small; ++i) {
      const Window window = Window::of(i, small, sources);
      for (const std::int32_t v : {window.first, window.count, window.weight, window.out_first, window.out_end, 0})
        words.push_back(static_cast<std::uint32_t>(v));
    }
  }
  return words;
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const double factor = kScale.at(args);
  launch_corruption(exec,
                    Pixelate{reinterpret_cast<const Window*>(batch.constants), shrunk(batch.images.h, factor),
                             shrunk(batch.images.w, factor)},
                    batch);
}
ASSAY_CORRUPTION("pixelate", "shrinks and enlarges with box filters", {}, apply, constants);

}  // namespace
}  // namespace assay
