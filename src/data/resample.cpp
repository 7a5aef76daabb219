// Pillow's resampling of 8-bit images is integer arithmetic: weights in units of 2^-22, and bytes between the
// horizontal and the vertical pass (src/libImaging/Resample.c, as of Pillow 13). Sizes and the crop are those of
// torchvision's transforms/functional.py and _functional_pil.py, as of 0.26.
#include "data/resample.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace assay {
namespace {

constexpr int kUnit = 22;  ///< bits behind the point of a weight
constexpr std::int32_t kHalf = 1 << (kUnit - 1);

/// Indices [lo, hi) along a side.
struct Range {
  std::int64_t lo, hi;
  std::int64_t size() const { return hi - lo; }
};

/// Which inputs one output averages, from `first` on, and with what weights.
struct Window {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;
  std::int64_t end() const { return first + static_cast<std::int64_t>(weights.size()); }
};

/// The windows of outputs [lo, hi) when `in` inputs become `out` outputs: a triangle as wide as two outputs' inputs, or
/// two inputs where it enlarges.
std::vector<Window> windows(std::int64_t in, std::int64_t out, Range outputs) {
  const double scale = static_cast<double>(in) / static_cast<double>(out), support = std::max(scale, 1.0);
  std::vector<Window> all;
  std::vector<double> share;
  for (std::int64_t i = outputs.lo; i < outputs.hi; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto begin = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - support + 0.5));
    const auto end = std::min(in, static_cast<std::int64_t>(center + support + 0.5));
    share.clear();
    double sum = 0;
    for (std::int64_t x = begin; x < end; ++x) {
      const double distance = std::abs((static_cast<double>(x) - center + 0.5) * (1.0 / support));
      share.push_back(distance < 1.0 ? 1.0 - distance : 0.0);
      sum += share.back();
    }
    Window window{begin, {}};
    for (const double s : share)
      window.weights.push_back(static_cast<std::int32_t>(0.5 + (sum == 0 ? s : s / sum) * (1 << kUnit)));
    all.push_back(std::move(window));
  }
  return all;
}

std::uint8_t rounded(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kUnit, 0, 255));
}

RgbImage blank(std::int64_t h, std::int64_t w) {
  return {h, w, std::vector<std::uint8_t>(static_cast<std::size_t>(h * w * 3))};
}

/// Of the image's `rows` made `out` wide the `columns`.
RgbImage horizontal(const RgbImage& image, Range rows, std::int64_t out, Range columns) {
  const std::vector<Window> all = windows(image.w, out, columns);
  RgbImage result = blank(rows.size(), columns.size());
  std::uint8_t* to = result.pixels.data();
  for (std::int64_t y = rows.lo; y < rows.hi; ++y) {
    const std::uint8_t* const line = image.pixels.data() + y * image.w * 3;
    for (const Window& window : all) {
      const std::uint8_t* from = line + window.first * 3;
      std::int32_t red = kHalf, green = kHalf, blue = kHalf;
      for (const std::int32_t weight : window.weights) {
        red += from[0] * weight;
        green += from[1] * weight;
        blue += from[2] * weight;
        from += 3;
      }
      *to++ = rounded(red);
      *to++ = rounded(green);
      *to++ = rounded(blue);
    }
  }
  return result;
}

/// A row for each window; the image begins with row `top` of those that the windows count.
RgbImage vertical(const RgbImage& image, std::int64_t top, const std::vector<Window>& all) {
  RgbImage result = blank(static_cast<std::int64_t>(all.size()), image.w);
  const std::int64_t line = image.w * 3;
  std::vector<std::int32_t> sum(static_cast<std::size_t>(line));
  std::uint8_t* to = result.pixels.data();
  for (const Window& window : all) {
    std::ranges::fill(sum, kHalf);
    const std::uint8_t* from = image.pixels.data() + (window.first - top) * line;
    for (const std::int32_t weight : window.weights) {
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += from[i] * weight;
      from += line;
    }
    to = std::ranges::transform(sum, to, rounded).out;
  }
  return result;
}

/// Writes `image` into `out` with its first pixel at (top, left); what lies outside of `out` is left out.
void paste(const RgbImage& image, std::int64_t top, std::int64_t left, RgbImage& out) {
  const std::int64_t from = std::max<std::int64_t>(0, -left), to = std::min(image.w, out.w - left);
  for (std::int64_t y = std::max<std::int64_t>(0, -top); y < std::min(image.h, out.h - top); ++y)
    std::copy_n(image.pixels.data() + (y * image.w + from) * 3, (to - from) * 3,
                out.pixels.data() + ((top + y) * out.w + left + from) * 3);
}

/// The longer side keeps its share of the shorter one, cut to a whole number.
RgbImage resized_size(std::int64_t h, std::int64_t w, std::int64_t shorter) {
  if (shorter == 0) return {h, w, {}};
  const auto longer = [&](std::int64_t side, std::int64_t other) {
    return static_cast<std::int64_t>(static_cast<double>(shorter * side) / static_cast<double>(other));
  };
  return w <= h ? RgbImage{longer(h, w), shorter, {}} : RgbImage{shorter, longer(w, h), {}};
}

/// Where a crop begins along a side; below 0 by the padding in front of a side that is shorter.
std::int64_t crop_from(std::int64_t side, std::int64_t crop) {
  if (crop == 0) return 0;
  const std::int64_t over = side - crop;
  if (over < 0) return -(-over / 2);
  return over / 2 + (over % 4 == 3 ? 1 : 0);  // Python's round, half to even
}

}  // namespace

RgbImage resampled_size(std::int64_t h, std::int64_t w, const Resample& steps) {
  return steps.crop > 0 ? RgbImage{steps.crop, steps.crop, {}} : resized_size(h, w, steps.shorter);
}

RgbImage resampled(const RgbImage& image, const Resample& steps) {
  const RgbImage size = resized_size(image.h, image.w, steps.shorter);
  RgbImage out = resampled_size(image.h, image.w, steps);
  out.pixels.resize(static_cast<std::size_t>(out.h * out.w * 3));
  const std::int64_t top = crop_from(size.h, steps.crop), left = crop_from(size.w, steps.crop);
  const auto inside = [](std::int64_t from, std::int64_t length, std::int64_t side) {
    return Range{std::max<std::int64_t>(0, from), std::min(side, from + length)};
  };
  const Range rows = inside(top, out.h, size.h), columns = inside(left, out.w, size.w);
  if (size.h == image.h && size.w == image.w) {
    paste(image, -top, -left, out);
    return out;
  }
  const bool resizes_rows = size.h != image.h, resizes_columns = size.w != image.w;
  const std::vector<Window> down = resizes_rows ? windows(image.h, size.h, rows) : std::vector<Window>{};
  const std::int64_t lost_rows = image.h - size.h, lost_columns = image.w - size.w;
  RgbImage made;
  // The order decides about a rounding. Before version 13 Pillow had columns first but where an image is 100 times as
  // high as wide.
  if (lost_rows > 0 && lost_rows > 2 * lost_columns) {
    made = vertical(image, 0, down);
    if (resizes_columns) made = horizontal(made, {0, made.h}, size.w, columns);
  } else {
    const Range read = resizes_rows ? Range{down.front().first, down.back().end()} : rows;
    if (resizes_columns) made = horizontal(image, read, size.w, columns);
    if (resizes_rows) made = resizes_columns ? vertical(made, read.lo, down) : vertical(image, 0, down);
  }
  paste(made, rows.lo - top, (resizes_columns ? columns.lo : 0) - left, out);
  return out;
}

}  // namespace assay
