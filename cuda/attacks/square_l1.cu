// Square Attack in L1, as AutoAttack has it: the search of square_l2 with other norms, and candidates that are
// projected onto the ball and the box at once (Croce and Hein 2021, arXiv:2103.01208, proposition 2.1). Windows are
// filled up to as many times their share as there are channels; the projection takes that back from all pixels alike.
#include "attacks/square_windows.hpp"

namespace assay {
namespace {

/// A perturbation v with |v| lowered by `cut`, and cut off at the box.
struct SoftCut {
  float cut;

  ASSAY_HD float lowered(float v) const { return (v < 0.f ? -v : v) - cut; }
  ASSAY_HD static float room(float v, float clean) { return v < 0.f ? clean : 1.f - clean; }
  ASSAY_HD float size(float v, float clean) const { return clamp(lowered(v), 0.f, room(v, clean)); }
  /// Whether a larger cut lowers it.
  ASSAY_HD float moves(float v, float clean) const {
    const float left = lowered(v);
    return static_cast<float>(left > 0.f) * static_cast<float>(left < room(v, clean));
  }
};

struct L1Windows {
  ASSAY_HD static float mass(float v) { return v < 0.f ? -v : v; }
  ASSAY_HD static float size(float mass) { return mass; }
  ASSAY_HD static float rectangle(float k) { return 1.f / (k * k * (k * k)); }
  /// So much less that rounding stays within the ball.
  ASSAY_HD static float radius(float epsilon) { return epsilon * (1.f - 1e-6f); }
  ASSAY_HD static float ratio(float a, float b) { return a / b; }
  ASSAY_HD static float gain(std::int64_t channels) { return static_cast<float>(channels); }

  /// That of eta: the projection cuts all of them down to the ball.
  ASSAY_HD static float tile(float, std::int64_t) { return 1.f; }
  ASSAY_HD static bool leaves(std::int64_t channels) { return channels > 1; }

  /// `point` may be outside the box as well.
  template <class Team>
  ASSAY_HD static void project(Team& team, const LaneRow& row) {
    const SoftCut cut = cut_of(team, row, radius(row.item.epsilon));
    team.map(
        row.dim, row.point,
        [=](float p, float x) {
          const float size = cut.size(p - x, x);
          return clamp01(p < x ? x - size : x + size);
        },
        row.point, row.clean);
  }

  /// The smallest cut whose norm is within the radius: Newton's method on a function that falls piecewise linearly, and
  /// bisection where that would leave what is known of the root.
  template <class Team>
  ASSAY_HD static SoftCut cut_of(Team& team, const LaneRow& row, float radius) {
    constexpr float kTolerance = 3e-7f;
    constexpr float kUnbounded = -kLowest;
    float low = 0.f, high = kUnbounded;
    SoftCut cut{0.f};
    for (;;) {
      const auto total = [&](const auto& f) { return team.sum_of(row.dim, f, row.point, row.clean); };
      const float excess = total([=](float p, float x) { return cut.size(p - x, x); }) - radius;
      if (excess <= kTolerance * radius && (cut.cut == 0.f || excess >= -kTolerance * radius)) return cut;
      (excess > 0.f ? low : high) = cut.cut;
      float next = cut.cut + excess / total([=](float p, float x) {
                               return cut.moves(p - x, x);
                             });  // not finite where nothing moves
      if (!(next > low && next < high)) {
        if (high == kUnbounded)
          high = team.max_of(row.dim, 0.f, [](float p, float x) { return mass(p - x); }, row.point, row.clean);
        next = low + (high - low) / 2;
      }
      if (!(next > low && next < high)) return {high};  // neighbouring numbers
      cut.cut = next;
    }
  }
};

std::unique_ptr<Attack> make(const Params& params) {
  return make_square<SquareWindows<L1Windows>>("square_l1", params);
}
ASSAY_ATTACK("square_l1", "random search that moves square windows of the perturbation, without gradients", "l1",
             square_params(epsilon_l1()), make, nullptr,
             "Croce and Hein 2021, arXiv:2103.01208, after Andriushchenko et al. 2020, arXiv:1912.00049");

}  // namespace
}  // namespace assay
