#pragma once
#include "attacks/square.hpp"

// Square Attack in L2 (Andriushchenko et al. 2020, algorithm 3) and, from AutoAttack, L1. The image is covered with
// tiles that hold the paper's pattern eta. A candidate empties one window of the best perturbation and moves its mass,
// and what the norm is short of epsilon, to another one, into which eta is mixed; a sign and a mass a channel.
namespace assay {

/// The paper's eta on a square, of norm 1: its upper half positive, its lower one negative, each a pile of rectangles
/// around the half's centre and half the norm's mass. They depend on the ring alone: a pixel's largest distance, along
/// the axes, from that centre.
struct Eta {
  int side;
  const float* rings;  ///< of the lower half, from the inside out; behind them those of the upper one, if it has pixels

  /// The rings of a half: both halves' are no more than the square's pixels.
  ASSAY_HD int count() const { return side / 2 + 1; }
  ASSAY_HD int ring(int y, int x) const {
    const int half = side / 2, dy = y - (y < half ? half / 2 : half + (side - half) / 2), dx = x - half;
    const int up = dy < 0 ? -dy : dy, across = dx < 0 ? -dx : dx;
    return (up > across ? up : across) + (y < half ? count() : 0);
  }
  ASSAY_HD float at(int y, int x, bool transposed = false) const {
    const int down = transposed ? x : y, across = transposed ? y : x;
    return rings[ring(down, across)];
  }

  /// Of this side; writes its rings.
  template <class Norm, class Team>
  ASSAY_HD static Eta of(Team& team, int side, float* rings) {
    const Eta eta{side, rings};
    const int half = side / 2, count = eta.count(), halves = half > 0 ? 2 : 1;
    team.each(count * halves, [=](std::int64_t ring) {
      float sum = 0.f;
#pragma unroll 1
      for (int k = count; k > ring % count; --k) sum += Norm::rectangle(static_cast<float>(k));
      rings[ring] = sum;
    });
    team.sync();
    const auto norm_of = [&](int first, int rows) {
      return Norm::size(team.sum(rows, [=](std::int64_t row) {
        float sum = 0.f;
#pragma unroll 1
        for (int x = 0; x < side; ++x) sum += Norm::mass(eta.at(first + static_cast<int>(row), x));
        return sum;
      }));
    };
    const float lower = norm_of(half, side - half), upper = half > 0 ? norm_of(0, half) : 1.f;
    const float share = Norm::size(static_cast<float>(halves));
    team.sync();
    team.each(count * halves, [=](std::int64_t ring) { rings[ring] /= share * (ring < count ? -lower : upper); });
    team.sync();
    return eta;
  }
};

/// Norm has
///   mass(v)              what a pixel adds to the norm, and size(mass) the norm
///   rectangle(k)         eta's height in the kth rectangle
///   radius(epsilon)      of the ball that candidates are brought to
///   ratio(a, b)          of the norms of these masses
///   gain(channels)       what the norm of a channel's window is multiplied by when it has its mass
///   tile(radius, tiles)  the norm of each of that many tiles at the start
///   leaves(channels)     whether windows may leave the ball, and project(team, row) brings all of row.point back to it
template <class Norm>
struct SquareWindows {
  struct Lane {
    SearchState search;
    int side;         ///< of the windows, and of eta
    float mass;       ///< of the best perturbation
    Window to, from;  ///< of the candidate that is asked about
  };
  static constexpr int kScratchRows = 2;  ///< the best point; eta's rings
  [[maybe_unused]] static constexpr int kTeamsTogether = 3;
  SquareSchedule schedule;

