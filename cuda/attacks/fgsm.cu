// Fast gradient sign method: Goodfellow et al. 2015, arXiv:1412.6572, section 4. x = clamp(clean + epsilon sign(g)).
#include "attacks/attack_kernel.hpp"

namespace assay {
namespace {

struct Fgsm {
  struct Lane {
    int done;
  };
  static constexpr int kScratchRows = 0;

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane&, const LaneRow& row) const {
    copy_clean(team, row);
    return Verdict::advance;
  }
  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.done++ == 1) return Verdict::exhausted;
    const float epsilon = row.item.epsilon;
    team.map(
        row.dim, row.point, [=](float x, float g) { return clamp01(x + epsilon * sign(g)); }, row.clean, row.gradient);
    return Verdict::look;
  }
};

std::unique_ptr<Attack> make(const Params& params) {
  return std::make_unique<LaneAttack<Fgsm>>(Fgsm{}, "fgsm", 2, text_param(params, "loss"));
}
ASSAY_ATTACK("fgsm", "one signed gradient step of length epsilon", "linf", {epsilon_linf(), loss_param()}, make,
             nullptr, "Goodfellow et al. 2015, arXiv:1412.6572, section 4");

}  // namespace
}  // namespace assay
