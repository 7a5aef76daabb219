// Projected gradient descent in L-infinity: Madry et al. 2018, arXiv:1706.06083, eq. (2).
#include "attacks/attack_kernel.hpp"

namespace assay {
namespace {

struct PgdLinf {
  struct Lane {
    int done;
  };
  static constexpr int kScratchRows = 0;
  float step;
  int steps;
  bool random_start;

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane&, const LaneRow& row) const {
    if (copy_given(team, row)) {
      project_linf(team, row, row.item.epsilon);
      return Verdict::advance;
    }
    if (!random_start) {
      copy_clean(team, row);
      return Verdict::advance;
    }
    const Draw draw{row.seed, row.item.stream, row.item.sample};
    const float epsilon = row.item.epsilon;
    team.map_quads(
        row.dim, row.point,
        [=](std::int64_t block, const Quad<float>& clean) {
          const Words4 words = draw.words(block);
          Quad<float> point;
          for (int k = 0; k < 4; ++k)
            point.v[k] = project_linf(clean.v[k] + epsilon * (2.f * unit_float(words.v[k]) - 1.f), clean.v[k], epsilon);
          return point;
        },
        row.clean);
    return Verdict::advance;
  }

  ASSAY_HD float step_size(const Lane&, const LaneRow&) const { return step; }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.done == steps) return Verdict::exhausted;
    const float epsilon = row.item.epsilon, length = step;
    team.map(
        row.dim, row.point,
        [=](float point, float clean, float gradient) {
          return project_linf(point + length * sign(gradient), clean, epsilon);
        },
        row.point, row.clean, row.gradient);
    return after_step(++lane.done, steps);
  }
};

std::unique_ptr<Attack> make(const Params& params) {
  const int steps = static_cast<int>(integer_param(params, "steps"));
  const bool random_start = bool_param(params, "random_start");
  const PgdLinf attack{static_cast<float>(real_param(params, "step")), steps, random_start};
  auto made = std::make_unique<LaneAttack<PgdLinf>>(attack, "pgd_linf", steps + 1, text_param(params, "loss"));
  made->restarts = random_start ? static_cast<int>(integer_param(params, "restarts")) : 1;
  return made;
}
ASSAY_ATTACK("pgd_linf", "iterated signed gradient steps, projected onto the ball", "linf", pgd_params(epsilon_linf()),
             make, pgd_defaults, "Madry et al. 2018, arXiv:1706.06083, eq. (2)");

}  // namespace
}  // namespace assay
