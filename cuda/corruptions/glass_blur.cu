// Blurred, locally shuffled, blurred again: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C,
// Tiny-ImageNet-C and CIFAR-10-C. The paper swaps pixels; the benchmark's code, and so the benchmark, copies: its swap
// is of two views of one array. Its loop goes backwards in place, so that a source which comes later in the image has
// been written already, from its own source: each pixel follows that chain, and all of them at once.
#include "corruptions/blur.hpp"

namespace assay {
namespace {

struct Constants {
  double sigma;
  int reach, iterations;
};
constexpr Severities<Constants> kConstants = {{{.7, 1, 2}, {.9, 2, 1}, {1, 2, 3}, {1.1, 3, 2}, {1.5, 4, 2}},
                                              {{.1, 1, 1}, {.5, 1, 1}, {.6, 1, 2}, {.7, 2, 1}, {.9, 2, 2}},
                                              {{.05, 1, 1}, {.25, 1, 1}, {.4, 1, 1}, {.25, 1, 2}, {.4, 1, 2}}};

/// Working memory of an image: a plane to blur, offsets as pairs of bytes, and two times three planes of bytes.
struct Layout {
  static constexpr std::int64_t kOffsetBytes = 2, kImageBytes = 3;
  ASSAY_HD static std::int64_t floats(std::int64_t plane, std::int64_t bytes) { return (plane * bytes + 15) / 16 * 4; }
};

struct GlassBlur {
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  Constants c;
  Taps kernel;
  std::uint32_t stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w);
    const std::int64_t size = row.plane();
    const SmoothPlane plane(h, w, kernel.radius, reinterpret_cast<double*>(row.scratch));
    float* memory = row.scratch + 2 * SmoothPlane::doubles(h, w, kernel.radius);
    auto* const offsets = reinterpret_cast<std::int8_t*>(memory);
    memory += Layout::floats(size, Layout::kOffsetBytes);
    auto* from = reinterpret_cast<std::uint8_t*>(memory);
    auto* to = reinterpret_cast<std::uint8_t*>(memory + Layout::floats(size, Layout::kImageBytes));

    for (int channel = 0; channel < 3; ++channel) {
      fill_plane(team, plane, row.channel(channel));
      std::uint8_t* levels = from + channel * size;
      smooth(team, plane, kernel, Edge::nearest, [=](int y, int x, const double* sum, int count) {
        for (int k = 0; k < count; ++k) levels[std::int64_t{y} * w + x + k] = static_cast<std::uint8_t>(sum[k] * 255.0);
      });
    }
    for (int iteration = 0; iteration < c.iterations; ++iteration) {
      draw_offsets(team, row, iteration, offsets);
      team.sync();
      if constexpr (std::is_same_v<Team, SerialTeam>) {
        copy_in_place(h, w, offsets, from);
      } else {
        follow_chains(team, h, w, offsets, from, to);
        std::uint8_t* const copied = to;
        to = from;
        from = copied;
        team.sync();
      }
    }
    for (int channel = 0; channel < 3; ++channel) {
      fill_plane(team, plane, from + channel * size);
      float* out = row.out + channel * size;
      smooth(team, plane, kernel, Edge::nearest, [=](int y, int x, const double* sum, int count) {
        for (int k = 0; k < count; ++k) out[std::int64_t{y} * w + x + k] = same_level(sum[k]);
      });
    }
  }

  /// The benchmark's own loop; one thread has no use for the other one.
  ASSAY_HD void copy_in_place(int h, int w, const std::int8_t* offsets, std::uint8_t* levels) const {
    const int size = h * w, reach = c.reach;  // in a register: bytes that are written may be any object's
    std::uint8_t *const red = levels, *const green = red + size, *const blue = green + size;
    for (int y = h - reach; y > reach; --y)
      for (int at = y * w + w - reach; at > y * w + reach; --at) {
        const int source = at + offsets[2 * at + 1] * w + offsets[2 * at];
        red[at] = red[source];
        green[at] = green[source];
        blue[at] = blue[source];
      }
  }
  template <class Team>
  ASSAY_HD void follow_chains(Team& team, int h, int w, const std::int8_t* offsets, const std::uint8_t* old,
                              std::uint8_t* copied) const {
    const std::int64_t size = std::int64_t{h} * w;
    const int reach = c.reach;
    team.each(size, [=](std::int64_t i) {
      std::int64_t at = i;
      for (;;) {
        const auto y = static_cast<int>(at / w), x = static_cast<int>(at % w);
        if (y <= reach || y > h - reach || x <= reach || x > w - reach) break;
        const std::int64_t source = at + std::int64_t{offsets[2 * at + 1]} * w + offsets[2 * at];
        const bool later = source > at;
        at = source;
        if (!later) break;
      }
      for (int channel = 0; channel < 3; ++channel) copied[channel * size + i] = old[channel * size + at];
    });
  }
  /// Two pixels a block of random words, dx and dy of each: whole numbers in [-reach, reach - 1].
  template <class Team>
  ASSAY_HD void draw_offsets(Team& team, const CorruptionRow& row, int iteration, std::int8_t* offsets) const {
    Draw draw = row.draw(stream);
    draw.step = static_cast<std::uint32_t>(iteration);
    const int reach = c.reach;
    const std::int64_t values = 2 * row.plane();
    const auto drawing = [=](std::int64_t block) {
      const Words4 words = draw.words(block);
      Quad<std::int8_t> drawn;
      for (int k = 0; k < 4; ++k) {
        const std::uint64_t scaled = std::uint64_t{words.v[k]} * static_cast<std::uint32_t>(2 * reach);
        drawn.v[k] = static_cast<std::int8_t>(static_cast<int>(scaled >> 32) - reach);
      }
      return drawn;
    };
    team.map_quads(values, offsets, drawing);
    row.record(team, iteration * values, values, [=](std::int64_t block) {
      const Quad<std::int8_t> drawn = drawing(block);
      Quad<float> numbers;
      for (int k = 0; k < 4; ++k) numbers.v[k] = static_cast<float>(drawn.v[k]);
      return numbers;
    });
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  std::vector<std::uint32_t> words;
  append_doubles(words, gaussian_taps(kConstants.at(of.args).sigma));
  return words;
}
std::int64_t scratch(const CorruptionShape& of) {
  const std::int64_t size = of.h * of.w;
  return 2 * SmoothPlane::doubles(of.h, of.w, gaussian_radius(kConstants.at(of.args).sigma)) +
         Layout::floats(size, Layout::kOffsetBytes) + 2 * Layout::floats(size, Layout::kImageBytes);
}
std::vector<std::int64_t> offset_shape(const CorruptionShape& of) {
  return {kConstants.at(of.args).iterations, of.h, of.w, 2};
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const Constants& c = kConstants.at(args);
  const std::uint32_t stream = stream_id("corruption", "glass_blur", args.severity, -1, "offset");
  launch_corruption(exec, GlassBlur{c, {doubles_at(batch.constants), gaussian_radius(c.sigma)}, stream}, batch);
}
ASSAY_CORRUPTION("glass_blur", "copies pixels over their neighbours, between two blurs", {{"offset", offset_shape}},
                 apply, constants, scratch);

}  // namespace
}  // namespace assay
