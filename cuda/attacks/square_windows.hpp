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
  ASSAY_HD float at(const float* ring_values, int y, int x) const {
    return ring_values[ring(y, x)] * (y < side / 2 ? upper : lower);
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
///   project(team, row)   row.point, a perturbation, becomes a point of the ball and the box
template <class Norm>
struct SquareWindows {
  struct Lane {
    SearchState search;
    Eta eta;     ///< of the present side
    float mass;  ///< of the best perturbation
  };
  static constexpr int kScratchRows = 2;  ///< the best point; eta's rings
  SquareSchedule schedule;

  /// Whole tiles, centred: five or more each way.
  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane& lane, const LaneRow& row) const {
    const std::int64_t h = row.h, w = row.w, shorter = h < w ? h : w;
    const std::int64_t side = shorter < 5 ? 1 : shorter / 5;
    const std::int64_t down = h / side, across = w / side, tiles = down * across;
    const std::int64_t top = (h - down * side) / 2, left = (w - across * side) / 2;
    const std::int64_t draws = (row.c + 31) / 32;  // blocks a tile
    float* const rings = row.kept(1);
    const Eta eta = Eta::of<Norm>(team, static_cast<int>(side), rings);
    float* const point = row.point;
    team.map(row.dim, point, [](float) { return 0.f; }, row.clean);
    team.sync();
    team.each(row.c * tiles * side, [=](std::int64_t i) {
      const auto dy = static_cast<int>(i % side);
      const std::int64_t tile = i / side % tiles, channel = i / side / tiles;
      const WindowDraw draw = WindowDraw::of(row, 0, tile * draws);
      const float sign = draw.sign(channel);
      const bool transposed = draw.transposed();
      float* const to = point + (channel * h + top + tile / across * side + dy) * w + left + tile % across * side;
      for (int dx = 0; dx < side; ++dx) to[dx] = sign * (transposed ? eta.at(rings, dx, dy) : eta.at(rings, dy, dx));
    });
    team.sync();
    Norm::project(team, row);
    lane.eta = eta;
    return Verdict::look;
  }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (row.wrong || lane.search.answered == schedule.queries) return Verdict::exhausted;
    const bool better = lane.search.take(label_margin(team, row));
    float *const point = row.point, *const best = row.kept(0), *const rings = row.kept(1);
    const float* const clean = row.clean;
    if (better) {
      team.map(row.dim, best, [](float p) { return p; }, point);
      lane.mass = team.sum_of(row.dim, [](float b, float c) { return Norm::mass(b - c); }, best, clean);
    }
    const int answered = lane.search.answered;
    if (answered == schedule.queries) {
      team.map(row.dim, point, [](float b) { return b; }, best);
      return Verdict::look;
    }
    const std::int64_t h = row.h, w = row.w;
    const int side = schedule.side(answered - 1, h, w, 3, true);
    if (side != lane.eta.side) lane.eta = Eta::of<Norm>(team, side, rings);
    team.map(row.dim, point, [](float b, float c) { return b - c; }, best, clean);
    team.sync();

    const WindowDraw draw = WindowDraw::of(row, answered);
    const Window to = draw.window(side, row), from = draw.second_window(side, row);
    // Negative where rounding took the norm beyond the radius: scaling by a factor next to 1 is lost on most pixels.
    const float share = (Norm::mass(Norm::radius(row.item.epsilon)) - lane.mass) / static_cast<float>(row.c);
    const Eta eta = lane.eta;
    const bool transposed = draw.transposed();
    for (std::int64_t c = 0; c < row.c; ++c) {
      // Read from these: `point` loses a window before the other one is written.
      const float *const b = best + c * h * w, *const x = clean + c * h * w;
      float* const out = point + c * h * w;
      const float kept = team.sum(to.size(), [=](std::int64_t i) {
        const WindowPixel pixel = WindowPixel::of(to, w, i);
        return Norm::mass(b[pixel.at] - x[pixel.at]);
      });
      const float emptied = team.sum(from.size(), [=](std::int64_t i) {
        const WindowPixel pixel = WindowPixel::of(from, w, i);
        return to.has(from.y + pixel.dy, from.x + pixel.dx) ? 0.f : Norm::mass(b[pixel.at] - x[pixel.at]);
      });
      const float sign = draw.sign(c), old = kept > 0.f ? 1.f / Norm::size(kept) : 0.f;
      const auto mixed = [=](const WindowPixel& pixel) {
        const float pattern = transposed ? eta.at(rings, pixel.dx, pixel.dy) : eta.at(rings, pixel.dy, pixel.dx);
        return sign * pattern + old * (b[pixel.at] - x[pixel.at]);
      };
      const float norm =
          Norm::size(team.sum(to.size(), [=](std::int64_t i) { return Norm::mass(mixed(WindowPixel::of(to, w, i))); }));
      const float mass = share + kept + emptied;
      const float scale = norm > 0.f && mass > 0.f ? Norm::refilled(mass, row.c) / norm : 0.f;
      each_in(team, from, w, [=](const WindowPixel& pixel) { out[pixel.at] = 0.f; });
      team.sync();
      each_in(team, to, w, [=](const WindowPixel& pixel) { out[pixel.at] = scale * mixed(pixel); });
    }
    team.sync();
    Norm::project(team, row);
    return Verdict::look;
  }
};

}  // namespace assay
