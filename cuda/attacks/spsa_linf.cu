// Simultaneous perturbation stochastic approximation: Uesato et al. 2018, arXiv:1802.05666, section 3.2 and
// algorithm 1. A step asks about x +- delta v for random signs v, takes the mean of (f(x + delta v) - f(x - delta v)) /
// (2 delta) v for the gradient of the margin f between the label's logit and the largest other one, goes down along it
// as Adam does (Kingma and Ba 2015, algorithm 1: 0.9, 0.999, 1e-8) and projects onto ball and box. Only the x
// themselves count as successes; x +- delta v may leave ball and box, as in advertorch and torchattacks.
//
// The sign of pixel i in direction k of step t is bit i % 128 of block k ceil(D / 128) + i / 128 of the item's draws at
// step t. An item's lanes ask a step's 2 directions + 1 questions in order: x, then + and - of each direction.
#include "attacks/attack_kernel.hpp"
#include "core/softmax.hpp"

namespace assay {
namespace {

constexpr double kFirstDecay = 0.9, kSecondDecay = 0.999;
constexpr float kTiny = 1e-8f;

struct SpsaLinf {
  struct Lane {
    int step;              ///< as many have been taken
    int asked;             ///< of its questions
    float above;           ///< the margin at x + delta v, where that at x - delta v is due
    double first, second;  ///< 0.9^step, 0.999^step
  };
  [[maybe_unused]] static constexpr int kTeamsTogether = 3;
  static constexpr int kScratchRows = 4;  ///< x, the gradient's sum, Adam's moments
  float delta, rate;
  int steps, directions;

  /// f(v, in...) a pixel, for the signs v of a direction.
  template <class Team, class F, class... In>
  ASSAY_HD void along(Team& team, const LaneRow& row, int step, int direction, float* out, const F& f,
                      const In*... in) const {
    const Draw draw{row.seed, row.item.stream, row.item.sample, static_cast<std::uint32_t>(step)};
    const std::int64_t first = direction * ((row.dim + 127) / 128);
    team.map_quads(
        row.dim, out,
        [=](std::int64_t q, const Quad<In>&... x) {
          const Words4 bits = draw.words(first + q / 32);
          const auto word = static_cast<int>(q / 8 % 4);
          const std::uint32_t signs =
              (word < 2 ? (word == 0 ? bits.v[0] : bits.v[1]) : (word == 2 ? bits.v[2] : bits.v[3])) >> (4 * (q % 8));
          Quad<float> made;
          for (int k = 0; k < 4; ++k) made.v[k] = f((signs >> k & 1) != 0 ? 1.f : -1.f, x.v[k]...);
          return made;
        },
        in...);
  }

  ASSAY_HD int questions(const Lane& lane) const { return lane.step < steps ? 2 * directions + 1 : 1; }

  template <class Team>
  ASSAY_HD bool ask(Team& team, const Lane& lane, const LaneRow& row, std::int64_t nth) const {
    const std::int64_t question = lane.asked + nth;
    if (question >= questions(lane)) return false;
    if (question == 0) {
      team.map(row.dim, row.point, [](float x) { return x; }, row.kept(0));
    } else {
      const float shift = question % 2 == 1 ? delta : -delta;
      along(
          team, row, lane.step, static_cast<int>((question - 1) / 2), row.point,
          [=](float v, float x) { return x + shift * v; }, row.kept(0));
    }
    return true;
  }

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane& lane, const LaneRow& row) const {
    lane.first = lane.second = 1;
    const auto zero = [](float) { return 0.f; };
    if (copy_given(team, row))
      project_linf(team, row, row.item.epsilon);
    else
      copy_clean(team, row);
    team.map(row.dim, row.kept(0), [](float x) { return x; }, row.point);
    for (int nth = 1; nth < kScratchRows; ++nth) team.map(row.dim, row.kept(nth), zero, row.clean);
    return Verdict::look;
  }

  template <class Team>
  ASSAY_HD bool counts(Team&, const Lane& lane, const LaneRow&) const {
    return lane.asked == 0;
  }

  ASSAY_HD float step_size(const Lane& lane, const LaneRow&) const { return lane.asked == 0 ? rate : kNoStep; }

