#pragma once
#if defined(_OPENMP)
#include <omp.h>
#endif

#include "assay/core/philox.hpp"
#include "assay/core/team.hpp"
#include "assay/corruption.hpp"

// What every corruption's file builds on: a functor with operator()(team, image) that works on one image as three
// channels of reals in [0, 1] (one channel counts as three equal ones).
namespace assay {

/// v in [0, 1] as a float whose 255-fold, cut off, is `level`: where the benchmark computes in double, a float just
/// beside a level would make a whole level of the difference.
ASSAY_HD float at_level(double v, std::int32_t level) {
  auto f = static_cast<float>(v);
  for (int twice = 0; twice < 2; ++twice) {
    const auto of_f = static_cast<std::int32_t>(f * 255.f);
    const std::int32_t step = (of_f < level ? 1 : 0) - (of_f > level ? 1 : 0);
    f = bits_to_float(float_to_bits(f) + static_cast<std::uint32_t>(step));
  }
  return f;
}
/// v clipped to [0, 1], at the level that it has in double.
ASSAY_HD float same_level(double v) {
  const double clipped = clamp01(v);
  return at_level(clipped, static_cast<std::int32_t>(clipped * 255.0));
}

/// In [0, 1), see unit_float.
ASSAY_HD Quad<float> units(const Words4& words) {
  Quad<float> units;
  for (int k = 0; k < 4; ++k) units.v[k] = unit_float(words.v[k]);
  return units;
}

/// N(0, 1), see Draw::normal4.
ASSAY_HD Quad<float> normals(const Draw& draw, std::int64_t block) {
  Quad<float> z;
  draw.normal4(block, z.v);
  return z;
}

/// A pixel of the result.
struct Rgb {
  float r, g, b;
};

/// One image of the batch.
struct CorruptionRow {
  const std::uint8_t* bytes;
  float* out;      ///< 3 x H x W
  float* draws;    ///< draw_count, or null
  float* scratch;  ///< scratch_count
  std::int64_t channels, h, w;
  std::uint64_t seed;
  std::uint32_t sample;

  ASSAY_HD std::int64_t plane() const { return h * w; }
  ASSAY_HD std::int64_t size() const { return 3 * h * w; }
  ASSAY_HD const std::uint8_t* channel(int c) const { return bytes + (channels == 3 ? c * plane() : 0); }
  /// The byte at flat index i of 3 x H x W.
  ASSAY_HD std::uint8_t byte(std::int64_t i) const {
    const std::int64_t p = plane();
    return bytes[channels == 3 ? i : i - (i >= p ? p : 0) - (i >= 2 * p ? p : 0)];
  }
  ASSAY_HD float pixel(std::int64_t i) const { return unit_pixel(byte(i)); }
  ASSAY_HD Draw draw(std::uint32_t stream) const { return {seed, stream, sample}; }
  /// out[4 q ..] = f(q, the bytes there), four values at a time.
  template <class Team, class F>
  ASSAY_HD void map_quads(Team& team, const F& f) const {
    if (channels == 3) {
      team.map_quads(size(), out, f, bytes);
      return;
    }
    const CorruptionRow row = *this;
    team.map_quads(size(), out, [=](std::int64_t q) {
      Quad<std::uint8_t> gray{};
      for (int k = 0; k < 4; ++k)
        if (4 * q + k < row.size()) gray.v[k] = row.byte(4 * q + k);
      return f(q, gray);
    });
  }
  /// Every pixel of out: mixing(y, x) gives for the strip that begins there a mix(k, red, green, blue), the Rgb of its
  /// k-th pixel from that one's bytes. The strip's worker is the one of `each_strip`.
  template <class Team, class F>
  ASSAY_HD void map_pixels(Team& team, const F& mixing) const {
    const std::int64_t size = plane();
    const int width = static_cast<int>(w);
    const std::uint8_t *reds = channel(0), *greens = channel(1), *blues = channel(2);
    float* const to = out;
    team.each_strip(static_cast<int>(h), width, [=](int y, int x) {
      const int count = Team::kStrip < width - x ? Team::kStrip : width - x;
      const std::int64_t at = std::int64_t{y} * width + x;
      const std::uint8_t *red = reds + at, *green = greens + at, *blue = blues + at;
      float *r = to + at, *g = r + size, *b = g + size;
      const auto mix = mixing(y, x);
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC ivdep
#endif
      for (int k = 0; k < count; ++k) {
        const Rgb mixed = mix(k, red[k], green[k], blue[k]);
        r[k] = mixed.r;
        g[k] = mixed.g;
        b[k] = mixed.b;
      }
    });
  }
  /// Keeps the n values that were drawn of a kind, from the image's `at`-th value on, where that was asked for:
  /// drawn(q) are values 4 q .. 4 q + 3. Computed once more, so that the loop that corrupts has no branch.
  template <class Team, class F>
  ASSAY_HD void record(Team& team, std::int64_t at, std::int64_t n, const F& drawn) const {
    if (draws != nullptr) team.map_quads(n, draws + at, drawn);
  }
};

/// Which of the scratch_slots row r may use while it runs.
template <class Team>
ASSAY_HD std::int64_t scratch_slot([[maybe_unused]] std::int64_t r) {
#if defined(_OPENMP) && !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<Team, SerialTeam>) return omp_get_thread_num();
#endif
  return std::is_same_v<Team, SerialTeam> ? 0 : r;
}

template <class C>
struct CorruptionKernel {
#if defined(ASSAY_DEVICE_PATH)
  static constexpr int kTeamsTogether = teams_together<C>();
#endif
  C corruption;
  CorruptionBatch batch;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    const Images<const std::uint8_t>& x = batch.images;
    const std::int64_t size = 3 * x.plane();
    corruption(team, CorruptionRow{x.data + r * x.dim(), batch.out + r * size,
                                   batch.draws == nullptr ? nullptr : batch.draws + r * batch.draw_count,
                                   batch.scratch + scratch_slot<Team>(r) * batch.scratch_count, x.c, x.h, x.w,
                                   batch.seed, batch.sample[r]});
  }
};

template <class C>
void launch_corruption(const Exec& exec, const C& corruption, const CorruptionBatch& batch) {
  for_each_row(exec, batch.images.n, 3 * batch.images.plane(), CorruptionKernel<C>{corruption, batch});
}

/// The constants of each severity, by table.
template <class T = double>
struct Severities {
  T c224[5], c64[5], c32[5];
  const T& at(const CorruptionArgs& args) const {
    return (args.table == Table::c32 ? c32 : args.table == Table::c64 ? c64 : c224)[args.severity - 1];
  }
};

}  // namespace assay
