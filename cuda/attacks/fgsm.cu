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
  ASSAY_HD Verdict start(Team& team, Lane& lane, const LaneRow& row) const {
    if (row.clean_gradient == nullptr) {
      copy_clean(team, row);
      return Verdict::advance;
    }
    lane.done = 1;
    return step(team, row, row.clean_gradient);
  }
  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.done++ == 1) return Verdict::exhausted;
    return step(team, row, row.gradient);
  }
  ASSAY_HD float step_size(const Lane&, const LaneRow& row) const { return row.item.epsilon; }

  template <class Team>
  ASSAY_HD static Verdict step(Team& team, const LaneRow& row, const float* gradient) {
    const float epsilon = row.item.epsilon;
    team.map(row.dim, row.point, [=](float x, float g) { return clamp01(x + epsilon * sign(g)); }, row.clean, gradient);
    return Verdict::look;
  }
};

std::unique_ptr<Attack> make(const Params& params) {
  auto made = std::make_unique<LaneAttack<Fgsm>>(Fgsm{}, "fgsm", 2, text_param(params, "loss"));
  made->clean_gradient = true;
  return made;
}
ASSAY_ATTACK("fgsm", "one signed gradient step of length epsilon", "linf",
             {epsilon_linf(), target_param(), loss_param()}, make, nullptr,
             "Goodfellow et al. 2015, arXiv:1412.6572, section 4");

}  // namespace
}  // namespace assay
