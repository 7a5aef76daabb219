#pragma once
#include <vector>

#include "corruptions/corruption_kernel.hpp"

// What an image is after libjpeg-turbo has compressed and decompressed it, as Pillow does by default: YCbCr in fixed
// point, chroma halved both ways, the integer DCT "islow", the standard tables, triangular upsampling. Entropy coding
// loses nothing and is left out. All of it is integer arithmetic, equal to the byte.
// ITU-T T.81; jccolor.c, jcsample.c, jfdctint.c, jcdctmgr.c, jidctint.c, jdsample.c, jdcolor.c of libjpeg.
namespace assay {

/// The quantisation tables of a quality, luma and then chroma, row by row.
inline std::vector<std::uint32_t> jpeg_tables(int quality) {
  static const int kLuma[64] = {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
                                14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
                                18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
                                49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99};
  static const int kChroma[64] = {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
                                  24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
                                  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
                                  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99};
  const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  std::vector<std::uint32_t> tables;
  for (const auto& table : {kLuma, kChroma})
    for (int i = 0; i < 64; ++i) {
      const int v = (table[i] * scale + 50) / 100;
      tables.push_back(static_cast<std::uint32_t>(v < 1 ? 1 : v > 255 ? 255 : v));
    }
  return tables;
}

namespace jpeg {

ASSAY_HD std::int32_t descale(std::int32_t v, int bits) {
  return (v + (1 << (bits - 1))) >> bits;
}
ASSAY_HD std::int32_t byte_of(std::int32_t v) {
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

/// Eight values by name: an array would keep g++ from working on several rows or columns at once.
struct Eight {
  std::int32_t v0, v1, v2, v3, v4, v5, v6, v7;

  ASSAY_HD static Eight load(const std::int32_t* at, std::int64_t step) {
    return {at[0], at[step], at[2 * step], at[3 * step], at[4 * step], at[5 * step], at[6 * step], at[7 * step]};
  }
  ASSAY_HD void store(std::int32_t* at, std::int64_t step) const {
    at[0] = v0;
    at[step] = v1;
    at[2 * step] = v2;
    at[3 * step] = v3;
    at[4 * step] = v4;
    at[5 * step] = v5;
    at[6 * step] = v6;
    at[7 * step] = v7;
  }
};

/// Odd half of both transforms: rotations of four values.
struct Odd {
  std::int32_t a, b, c, d;
};
ASSAY_HD Odd rotate(std::int32_t a, std::int32_t b, std::int32_t c, std::int32_t d) {
  const std::int32_t z5 = (a + c + b + d) * 9633;
  const std::int32_t z1 = (a + d) * -7373, z2 = (b + c) * -20995;
  const std::int32_t z3 = (a + c) * -16069 + z5, z4 = (b + d) * -3196 + z5;
  return {a * 2446 + z1 + z3, b * 16819 + z2 + z4, c * 25172 + z2 + z3, d * 12299 + z1 + z4};
}

/// Eight samples to eight coefficients: rows first, then columns.
template <bool kFirst>
ASSAY_HD void forward(Eight& v) {
  constexpr int kBits = kFirst ? 13 - 2 : 13 + 2;
  const std::int32_t t0 = v.v0 + v.v7, t7 = v.v0 - v.v7, t1 = v.v1 + v.v6, t6 = v.v1 - v.v6;
  const std::int32_t t2 = v.v2 + v.v5, t5 = v.v2 - v.v5, t3 = v.v3 + v.v4, t4 = v.v3 - v.v4;
  const std::int32_t t10 = t0 + t3, t13 = t0 - t3, t11 = t1 + t2, t12 = t1 - t2;
  v.v0 = kFirst ? (t10 + t11) * 4 : descale(t10 + t11, 2);
  v.v4 = kFirst ? (t10 - t11) * 4 : descale(t10 - t11, 2);
  const std::int32_t z = (t12 + t13) * 4433;
  v.v2 = descale(z + t13 * 6270, kBits);
  v.v6 = descale(z - t12 * 15137, kBits);
  const Odd odd = rotate(t4, t5, t6, t7);
  v.v7 = descale(odd.a, kBits);
  v.v5 = descale(odd.b, kBits);
  v.v3 = descale(odd.c, kBits);
  v.v1 = descale(odd.d, kBits);
}

/// And back: columns first.
template <bool kFirst>
ASSAY_HD void inverse(Eight& v) {
  constexpr int kBits = kFirst ? 13 - 2 : 13 + 2 + 3;
  const std::int32_t z = (v.v2 + v.v6) * 4433;
  const std::int32_t t2 = z - v.v6 * 15137, t3 = z + v.v2 * 6270;
  const std::int32_t t0 = (v.v0 + v.v4) * 8192, t1 = (v.v0 - v.v4) * 8192;
  const std::int32_t t10 = t0 + t3, t13 = t0 - t3, t11 = t1 + t2, t12 = t1 - t2;
  const Odd odd = rotate(v.v7, v.v5, v.v3, v.v1);
  v.v0 = descale(t10 + odd.d, kBits);
  v.v7 = descale(t10 - odd.d, kBits);
  v.v1 = descale(t11 + odd.c, kBits);
  v.v6 = descale(t11 - odd.c, kBits);
  v.v2 = descale(t12 + odd.b, kBits);
  v.v5 = descale(t12 - odd.b, kBits);
  v.v3 = descale(t13 + odd.a, kBits);
  v.v4 = descale(t13 - odd.a, kBits);
}

ASSAY_HD std::int32_t luma(std::int32_t r, std::int32_t g, std::int32_t b) {
  return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}
ASSAY_HD std::int32_t blue_chroma(std::int32_t r, std::int32_t g, std::int32_t b) {
  return (-11059 * r - 21709 * g + 32768 * b + (128 << 16) + 32767) >> 16;
}
ASSAY_HD std::int32_t red_chroma(std::int32_t r, std::int32_t g, std::int32_t b) {
  return (32768 * r - 27439 * g - 5329 * b + (128 << 16) + 32767) >> 16;
}

/// A component in whole blocks.
struct Component {
  int h, w;              ///< samples that count
  int block_h, block_w;  ///< multiples of 8
  std::int32_t* samples;
  const std::uint32_t* table;
};

/// Rounded to whole steps of a table, halves away from zero. The DCT's values are 8-fold.
ASSAY_HD std::int32_t quantised(std::int32_t v, std::uint32_t entry) {
  const auto step = static_cast<std::int32_t>(entry);
  const std::int32_t size = v < 0 ? -v : v;
  // The quotient is below 2^12 and the divisor below 2^11: in float it falls on the right side of a whole number.
  const auto quotient =
      static_cast<std::int32_t>((static_cast<float>(size + 4 * step) + 0.5f) / static_cast<float>(8 * step));
  return (v < 0 ? -quotient : quotient) * step;
}

/// Through the DCT, the quantisation, and back; samples in and out are levels less 128, the latter not yet limited.
template <class Team>
ASSAY_HD void transform(Team& team, const Component& of) {
  constexpr int kStrip = Team::kStrip;
  const int stride = of.block_w;
  std::int32_t* samples = of.samples;
  const std::uint32_t* table = of.table;
  const std::int64_t rows = std::int64_t{of.block_h} * of.block_w / 8;
  team.sync();
  team.each(rows, [=](std::int64_t i) {
    Eight v = Eight::load(samples + 8 * i, 1);
    forward<true>(v);
    v.store(samples + 8 * i, 1);
  });
  team.sync();
  team.each_strip(of.block_h / 8, stride, [=](int block, int x) {
    std::int32_t* column = samples + std::int64_t{8 * block} * stride + x;
    const int count = kStrip < stride - x ? kStrip : stride - x;
    for (int k = 0; k < count; ++k) {
      Eight v = Eight::load(column + k, stride);
      forward<false>(v);
      const std::uint32_t* steps = table + ((x + k) & 7);
      v = {quantised(v.v0, steps[0]),  quantised(v.v1, steps[8]),  quantised(v.v2, steps[16]),
           quantised(v.v3, steps[24]), quantised(v.v4, steps[32]), quantised(v.v5, steps[40]),
           quantised(v.v6, steps[48]), quantised(v.v7, steps[56])};
      inverse<true>(v);
      v.store(column + k, stride);
    }
  });
  team.sync();
  team.each(rows, [=](std::int64_t i) {
    Eight v = Eight::load(samples + 8 * i, 1);
    inverse<false>(v);
    v.store(samples + 8 * i, 1);
  });
  team.sync();
}

ASSAY_HD int whole_blocks(int side) {
  return (side + 7) / 8 * 8;
}
ASSAY_HD std::int64_t scratch_floats(std::int64_t h, std::int64_t w) {
  const auto blocks = [](std::int64_t side) { return (side + 7) / 8 * 8; };
  return blocks(h) * blocks(w) + 2 * blocks((h + 1) / 2) * blocks((w + 1) / 2);
}

/// kStrip pixels of a line that come back.
template <int kStrip>
struct Strip {
  const std::int32_t* luma;
  std::int32_t blues[kStrip], reds[kStrip];

  ASSAY_HD Rgb operator()(int k) const {
    const std::int32_t v = byte_of(luma[k] + 128), b = blues[k], r = reds[k];
    const auto pixel = [](std::int32_t level) { return unit_pixel(static_cast<std::uint8_t>(byte_of(level))); };
    return {pixel(v + ((91881 * r + 32768) >> 16)), pixel(v + ((-22554 * b - 46802 * r + 32768) >> 16)),
            pixel(v + ((116130 * b + 32768) >> 16))};
  }
};

/// What an image has become; its chroma is half as high and as wide.
struct Decoded {
  int half_h, half_w;
  Component y, cb, cr;

  /// Of `line` from pixel x on.
  template <int kStrip>
  ASSAY_HD Strip<kStrip> strip(int line, int x) const {
    Strip<kStrip> strip;
    strip.luma = y.samples + std::int64_t{line} * y.block_w + x;
    upsample<kStrip>(cb, line, x, strip.blues);
    upsample<kStrip>(cr, line, x, strip.reds);
    return strip;
  }

 private:
  template <int kStrip>
  ASSAY_HD void upsample(const Component& of, int line, int x, std::int32_t* to) const {
    constexpr int kPairs = (kStrip + 1) / 2;
    const bool triangular = half_w > 2;
    const int near = line / 2, beside = line % 2 == 0 ? near - 1 : near + 1;
    const int far = !triangular ? near : beside < 0 ? 0 : beside < half_h ? beside : half_h - 1;
    const std::int32_t *own = of.samples + std::int64_t{near} * of.block_w,
                       *other = of.samples + std::int64_t{far} * of.block_w;
    const auto mix = [=](int at) { return 3 * byte_of(own[at] + 128) + byte_of(other[at] + 128); };
    // From the sample before the strip's first one to that behind its last one.
    const int first = x / 2 - 1, last = half_w - 1;
    std::int32_t mixed[kPairs + 2];
    if (first >= 0 && first + kPairs + 1 <= last) {
      for (int j = 0; j < kPairs + 2; ++j) mixed[j] = mix(first + j);
    } else {
      for (int j = 0; j < kPairs + 2; ++j) mixed[j] = mix(first + j < 0 ? 0 : first + j < last ? first + j : last);
    }
    for (int j = 0; j < kPairs; ++j) {
      const std::int32_t here = triangular ? 3 * mixed[j + 1] : 4 * mixed[j + 1];
      const std::int32_t even = (here + (triangular ? mixed[j] : 0) + 8) >> 4;
      const std::int32_t odd = (here + (triangular ? mixed[j + 2] : 0) + 7) >> 4;
      if constexpr (kStrip == 1) {
        to[0] = (x % 2 == 0 ? even : odd) - 128;
      } else {
        to[2 * j] = even - 128;
        to[2 * j + 1] = odd - 128;
      }
    }
  }
};

/// level(c, y, x) are the image's bytes. `memory` holds scratch_floats.
template <class Team, class Level>
ASSAY_HD Decoded round_trip(Team& team, int h, int w, const std::uint32_t* tables, float* memory, const Level& level) {
  auto* const samples = reinterpret_cast<std::int32_t*>(memory);
  const int half_h = (h + 1) / 2, half_w = (w + 1) / 2;
  const Component y{h, w, whole_blocks(h), whole_blocks(w), samples, tables};
  const std::int64_t large = std::int64_t{y.block_h} * y.block_w;
  const Component cb{half_h, half_w, whole_blocks(half_h), whole_blocks(half_w), samples + large, tables + 64};
  const std::int64_t small = std::int64_t{cb.block_h} * cb.block_w;
  Component cr = cb;
  cr.samples += small;

  // Past its edges an image goes on with its last line and column. Of chroma the lines past the last one repeat that
  // one; its columns are means of repeated pixels.
  team.each_strip(y.block_h, y.block_w, [=](int line, int x) {
    const int from = line < h ? line : h - 1, count = Team::kStrip < y.block_w - x ? Team::kStrip : y.block_w - x;
    std::int32_t* to = y.samples + std::int64_t{line} * y.block_w + x;
    const int inside = count < w - x ? count : w - x;
    for (int k = 0; k < inside; ++k)
      to[k] = luma(level(0, from, x + k), level(1, from, x + k), level(2, from, x + k)) - 128;
    const std::int32_t last = luma(level(0, from, w - 1), level(1, from, w - 1), level(2, from, w - 1)) - 128;
    for (int k = inside > 0 ? inside : 0; k < count; ++k) to[k] = last;
  });
  team.each_strip(cb.block_h, cb.block_w, [=](int line, int x) {
    const int top = 2 * (line < half_h ? line : half_h - 1), bottom = top + 1 < h ? top + 1 : h - 1;
    const int count = Team::kStrip < cb.block_w - x ? Team::kStrip : cb.block_w - x;
    const std::int64_t at = std::int64_t{line} * cb.block_w + x;
    const auto halve = [=](int k, int left, int right) {
      const std::int32_t bias = 1 + ((x + k) & 1);
      std::int32_t blues = bias, reds = bias;
      const auto add = [&](int py, int px) {
        const std::int32_t r = level(0, py, px), g = level(1, py, px), b = level(2, py, px);
        blues += blue_chroma(r, g, b);
        reds += red_chroma(r, g, b);
      };
      add(top, left);
      add(top, right);
      add(bottom, left);
      add(bottom, right);
      cb.samples[at + k] = (blues >> 2) - 128;
      cr.samples[at + k] = (reds >> 2) - 128;
    };
    const int whole = count < w / 2 - x ? count : w / 2 - x;
    for (int k = 0; k < whole; ++k) halve(k, 2 * (x + k), 2 * (x + k) + 1);
    for (int k = whole > 0 ? whole : 0; k < count; ++k) halve(k, w - 1, w - 1);
  });
  transform(team, y);
  transform(team, cb);
  transform(team, cr);

  return {half_h, half_w, y, cb, cr};
}

}  // namespace jpeg
}  // namespace assay
