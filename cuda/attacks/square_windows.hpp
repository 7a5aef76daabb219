#pragma once
#include "attacks/square.hpp"

// Square Attack in L2 (Andriushchenko et al. 2020, algorithm 3) and, from AutoAttack, L1. The image is covered with
// tiles that hold the paper's pattern eta. A candidate empties one window of the best perturbation and moves its mass,
// and what the norm is short of epsilon, to another one, into which eta is mixed; a sign and a mass a channel.
namespace assay {

/// The paper's eta on a square: its upper half positive, its lower one negative, each a pile of rectangles around the
/// half's centre. They depend on the ring alone: a pixel's largest distance, along the axes, from that centre.
struct Eta {
  int side;
  float upper, lower;  ///< what scales the rings there, so that both halves have the same norm and the square norm 1

  /// The number of rings.
  ASSAY_HD static int rings(int side) { return side / 2 + 1; }
  ASSAY_HD int ring(int y, int x) const {
    const int half = side / 2, dy = y - (y < half ? half / 2 : half + (side - half) / 2), dx = x - half;
    const int up = dy < 0 ? -dy : dy, across = dx < 0 ? -dx : dx;
    return up > across ? up : across;
  }
  ASSAY_HD float at(const float* ring_values, int y, int x, bool transposed = false) const {
    const int down = transposed ? x : y, across = transposed ? y : x;
    return ring_values[ring(down, across)] * (down < side / 2 ? upper : lower);
  }

  /// Of this side; writes its rings' values, from the inside out.
  template <class Norm, class Team>
  ASSAY_HD static Eta of(Team& team, int side, float* ring_values) {
    const int count = rings(side);
    team.each(count, [=](std::int64_t ring) {
      float sum = 0.f;
      for (int k = count; k > ring; --k) sum += Norm::rectangle(static_cast<float>(k));
      ring_values[ring] = sum;
    });
    team.sync();
    const Eta plain{side, 1.f, 1.f};
    const auto square = static_cast<std::uint32_t>(side);
    const auto norm_of = [&](int first, int rows) {
      return Norm::size(team.sum(std::int64_t{rows} * side, [=](std::int64_t i) {
        const auto k = static_cast<std::uint32_t>(i);
        return Norm::mass(plain.at(ring_values, first + static_cast<int>(k / square), static_cast<int>(k % square)));
      }));
    };
    const int half = side / 2;
    const float halves = Norm::size(half > 0 ? 2.f : 1.f);
    return {side, half > 0 ? 1.f / (halves * norm_of(0, half)) : 0.f, -1.f / (halves * norm_of(half, side - half))};
  }
};

/// Norm has
///   mass(v)              what a pixel adds to the norm, and size(mass) the norm
///   rectangle(k)         eta's height in the kth rectangle
///   radius(epsilon)      of the ball that candidates are brought to
///   refilled(mass, channels)  the norm of a channel's window that may have this mass
///   tile(radius, tiles)  the norm of each of that many tiles at the start
///   leaves(channels)     whether windows may leave the ball, and project(team, row) brings all of row.point back to it
template <class Norm>
struct SquareWindows {
  struct Lane {
    SearchState search;
    Eta eta;          ///< of the present side
    float mass;       ///< of the best perturbation
    Window to, from;  ///< of the candidate that is asked about
  };
  static constexpr int kScratchRows = 2;  ///< the best point; eta's rings
  SquareSchedule schedule;

  /// Whole tiles, centred: five or more each way.
  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane& lane, const LaneRow& row) const {
    const auto h = static_cast<int>(row.h), w = static_cast<int>(row.w), shorter = h < w ? h : w;
    const int side = shorter < 5 ? 1 : shorter / 5, down = h / side, across = w / side, tiles = down * across;
    const int first = (h - down * side) / 2 * w + (w - across * side) / 2;
    const std::int64_t draws = (row.c + 31) / 32;  // blocks a tile
    float *const rings = row.kept(1), *const point = row.point;
    const Eta eta = lane.eta = Eta::of<Norm>(team, side, rings);
    const float size = Norm::tile(Norm::radius(row.item.epsilon), tiles * row.c);
    copy_clean(team, row);
    team.sync();
    team.each(row.c * tiles * side, [=](std::int64_t i) {
      const auto k = static_cast<int>(i), dy = k % side, tile = k / side % tiles, channel = k / side / tiles;
      const WindowDraw draw = WindowDraw::of(row, 0, tile * draws);
      const float scale = draw.sign(channel) * size;
      const bool transposed = draw.transposed();
      float* const to = point + (channel * h + tile / across * side + dy) * w + tile % across * side + first;
      for (int dx = 0; dx < side; ++dx) to[dx] += scale * eta.at(rings, dy, dx, transposed);
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
    team.sync();

    const float* const clean = row.clean;
    if (better) lane.mass = team.sum_of(row.dim, [](float b, float x) { return Norm::mass(b - x); }, best, clean);
    const int side = schedule.side(answered - 1, row.h, row.w, 3, true);
    if (side != lane.eta.side) lane.eta = Eta::of<Norm>(team, side, row.kept(1));
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
    const int side = lane.eta.side;  // the windows' as well; said so, it takes one register
    const Window to{lane.to.y, lane.to.x, side}, from{lane.from.y, lane.from.x, side};
    const Eta eta = lane.eta;
    const float *const rings = row.kept(1), *const best = row.kept(0), *const clean = row.clean;
    float* const out = row.point;
    const bool inside = !Norm::leaves(row.c);
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
      const float sign = WindowDraw::of(row, lane.search.answered).sign(c),
                  old = kept > 0.f ? 1.f / Norm::size(kept) : 0.f;
      const auto mixed = [=](const WindowPixel& p) {
        return sign * eta.at(rings, p.dy, p.dx, transposed) + old * (best[p.at] - clean[p.at]);
      };
      const float norm =
          Norm::size(sum_in(team, to, plane, [=](const WindowPixel& p) { return Norm::mass(mixed(p)); }));
      const float mass = share + kept + emptied;
      const float scale = norm > 0.f && mass > 0.f ? Norm::refilled(mass, channels) / norm : 0.f;
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