  /// The label's logit less the largest other one; with a target, the largest other one less the target's.
  template <class Team>
  ASSAY_HD static float margin(Team& team, const LaneRow& row, const float* z) {
    const int own = row.target == kNoTarget ? row.label : row.target;
    const float other = team.max(row.classes, kLowest, [=](std::int64_t k) { return k == own ? kLowest : z[k]; });
    return row.target == kNoTarget ? z[own] - other : other - z[own];
  }

  template <class Team>
  ASSAY_HD void take_step(Team& team, Lane& lane, const LaneRow& row) const {
    lane.first *= kFirstDecay;
    lane.second *= kSecondDecay;
    const auto length = static_cast<float>(rate / (1 - lane.first)), root = static_cast<float>(sqrt(1 - lane.second));
    constexpr auto kNew = static_cast<float>(1 - kFirstDecay), kKept = static_cast<float>(kSecondDecay),
                   kNewSquare = static_cast<float>(1 - kSecondDecay);
    const float epsilon = row.item.epsilon, count = static_cast<float>(directions);
    float *const x = row.kept(0), *const sum = row.kept(1), *const first = row.kept(2), *const second = row.kept(3);
    team.map(row.dim, first, [=](float m, float g) { return m + kNew * (g / count - m); }, first, sum);
    team.map(
        row.dim, second, [=](float s, float g) { return kKept * s + kNewSquare * (g / count) * (g / count); }, second,
        sum);
    team.map(
        row.dim, x,
        [=](float p, float m, float s, float c) {
          return project_linf(p - length * (m / (sqrtf(s) / root + kTiny)), c, epsilon);
        },
        x, first, second, row.clean);
    team.map(row.dim, sum, [](float) { return 0.f; }, row.clean);
    ++lane.step;
    lane.asked = 0;
  }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.step == steps) return Verdict::exhausted;
    float* const sum = row.kept(1);
    for (std::int64_t nth = 0; nth < row.width && lane.asked < questions(lane); ++nth) {
      const int question = lane.asked++;
      if (question == 0) continue;
      const float at = margin(team, row, row.logits + nth * row.classes);
      if (question % 2 == 1) {
        lane.above = at;
        continue;
      }
      const float slope = (lane.above - at) / (2.f * delta);
      along(team, row, lane.step, question / 2 - 1, sum, [=](float v, float g) { return g + slope * v; }, sum);
    }
    if (lane.asked == questions(lane)) take_step(team, lane, row);
    return Verdict::look;
  }
};

std::vector<ParamSpec> params() {
  return {
      epsilon_linf(),
      {"steps", ParamType::integer, "steps of Adam", std::int64_t{100}, 1, 100000, {}, {}},
      {"step", ParamType::real, "Adam's learning rate, pixels in [0, 1]", 0.01, 0.0, 1.0, {}, {}},
      {"delta", ParamType::real, "how far from x it asks, pixels in [0, 1]", 0.01, 1e-6, 1.0, {}, {}},
      {"directions", ParamType::integer, "random ones a step: two questions each", std::int64_t{128}, 1, 1e6, {}, {}},
      start_param(),
      restarts_param(),
      target_param()};
}
std::unique_ptr<Attack> make(const Params& params) {
  const int steps = static_cast<int>(integer_param(params, "steps"));
  const auto directions = static_cast<int>(integer_param(params, "directions"));
  const SpsaLinf attack{static_cast<float>(real_param(params, "delta")), static_cast<float>(real_param(params, "step")),
                        steps, directions};
  const int questions = 2 * directions + 1;
  auto made = std::make_unique<LaneAttack<SpsaLinf>>(attack, "spsa_linf", steps * questions + 1, "");
  // Of at most 32 lanes as many as leave the fewest without a question in a step's last batch.
  constexpr int kMost = 32;
  const int batches = (questions + kMost - 1) / kMost;
  made->width = (questions + batches - 1) / batches;
  made->restarts = static_cast<int>(integer_param(params, "restarts"));
  return made;
}
ASSAY_ATTACK("spsa_linf", "steps of Adam along gradients estimated from logits", "linf", params(), make, nullptr,
             "Uesato et al. 2018, arXiv:1802.05666, algorithm 1");

}  // namespace
}  // namespace assay
