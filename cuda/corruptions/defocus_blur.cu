// A disk, smoothed at its rim, as the kernel: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C,
// Tiny-ImageNet-C and CIFAR-10-C. The kernel is OpenCV's in float32, its edges mirrored (reflect 101). Many taps share
// a weight, so bytes are added as integers first, exactly, and multiplied once.
#include <algorithm>
#include <map>

#include "corruptions/blur.hpp"

namespace assay {
namespace {

struct Constants {
  double radius, alias;
};
constexpr Severities<Constants> kConstants = {{{3, .1}, {4, .5}, {6, .5}, {8, .5}, {10, .5}},
                                              {{.5, .6}, {1, .1}, {1.5, .1}, {2.5, .01}, {3, .1}},
                                              {{.3, .4}, {.4, .5}, {.5, .6}, {1, .2}, {1.5, .1}}};

/// The kernel's pixels, as far as they can be felt in a double, by weight. A group has so few that their sum is a
/// 16-bit number; they are taken in pairs, the last one with an empty one.
constexpr int kMostTaps = 256;
/// Weights that differ by less than this factor, by roundings, count as their mean: on an image of one level nothing
/// changes, elsewhere less than 10^-7.
constexpr float kSame = 1.000001f;
using Groups = std::vector<std::pair<double, std::vector<std::pair<int, int>>>>;

Groups groups_of(const Constants& c) {
  const int reach = c.radius <= 8 ? 8 : static_cast<int>(c.radius), side = 2 * reach + 1;
  const auto stride = static_cast<std::size_t>(side);
  const int size = c.radius <= 8 ? 3 : 5, half = size / 2;
  std::vector<float> disk(stride * stride);
  float total = 0;
  const auto at = [&](std::vector<float>& of, int y, int x) -> float& {
    return of[static_cast<std::size_t>(y) * stride + static_cast<std::size_t>(x)];
  };
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const int dy = y - reach, dx = x - reach;
      at(disk, y, x) = dx * dx + dy * dy <= c.radius * c.radius ? 1.f : 0.f;
      total += at(disk, y, x);
    }
  for (float& v : disk) v /= total;
  std::vector<double> exact(static_cast<std::size_t>(size));
  double sum = 0;
  for (int i = 0; i < size; ++i) {
    const int x = i - half;
    sum += exact[static_cast<std::size_t>(i)] = std::exp(-0.5 * x * x / (c.alias * c.alias));
  }
  std::vector<float> taps;
  for (int j = 0; j <= half; ++j)
    taps.push_back(static_cast<float>(exact[static_cast<std::size_t>(half) + static_cast<std::size_t>(j)] / sum));
  const auto smoothed = [&](std::vector<float>& of, bool down) {
    std::vector<float> out(of.size());
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        const auto near = [&](int j) {
          return down ? at(of, at_edge(Edge::reflect_101, y + j, side), x)
                      : at(of, y, at_edge(Edge::reflect_101, x + j, side));
        };
        float v = near(0) * taps[0];
        for (int j = 1; j <= half; ++j) v += (near(-j) + near(j)) * taps[static_cast<std::size_t>(j)];
        at(out, y, x) = v;
      }
    return out;
  };
  disk = smoothed(disk, false);
  disk = smoothed(disk, true);
  std::map<float, std::vector<std::pair<int, int>>> by_weight;
  const float largest = *std::max_element(disk.begin(), disk.end());
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      if (const float weight = at(disk, y, x); weight > 1e-14f * largest)
        by_weight[weight].emplace_back(y - reach, x - reach);
  Groups groups;
  for (auto next = by_weight.begin(); next != by_weight.end();) {
    const float least = next->first;
    std::vector<std::pair<int, int>> pixels;
    double total_weight = 0;
    for (; next != by_weight.end() && next->first <= least * kSame; ++next) {
      total_weight += static_cast<double>(next->first) * static_cast<double>(next->second.size());
      pixels.insert(pixels.end(), next->second.begin(), next->second.end());
    }
    std::sort(pixels.begin(), pixels.end());
    const double weight = total_weight / static_cast<double>(pixels.size());
    for (std::size_t first = 0; first < pixels.size(); first += kMostTaps) {
      const auto begin = pixels.begin() + static_cast<std::ptrdiff_t>(first);
      const auto count = static_cast<std::ptrdiff_t>(std::min<std::size_t>(kMostTaps, pixels.size() - first));
      groups.push_back({weight, {begin, begin + count}});
    }
  }
  if (groups.size() % 2 != 0) groups.push_back({0.0, {}});
  return groups;
}
int reach_of(const Constants& c) {
  int reach = 0;
  for (const auto& [weight, pixels] : groups_of(c))
    for (const auto& [dy, dx] : pixels) reach = std::max({reach, dy, dx});
  return reach;
}

/// A channel with its margins, as 16-bit numbers; behind it a plane of the sums of four in a row. Lines have room for a
/// strip that begins at the last pixel.
struct Margins {
  int h, w, reach;
  ASSAY_HD int stride() const { return (w + 2 * reach + 31) / 32 * 32 + 32; }
  ASSAY_HD std::int64_t size() const { return std::int64_t{h + 2 * reach} * stride(); }
};

