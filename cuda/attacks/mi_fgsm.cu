// Momentum iterative fast gradient sign method: Dong et al. 2018, arXiv:1710.06081, algorithm 1:
//   m = mu m + g / mean |g|,   x = clip to ball and box(x + step sign(m)).
// A gradient of zero adds nothing to m.
#include "attacks/attack_kernel.hpp"

namespace assay {
namespace {

struct MiFgsm {
  struct Lane {
    int done;
  };
  static constexpr int kScratchRows = 1;
  float step, decay;
  int steps;

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane&, const LaneRow& row) const {
    if (copy_given(team, row))
      project_linf(team, row, row.item.epsilon);
    else
      copy_clean(team, row);
    team.map(row.dim, row.kept(0), [](float) { return 0.f; }, row.clean);
    return Verdict::advance;
  }

  ASSAY_HD float step_size(const Lane&, const LaneRow&) const { return step; }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.done == steps) return Verdict::exhausted;
    const auto size = [](float v) { return v < 0.f ? -v : v; };
    // By the largest first: the mean of tiny gradients would have no inverse.
    const float top = team.max_of(row.dim, 0.f, size, row.gradient);
    const float sum = top > 0.f ? team.sum_of(row.dim, [=](float g) { return size(g) / top; }, row.gradient) : 0.f;
    const float mean = sum / static_cast<float>(row.dim), epsilon = row.item.epsilon, length = step, mu = decay;
    const bool flat = !(sum > 0.f);
    team.map(
        row.dim, row.kept(0), [=](float m, float g) { return mu * m + (flat ? 0.f : g / top / mean); }, row.kept(0),
        row.gradient);
    team.map(
        row.dim, row.point, [=](float x, float c, float m) { return project_linf(x + length * sign(m), c, epsilon); },
        row.point, row.clean, row.kept(0));
    return after_step(++lane.done, steps);
  }
};

std::vector<ParamSpec> params() {
  return {epsilon_linf(),
          {"steps", ParamType::integer, "gradient steps", std::int64_t{10}, 1, 100000, {}, {}},
          {"step", ParamType::real, "step size, absolute", {}, 0.0, 1e6, {}, "epsilon / steps"},
          {"decay", ParamType::real, "of the momentum", 1.0, 0.0, 1.0, {}, {}},
          start_param(),
          target_param(),
          loss_param()};
}
void complete(Params& params) {
  if (!params.contains("step"))
    params["step"] = real_param(params, "epsilon") / static_cast<double>(integer_param(params, "steps"));
}
std::unique_ptr<Attack> make(const Params& params) {
  const int steps = static_cast<int>(integer_param(params, "steps"));
  const MiFgsm attack{static_cast<float>(real_param(params, "step")), static_cast<float>(real_param(params, "decay")),
                      steps};
  return std::make_unique<LaneAttack<MiFgsm>>(attack, "mi_fgsm", steps + 1, text_param(params, "loss"));
}
ASSAY_ATTACK("mi_fgsm", "signed steps along gradients that are summed with momentum", "linf", params(), make, complete,
             "Dong et al. 2018, arXiv:1710.06081, algorithm 1");

}  // namespace
}  // namespace assay
