// Square Attack in L-infinity: Andriushchenko et al. 2020, arXiv:1912.00049, algorithms 1 and 2. Start: every column of
// every channel at clean +- epsilon. A candidate moves one window of the best point by +- 2 epsilon, a sign a channel,
// and cuts it off at the ball and the box; as no pixel is further than epsilon from the clean one, that is the clean
// window at +- epsilon.
#include "attacks/square.hpp"

namespace assay {
namespace {

struct SquareLinf {
  struct Lane {
    SearchState search;
    Window window;  ///< of the candidate that is asked about
  };
  static constexpr int kScratchRows = 1;  ///< the best point
  SquareSchedule schedule;

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane&, const LaneRow& row) const {
    // The sign of column x in channel c is bit k % 128 of block k / 128 for k = c W + x.
    const Draw draw{row.seed, row.item.stream, row.item.sample};
    const std::int64_t h = row.h, w = row.w;
    const float epsilon = row.item.epsilon;
    team.map_quads(
        row.dim, row.point,
        [=](std::int64_t block, const Quad<float>& clean) {
          const std::int64_t line = 4 * block / w;
          std::int64_t x = 4 * block - line * w, channel = line / h, y = line - channel * h;
          std::int64_t drawn = -1;
          Words4 bits{};
          Quad<float> point;
          for (int k = 0; k < 4; ++k) {
            const std::int64_t column = channel * w + x;
            if (column / 128 != drawn) {
              drawn = column / 128;
              bits = draw.words(drawn);
            }
            const auto word = static_cast<int>(column % 128 / 32);
            const std::uint32_t signs =
                word < 2 ? (word == 0 ? bits.v[0] : bits.v[1]) : (word == 2 ? bits.v[2] : bits.v[3]);
            const bool up = (signs >> (column % 32) & 1) != 0;
            point.v[k] = clamp01(clean.v[k] + (up ? epsilon : -epsilon));
            if (++x < w) continue;
            x = 0;
            if (++y < h) continue;
            y = 0;
            ++channel;
          }
          return point;
        },
        row.clean);
    return Verdict::look;
  }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (row.wrong || lane.search.answered == schedule.queries) return Verdict::exhausted;
    const bool better = lane.search.take(label_margin(team, row));
    const int answered = lane.search.answered;
    float *const point = row.point, *const best = row.kept(0);
    if (answered == 1) {
      team.map(row.dim, best, [](float p) { return p; }, point);
    } else {
      copy_window(team, row, lane.window, better ? best : point, better ? point : best);
    }
    if (answered == schedule.queries) return Verdict::look;
    team.sync();

    const WindowDraw draw = WindowDraw::of(row, answered);
    lane.window = draw.window(schedule.side(answered - 1, row.h, row.w, 1, false), row);
    const float* const clean = row.clean;
    for (std::int64_t c = 0; c < row.c; ++c) {
      const float move = draw.sign(c) * row.item.epsilon;
      each_in(team, lane.window, Plane::of(row, c),
              [=](const WindowPixel& p) { point[p.at] = clamp01(clean[p.at] + move); });
    }
    return Verdict::look;
  }
};

std::unique_ptr<Attack> make(const Params& params) {
  return make_square<SquareLinf>("square_linf", params);
}
ASSAY_ATTACK("square_linf", "random search over square windows, without gradients", "linf",
             square_params(epsilon_linf()), make, nullptr,
             "Andriushchenko et al. 2020, arXiv:1912.00049, algorithms 1 and 2");

}  // namespace
}  // namespace assay
