#pragma once
#include "attacks/attack_kernel.hpp"

// The L1 ball within the box, without a sort: selection by bisection on the bits, projection by Newton's method on the
// piecewise linear sum.
namespace assay {

/// How far |v| may grow where the point moves from `clean` in v's direction.
ASSAY_HD float room_of(float v, float clean) {
  return v > 0.f ? 1.f - clean : clean;
}

/// The alpha >= 0 for which d with |d(i)| = max(0, min(room(i), |v(i)| - alpha)) and v(i)'s sign, v = point - clean, is
/// the nearest to v in the box with ||d||_1 <= epsilon (Croce & Hein 2021, arXiv:2103.01208, proposition 2.1).
template <class Team>
ASSAY_HD double l1_shift(Team& team, std::int64_t n, const float* point, const float* clean, double epsilon) {
  const auto size = [](float p, float c) {
    const float v = p - c;
    return v < 0.f ? -v : v;
  };
  const auto left = [=](float p, float c, double alpha) {
    const double v = static_cast<double>(size(p, c)) - alpha, room = static_cast<double>(room_of(p - c, c));
    return v < 0 ? 0.0 : (v < room ? v : room);
  };
  double low = 0, high = static_cast<double>(team.max_of(n, 0.f, size, point, clean)), alpha = 0;
  if (!(epsilon > 0)) return high;
  // Newton's steps end on the solution's own piece; bisection where one leaves the bracket. 64 of them suffice for any
  // bracket of floats, a dozen for images.
  for (int i = 0; i < 64; ++i) {
    const double a = alpha;
    const double excess = team.sum_of(n, [=](float p, float c) { return left(p, c, a); }, point, clean) - epsilon;
    if (i == 0 && excess <= 0) return 0;
    if (excess > 0)
      low = alpha;
    else
      high = alpha;
    const double falling = team.sum_of(
        n,
        [=](float p, float c) {
          const double v = static_cast<double>(size(p, c)) - a;
          return v > 0 && v <= static_cast<double>(room_of(p - c, c)) ? 1.0 : 0.0;
        },
        point, clean);
    double next = falling > 0 ? alpha + excess / falling : high;
    if (!(next > low && next < high)) next = low + (high - low) / 2;
    const double change = next > alpha ? next - alpha : alpha - next;
    alpha = next;
    if (change <= 1e-9 * high || !(low < high)) break;
  }
  return alpha;
}

/// point = the nearest point to it in the box and the L1 ball around clean. What is cut off is added as a float, to
/// point or (`anew`) to clean + (point - clean), as AutoAttack does it at its starts and at its steps: a coordinate
/// that returns to clean may keep the rounding, and counts as moved.
template <class Team>
ASSAY_HD void project_l1(Team& team, const LaneRow& row, float epsilon, bool anew = true) {
  const auto alpha = static_cast<float>(l1_shift(team, row.dim, row.point, row.clean, static_cast<double>(epsilon)));
  const bool nothing = !(epsilon > 0.f);
  team.map(
      row.dim, row.point,
      [=](float p, float c) {
        const float v = p - c, size = v < 0.f ? -v : v, up = 1.f - c - v, down = c + v;
        const float inside = up < down ? up : down, outside = inside < 0.f ? -inside : 0.f;
        float cut = outside > alpha ? outside : alpha;
        cut = cut < size ? cut : size;
        return nothing ? c : clamp01((anew ? c + v : p) + (v < 0.f ? cut : -cut));
      },
      row.point, row.clean);
}

/// The element with `below` others before it in rising order of f(in[i]...), which are not negative.
template <class Team, class F, class... In>
ASSAY_HD float select_rising(Team& team, std::int64_t n, std::int64_t below, const F& f, const In*... in) {
  // Non-negative floats are in the order of their bits.
  std::uint32_t low = 0, high = float_to_bits(team.max_of(n, 0.f, f, in...));
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    const float bound = bits_to_float(middle);
    const std::int64_t count = team.sum_of(n, [=](In... x) { return std::int64_t{f(x...) <= bound ? 1 : 0}; }, in...);
    if (count == below + 1)  // the largest of these
      return team.max_of(
          n, 0.f,
          [=](In... x) {
            const float v = f(x...);
            return v <= bound ? v : 0.f;
          },
          in...);
    if (count > below)
      high = middle;
    else
      low = middle + 1;
  }
  return bits_to_float(low);
}

}  // namespace assay
