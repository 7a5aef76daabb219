#pragma once
#include "attacks/attack_kernel.hpp"
#include "core/softmax.hpp"

// Square Attack: Andriushchenko et al. 2020, arXiv:1912.00049, with the constants of AutoAttack, arXiv:2003.01690. A
// random search for the lowest margin between the label's logit and the largest other one: a candidate differs from the
// best point so far in square windows, whose side falls by a schedule. Every sample draws windows and signs of its own,
// so that results do not depend on the batch.
//
// An item asks about its start, then queries - 1 candidates, then once more about the best of them: queries + 1
// answers. The first misclassified point ends it, in full mode as well: nothing is to be gained behind it.
//
// Windows fit into the image: their sides are at most the shorter of its own. They start at 0 .. H - side - 1 (0 where
// H = side), which leaves out the last place, as AutoAttack does.
namespace assay {

/// How large the windows are.
struct SquareSchedule {
  double p_init;  ///< of the image's area, for the first candidates
  int queries;
  bool rescaled;  ///< the halvings are at those fractions of `queries` at which they are of 10,000

  /// Of the image's area for candidate 0, 1, ...: halved behind each of nine of them.
  ASSAY_HD double fraction(int candidate) const {
    const std::int64_t at = rescaled ? std::int64_t{candidate} * 10000 / queries : candidate;
    constexpr int kLast[] = {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000};
    double p = p_init;
    for (int k = 0; k < 9; ++k)
      if (at > kLast[k]) p /= 2;
    return p;
  }
  /// A window's side, for a square of `fraction` of the image.
  ASSAY_HD int side(int candidate, std::int64_t h, std::int64_t w, int least, bool odd) const {
    const auto longest = static_cast<int>(h < w ? h : w);
    int side = static_cast<int>(rint(sqrt(fraction(candidate) * static_cast<double>(h * w))));
    if (side < least) side = least;
    if (odd) side |= 1;
    return side < longest ? side : longest;
  }
};

/// A square of an image's pixels.
struct Window {
  int y, x, side;

  ASSAY_HD static Window at(std::uint32_t y_word, std::uint32_t x_word, int side, std::int64_t h, std::int64_t w) {
    return {below(y_word, h - side), below(x_word, w - side), side};
  }
  ASSAY_HD bool has(int py, int px) const { return py >= y && py < y + side && px >= x && px < x + side; }

 private:
  /// Uniform in {0 .. n - 1}, but for a bias of n / 2^32; 0 for n = 0.
  ASSAY_HD static int below(std::uint32_t word, std::int64_t n) {
    return static_cast<int>((std::uint64_t{word} * static_cast<std::uint64_t>(n)) >> 32);
  }
};

/// One channel of an image: its first pixel's index, and its width.
struct Plane {
  int first, w;

  ASSAY_HD static Plane of(const LaneRow& row, std::int64_t channel) {
    return {static_cast<int>(channel * row.h * row.w), static_cast<int>(row.w)};
  }
};

/// A pixel of a window in a plane: its place there, and its index in the image.
struct WindowPixel {
  int dy, dx, at;
};

/// f(pixel) for a window's row, without a division a pixel. Not unrolled, as in Team::walk.
template <class F>
ASSAY_HD void each_in_row(const Window& window, const Plane& plane, std::int64_t row, const F& f) {
  const auto dy = static_cast<int>(row);
  const int first = plane.first + (window.y + dy) * plane.w + window.x;
#pragma unroll 1
  for (int dx = 0; dx < window.side; ++dx) f(WindowPixel{dy, dx, first + dx});
}

/// f(pixel) for every pixel of a window.
template <class Team, class F>
ASSAY_HD void each_in(Team& team, const Window& window, const Plane& plane, const F& f) {
  team.each(window.side, [&](std::int64_t row) { each_in_row(window, plane, row, f); });
}

/// The sum of f(pixel).
template <class Team, class F>
ASSAY_HD float sum_in(Team& team, const Window& window, const Plane& plane, const F& f) {
  return team.sum(window.side, [&](std::int64_t row) {
    float sum = 0.f;
    each_in_row(window, plane, row, [&](const WindowPixel& p) { sum += f(p); });
    return sum;
  });
}

/// Copies a window in all channels.
template <class Team>
ASSAY_HD void copy_window(Team& team, const LaneRow& row, const Window& window, float* out, const float* in) {
  for (std::int64_t c = 0; c < row.c; ++c)
    each_in(team, window, Plane::of(row, c), [=](const WindowPixel& p) { out[p.at] = in[p.at]; });
}

/// What a query draws for its window, and the start for each tile: the words of consecutive blocks of a Draw whose step
/// is the query's number, 0 at the start. Of the first block, words 0 and 1 are the window's y and x, word 2's lowest
/// bit is the transposition; of the second one, words 0 and 1 are the second window's y and x; of block k, word 3 has
/// the signs of channels 32 k .. 32 k + 31, the lowest bit first.
struct WindowDraw {
  Draw draw;
  std::int64_t block;
  Words4 first;

