// Projected gradient descent in L1 with sparse steps (Tramer & Boneh 2019, arXiv:1904.13000, section 4: SLIDE) and the
// Euclidean projection onto the ball within the box (Croce & Hein 2021, arXiv:2103.01208, proposition 2.1). A step
// moves the coordinates with the largest gradients, of those that the box leaves room, by equal shares of its length.
// Random start: uniform in the ball (exponentials of random sign over the sum of one more of them), then the box.
#include "attacks/l1_ball.hpp"

namespace assay {
namespace {

struct PgdL1 {
  struct Lane {
    int done;
  };
  static constexpr int kScratchRows = 0;
  [[maybe_unused]] static constexpr int kTeamsTogether = 3;
  float step;
  int steps;
  bool random_start;
  float share;

  /// -log of the uniform number that a word is.
  ASSAY_HD static float exponential(std::uint32_t word) { return -log_unit(1.f - unit_float(word)); }

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane&, const LaneRow& row) const {
    if (copy_given(team, row)) {
      project_l1(team, row, row.item.epsilon);
      return Verdict::advance;
    }
    if (!random_start) {
      copy_clean(team, row);
      return Verdict::advance;
    }
    const Draw draw{row.seed, row.item.stream, row.item.sample};
    const std::int64_t numbers = row.dim + 1;
    const float sum = team.sum((numbers + 3) / 4, [=](std::int64_t block) {
      const Words4 words = draw.words(block);
      float four = 0;
      for (int k = 0; k < 4 && 4 * block + k < numbers; ++k) four += exponential(words.v[k]);
      return four;
    });
    const float scale = sum > 0.f ? row.item.epsilon / sum : 0.f;
    team.map_quads(
        row.dim, row.point,
        [=](std::int64_t block, const Quad<float>& clean) {
          const Words4 words = draw.words(block);
          Quad<float> point;
          for (int k = 0; k < 4; ++k) {
            const float d = scale * exponential(words.v[k]);
            // The lowest bits are not in the uniform number.
            point.v[k] = clamp01((words.v[k] & 1u) != 0 ? clean.v[k] + d : clean.v[k] - d);
          }
          return point;
        },
        row.clean);
    return Verdict::advance;
  }

  ASSAY_HD float step_size(const Lane&, const LaneRow&) const { return step; }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.done == steps) return Verdict::exhausted;
    const auto size = [](float x, float g) {
      const bool stuck = g > 0.f ? x >= 1.f : x <= 0.f;
      return stuck ? 0.f : g < 0.f ? -g : g;
    };
    auto moved = static_cast<std::int64_t>(share * static_cast<float>(row.dim));
    moved = moved < 1 ? 1 : moved < row.dim ? moved : row.dim;
    const float* const point = row.point;
    const float least = select_rising(team, row.dim, row.dim - moved, size, point, row.gradient);
    const auto chosen = [=](float x, float g) {
      const float v = size(x, g);
      return v > 0.f && v >= least;
    };
    const auto count = static_cast<float>(team.sum_of(
        row.dim, [=](float x, float g) { return std::int64_t{chosen(x, g) ? 1 : 0}; }, point, row.gradient));
    const float length = count > 0.f ? step / count : 0.f;
    team.map(
        row.dim, row.point, [=](float x, float g) { return chosen(x, g) ? x + length * sign(g) : x; }, point,
        row.gradient);
    project_l1(team, row, row.item.epsilon);
    return after_step(++lane.done, steps);
  }
};

std::vector<ParamSpec> params() {
  std::vector<ParamSpec> all = pgd_params(epsilon_l1());
  all.push_back(
      {"share", ParamType::real, "of the coordinates that a step moves, at least one", 0.01, 0.0, 1.0, {}, {}});
  return all;
}
std::unique_ptr<Attack> make(const Params& params) {
  const int steps = static_cast<int>(integer_param(params, "steps"));
  const bool random_start = bool_param(params, "random_start");
  const PgdL1 attack{static_cast<float>(real_param(params, "step")), steps, random_start,
                     static_cast<float>(real_param(params, "share"))};
  auto made = std::make_unique<LaneAttack<PgdL1>>(attack, "pgd_l1", steps + 1, text_param(params, "loss"));
  made->restarts = random_start ? static_cast<int>(integer_param(params, "restarts")) : 1;
  return made;
}
ASSAY_ATTACK("pgd_l1", "sparse gradient steps of fixed L1 length, projected onto the ball within the box", "l1",
             params(), make, pgd_defaults, "Tramer & Boneh 2019, arXiv:1904.13000, section 4");

}  // namespace
}  // namespace assay