struct DefocusBlur {
  const std::uint32_t* groups;  ///< see constants()
  int pairs, reach;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    constexpr int kStrip = Team::kStrip;
    const Margins plane{static_cast<int>(row.h), static_cast<int>(row.w), reach};
    const int h = plane.h, w = plane.w, stride = plane.stride(), margin = reach, wide = w + 2 * reach;
    auto* const levels = reinterpret_cast<std::uint16_t*>(row.scratch);
    const DefocusBlur blur = *this;
    for (int c = 0; c < 3; ++c) {
      const std::uint8_t* bytes = row.channel(c);
      team.sync();
      team.each_strip(h + 2 * margin, wide, [=](int y, int x) {
        const std::uint8_t* line = bytes + std::int64_t{at_edge(Edge::reflect_101, y - margin, h)} * w;
        std::uint16_t* to = levels + std::int64_t{y} * stride + x;
        each_column<kStrip>(Edge::reflect_101, x, w, margin, [=](int k, int column) { to[k] = line[column]; });
      });
      team.sync();
      std::uint16_t* const fours = levels + plane.size();
      team.each_strip(h + 2 * margin, wide, [=](int y, int x) {
        const std::uint16_t* from = levels + std::int64_t{y} * stride + x;
        std::uint16_t* to = fours + std::int64_t{y} * stride + x;
        for (int k = 0; k < kStrip; ++k)
          to[k] = static_cast<std::uint16_t>((from[k] + from[k + 1]) + (from[k + 2] + from[k + 3]));
      });
      team.sync();
      float* out = row.out + c * row.plane();
      team.each_strip(h, w, [=](int y, int x) {
        double total[kStrip];
        for (int k = 0; k < kStrip; ++k) total[k] = 0.0;
        const std::uint16_t* middle = levels + std::int64_t{y + margin} * stride + margin + x;
        const std::uint32_t* group = blur.groups;
        const auto add = [=](const std::uint32_t* of, std::uint16_t* sum) {
          const auto taps = static_cast<int>(of[2]);
          const auto* offsets = reinterpret_cast<const std::int32_t*>(of + 4);
          for (int k = 0; k < kStrip; ++k) sum[k] = 0;
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC unroll 4
#endif
          for (int t = 0; t < taps; ++t) {
            const std::uint16_t* from = middle + offsets[t];
            for (int k = 0; k < kStrip; ++k) sum[k] = static_cast<std::uint16_t>(sum[k] + from[k]);
          }
          return of + 4 + (taps + 1) / 2 * 2;
        };
        for (int pair = 0; pair < blur.pairs; ++pair) {
          std::uint16_t one[kStrip], other[kStrip];
          const std::uint32_t* second = add(group, one);
          const double weight = *doubles_at(group), rest = *doubles_at(second);
          group = add(second, other);
          for (int k = 0; k < kStrip; ++k)
            total[k] += weight * static_cast<double>(one[k]) + rest * static_cast<double>(other[k]);
        }
        float blurred[kStrip];
        for (int k = 0; k < kStrip; ++k) blurred[k] = same_level(total[k] / 255.0);
        const int pixels = kStrip < w - x ? kStrip : w - x;
        for (int k = 0; k < pixels; ++k) out[std::int64_t{y} * w + x + k] = blurred[k];
      });
    }
  }
};

// A group: the weight as a double, how many taps, nothing, and how far each is from the middle one, up to a pair. Four
// pixels in a row are one tap in the plane of sums.
std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  const Constants& c = kConstants.at(of.args);
  const Margins plane{static_cast<int>(of.h), static_cast<int>(of.w), reach_of(c)};
  std::vector<std::uint32_t> words;
  for (const auto& [weight, pixels] : groups_of(c)) {
    std::vector<std::int64_t> taps;
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      const auto [dy, dx] = pixels[i];
      taps.push_back(std::int64_t{dy} * plane.stride() + dx);
      if (i + 3 < pixels.size() && pixels[i + 3] == std::pair(dy, dx + 3)) {
        taps.back() += plane.size();
        i += 3;
      }
    }
    append_doubles(words, {weight});
    words.push_back(static_cast<std::uint32_t>(taps.size()));
    words.push_back(0);
    for (const std::int64_t tap : taps) words.push_back(static_cast<std::uint32_t>(tap));
    if (taps.size() % 2 != 0) words.push_back(0);
  }
  return words;
}
std::int64_t scratch(const CorruptionShape& of) {
  const Margins plane{static_cast<int>(of.h), static_cast<int>(of.w), reach_of(kConstants.at(of.args))};
  return plane.size();
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const Constants& c = kConstants.at(args);
  launch_corruption(exec, DefocusBlur{batch.constants, static_cast<int>(groups_of(c).size() / 2), reach_of(c)}, batch);
}
ASSAY_CORRUPTION("defocus_blur", "blurs with a disk", {}, apply, constants, scratch);

}  // namespace
}  // namespace assay