  ASSAY_HD static WindowDraw of(const LaneRow& row, int step, std::int64_t block = 0) {
    const Draw draw{row.seed, row.item.stream, row.item.sample, static_cast<std::uint32_t>(step)};
    return {draw, block, draw.words(block)};
  }
  ASSAY_HD Window window(int side, const LaneRow& row) const {
    return Window::at(first.v[0], first.v[1], side, row.h, row.w);
  }
  ASSAY_HD Window second_window(int side, const LaneRow& row) const {
    const Words4 second = draw.words(block + 1);
    return Window::at(second.v[0], second.v[1], side, row.h, row.w);
  }
  ASSAY_HD bool transposed() const { return (first.v[2] & 1) != 0; }
  ASSAY_HD float sign(std::int64_t channel) const {
    const std::uint32_t signs = channel < 32 ? first.v[3] : draw.words(block + channel / 32).v[3];
    return (signs >> (channel % 32) & 1) != 0 ? 1.f : -1.f;
  }
};

/// The label's logit less the largest other one.
template <class Team>
ASSAY_HD float label_margin(Team& team, const LaneRow& row) {
  const float* z = row.logits;
  const int label = row.label;
  return z[label] - team.max(row.classes, kLowest, [=](std::int64_t k) { return k == label ? kLowest : z[k]; });
}

/// What a lane of a random search knows.
struct SearchState {
  int answered;  ///< of its points
  float best;    ///< the lowest margin

  /// Takes in an answer; whether its point is the best so far.
  ASSAY_HD bool take(float margin) {
    const bool better = answered == 0 || margin < best;
    if (better) best = margin;
    ++answered;
    return better;
  }
};

inline std::vector<ParamSpec> square_params(ParamSpec epsilon) {
  return {std::move(epsilon),
          {"queries", ParamType::integer, "points the model is asked about", std::int64_t{5000}, 1, 1e6, {}, {}},
          {"p_init", ParamType::real, "area of the first windows, of the image's", 0.8, 0.0, 1.0, {}, {}},
          {"schedule",
           ParamType::text,
           "the area is halved behind query 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000, counted as they are "
           "(raw) or of 10,000 (rescaled)",
           std::string("raw"),
           {},
           {},
           {"raw", "rescaled"},
           {}},
          restarts_param()};
}

/// A of a schedule.
template <class A>
std::unique_ptr<Attack> make_square(const char* name, const Params& params) {
  const auto queries = static_cast<int>(integer_param(params, "queries"));
  const A attack{{real_param(params, "p_init"), queries, text_param(params, "schedule") == "rescaled"}};
  auto made = std::make_unique<LaneAttack<A>>(attack, name, queries + 1, "");
  made->restarts = static_cast<int>(integer_param(params, "restarts"));
  return made;
}

}  // namespace assay
