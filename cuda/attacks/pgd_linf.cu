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
  std::uint32_t stream;

  ASSAY_HD static float project(float v, float clean, float epsilon) {
    return clamp01(clamp(v, clean - epsilon, clean + epsilon));
  }

  template <class Team>
  ASSAY_HD void start(Team& team, Lane&, const LaneRow& row) const {
    if (!random_start) {
      team.each(row.dim, [=](std::int64_t i) { row.point[i] = row.clean[i]; });
      return;
    }
    const Draw draw{row.seed, stream, row.item.sample};
    const float epsilon = row.item.epsilon;
    team.each((row.dim + 3) / 4, [=](std::int64_t block) {
      const Words4 words = draw.words(block);
      for (int k = 0; k < 4 && 4 * block + k < row.dim; ++k) {
        const std::int64_t i = 4 * block + k;
        row.point[i] = project(row.clean[i] + epsilon * (2.f * unit_float(words.v[k]) - 1.f), row.clean[i], epsilon);
      }
    });
  }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    const float epsilon = row.item.epsilon, length = step;
    team.each(row.dim, [=](std::int64_t i) {
      row.point[i] = project(row.point[i] + length * sign(row.gradient[i]), row.clean[i], epsilon);
    });
    return ++lane.done < steps ? Verdict::advance : Verdict::exhausted;
  }
};

std::unique_ptr<Attack> make(const Params& params) {
  const int steps = static_cast<int>(integer_param(params, "steps"));
  const bool random_start = bool_param(params, "random_start");
  const PgdLinf attack{static_cast<float>(real_param(params, "step")), steps, random_start,
                       stream_id("attack", "pgd_linf", 0, -1, "start")};
  return std::make_unique<GradientAttack<PgdLinf>>(attack, steps, !random_start, text_param(params, "loss"));
}
ASSAY_ATTACK("pgd_linf", "iterated signed gradient steps, projected onto the ball", "linf", pgd_params(epsilon_linf()),
             make, pgd_defaults, "Madry et al. 2018, arXiv:1706.06083, eq. (2)");

}  // namespace
}  // namespace assay
