// Projected gradient descent in L2: Madry et al. 2018, arXiv:1706.06083, eq. (2) with the L2 ball's steepest direction.
// Random start: uniform in the ball, by dropping two coordinates of a point on a sphere in D + 2 dimensions
// (Voelker et al. 2017, "Efficiently sampling vectors and coordinates from the n-sphere and n-ball").
#include "attacks/attack_kernel.hpp"

namespace assay {
namespace {

struct PgdL2 {
  struct Lane {
    int done;
  };
  static constexpr int kScratchRows = 0;
  float step;
  int steps;
  bool random_start;
  float norm_offset;

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane&, const LaneRow& row) const {
    if (copy_given(team, row)) {
      project_l2(team, row, row.item.epsilon);
      return Verdict::advance;
    }
    if (!random_start) {
      copy_clean(team, row);
      return Verdict::advance;
    }
    // The normals are drawn twice, for their norm and for the point, rather than kept.
    const Draw draw{row.seed, row.item.stream, row.item.sample};
    const std::int64_t blocks = (row.dim + 2 + 3) / 4;
    const float norm = sqrtf(team.sum(blocks, [=](std::int64_t block) {
      float z[4];
      draw.normal4(block, z);
      float sum = 0.f;
      for (int k = 0; k < 4 && 4 * block + k < row.dim + 2; ++k) sum += z[k] * z[k];
      return sum;
    }));
    const float scale = norm > 0.f ? row.item.epsilon / norm : 0.f;
    team.map_quads(
        row.dim, row.point,
        [=](std::int64_t block, const Quad<float>& clean) {
          float z[4];
          draw.normal4(block, z);
          Quad<float> point;
          for (int k = 0; k < 4; ++k) point.v[k] = clamp01(clean.v[k] + scale * z[k]);
          return point;
        },
        row.clean);
    return Verdict::advance;
  }

  ASSAY_HD float step_size(const Lane&, const LaneRow&) const { return step; }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.done == steps) return Verdict::exhausted;
    const L2Norm norm = L2Norm::of(team, row.dim, row.gradient);
    const float length = step, offset = norm_offset;
    if (offset > 0.f) {
      const float divisor = norm.value() + offset;
      team.map(
          row.dim, row.point, [=](float p, float g) { return p + length * (g / divisor); }, row.point, row.gradient);
    } else {
      team.map(
          row.dim, row.point, [=](float p, float g) { return p + length * norm.unit(g); }, row.point, row.gradient);
    }
    project_l2(team, row, row.item.epsilon);
    return after_step(++lane.done, steps);
  }
};

std::vector<ParamSpec> params() {
  std::vector<ParamSpec> all = pgd_params(epsilon_l2());
  all.push_back({"norm_offset",
                 ParamType::real,
                 "added to the gradient's norm before it divides; torchattacks has 1e-10 times its batch size",
                 0.0,
                 0.0,
                 1e6,
                 {},
                 {}});
  return all;
}

std::unique_ptr<Attack> make(const Params& params) {
  const int steps = static_cast<int>(integer_param(params, "steps"));
  const bool random_start = bool_param(params, "random_start");
  const PgdL2 attack{static_cast<float>(real_param(params, "step")), steps, random_start,
                     static_cast<float>(real_param(params, "norm_offset"))};
  auto made = std::make_unique<LaneAttack<PgdL2>>(attack, "pgd_l2", steps + 1, text_param(params, "loss"));
  made->restarts = random_start ? static_cast<int>(integer_param(params, "restarts")) : 1;
  return made;
}
ASSAY_ATTACK("pgd_l2", "iterated gradient steps of fixed L2 length, projected onto the ball", "l2", params(), make,
             pgd_defaults, "Madry et al. 2018, arXiv:1706.06083, eq. (2), with the L2 ball");

}  // namespace
}  // namespace assay