  /// Whole tiles, centred: five or more each way.
  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane& lane, const LaneRow& row) const {
    const auto h = static_cast<int>(row.h), w = static_cast<int>(row.w), shorter = h < w ? h : w;
    const int side = shorter < 5 ? 1 : shorter / 5, down = h / side, across = w / side, tiles = down * across;
    const int first = (h - down * side) / 2 * w + (w - across * side) / 2;
    const std::int64_t draws = (row.c + 31) / 32;  // blocks a tile
    float* const point = row.point;
    const Eta eta = Eta::of<Norm>(team, side, row.kept(1));
    lane.side = side;
    const float size = Norm::tile(Norm::radius(row.item.epsilon), tiles * row.c);
    copy_clean(team, row);
    team.sync();
    team.each(row.c * tiles * side, [=](std::int64_t i) {
      const auto k = static_cast<int>(i), dy = k % side, tile = k / side % tiles, channel = k / side / tiles;
      const WindowDraw draw = WindowDraw::of(row, 0, tile * draws);
      const float scale = draw.sign(channel) * size;
      const bool transposed = draw.transposed();
      float* const to = point + (channel * h + tile / across * side + dy) * w + tile % across * side + first;
#pragma unroll 1
      for (int dx = 0; dx < side; ++dx) to[dx] += scale * eta.at(dy, dx, transposed);
    });
    team.sync();
    Norm::project(team, row);
    return Verdict::look;
  }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (row.wrong || lane.search.answered == schedule.queries) return Verdict::exhausted;
    const bool better = lane.search.take(label_margin(team, row));
    const int answered = lane.search.answered;
    float* const best = row.kept(0);
    copy_changed(team, lane, row, better ? best : row.point, better ? row.point : best);
    if (answered == schedule.queries) return Verdict::look;
    if (better)  // `point` is the best one
      lane.mass = team.sum_of(row.dim, [](float p, float x) { return Norm::mass(p - x); }, row.point, row.clean);
    team.sync();

    const int side = schedule.side(answered - 1, row.h, row.w, 3, true);
    if (side != lane.side) {
      lane.side = side;
      Eta::of<Norm>(team, side, row.kept(1));
    }
    const WindowDraw draw = WindowDraw::of(row, answered);
    lane.to = draw.window(side, row);
    lane.from = draw.second_window(side, row);
    move_mass(team, lane, row, draw.transposed());
    if (Norm::leaves(row.c)) {
      team.sync();
      Norm::project(team, row);
    }
    return Verdict::look;
  }

 private:
  /// What the last candidate changed, all of the point where it was the start.
  template <class Team>
  ASSAY_HD static void copy_changed(Team& team, const Lane& lane, const LaneRow& row, float* out, const float* in) {
    if (lane.search.answered == 1 || Norm::leaves(row.c)) {
      team.map(row.dim, out, [](float p) { return p; }, in);
      return;
    }
    copy_window(team, row, lane.to, out, in);
    team.sync();
    copy_window(team, row, lane.from, out, in);
  }

  template <class Team>
  ASSAY_HD static void move_mass(Team& team, const Lane& lane, const LaneRow& row, bool transposed) {
    const Eta eta{lane.side, row.kept(1)};
    // Their sides are that one; said so, it takes one register.
    const Window to{lane.to.y, lane.to.x, eta.side}, from{lane.from.y, lane.from.x, eta.side};
    const float *const best = row.kept(0), *const clean = row.clean;
    float* const out = row.point;
    const bool inside = !Norm::leaves(row.c);
    constexpr float kLeast = 1.17549435e-38f;  // whose inverse is finite
    const float gain = Norm::gain(row.c);
    // Negative where rounding took the norm beyond the radius.
    const float share = (Norm::mass(Norm::radius(row.item.epsilon)) - lane.mass) / static_cast<float>(row.c);
    const auto w = static_cast<int>(row.w), channels = static_cast<int>(row.c), pixels = static_cast<int>(row.h) * w;
    for (int c = 0; c < channels; ++c) {
      const Plane plane{c * pixels, w};
      const float kept =
          sum_in(team, to, plane, [=](const WindowPixel& p) { return Norm::mass(best[p.at] - clean[p.at]); });
      const float emptied = sum_in(team, from, plane, [=](const WindowPixel& p) {
        return to.has(from.y + p.dy, from.x + p.dx) ? 0.f : Norm::mass(best[p.at] - clean[p.at]);
      });
      const float sign = WindowDraw::of(row, lane.search.answered).sign(c);
      const float old = kept >= kLeast ? Norm::ratio(1.f, kept) : 0.f;
      const auto mixed = [=](const WindowPixel& p) {
        return sign * eta.at(p.dy, p.dx, transposed) + old * (best[p.at] - clean[p.at]);
      };
      const float mixture = sum_in(team, to, plane, [=](const WindowPixel& p) { return Norm::mass(mixed(p)); });
      const float mass = share + kept + emptied;
      const float scale = mixture >= kLeast && mass > 0.f ? gain * Norm::ratio(mass, mixture) : 0.f;
      each_in(team, from, plane, [=](const WindowPixel& p) { out[p.at] = clean[p.at]; });
      team.sync();
      each_in(team, to, plane, [=](const WindowPixel& p) {
        const float moved = clean[p.at] + scale * mixed(p);
        out[p.at] = inside ? clamp01(moved) : moved;
      });
    }
  }
};

}  // namespace assay
