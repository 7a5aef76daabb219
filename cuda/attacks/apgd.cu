// Auto-PGD (Croce & Hein 2020, arXiv:2003.01690, algorithm 1) in L-infinity and L2, and its form for the L1 ball within
// the box (Croce & Hein 2021, arXiv:2103.01208, algorithm 1). What the papers leave open is as in the authors' own
// AutoAttack: the first check counts its oldest comparison against a loss of 0, and the rule that halves the step when
// the best loss stands still does not apply at the first check.
#include "attacks/l1_ball.hpp"

namespace assay {
namespace {

/// Scratch rows.
constexpr int kPrevious = 0, kBest = 1, kBestGradient = 2;

template <class Team>
ASSAY_HD void copy(Team& team, std::int64_t n, float* to, const float* from) {
  team.map(n, to, [](float v) { return v; }, from);
}

/// What every norm keeps: the point of the largest loss and its gradient.
struct Ascent {
  float best;
  int done;   ///< points whose loss is known
  bool over;  ///< the last question is the look at the best point
};

template <class Team>
ASSAY_HD void keep_best(Team& team, Ascent& ascent, const LaneRow& row) {
  const float value = row.value;
  // A loss that is no number never becomes the best one.
  if (ascent.done == 0 || value > ascent.best) {
    ascent.best = value;
    copy(team, row.dim, row.kept(kBest), row.point);
    copy(team, row.dim, row.kept(kBestGradient), row.gradient);
  }
  ++ascent.done;
}

/// After the last step: a look at the best point, unless it is the one that was answered.
template <class Team>
ASSAY_HD Verdict end_at_best(Team& team, Ascent& ascent, const LaneRow& row) {
  ascent.over = true;
  if (row.value > ascent.best) return Verdict::exhausted;
  copy(team, row.dim, row.point, row.kept(kBest));
  return Verdict::look;
}

struct Linf {
  /// On the cube's faces: the largest coordinate is moved by epsilon.
  template <class Team>
  ASSAY_HD static void start(Team& team, const LaneRow& row) {
    if (copy_given(team, row)) return project_linf(team, row, row.item.epsilon);
    const Draw draw{row.seed, row.item.stream, row.item.sample};
    team.map_quads(row.dim, row.point, [=](std::int64_t block) {
      const Words4 words = draw.words(block);
      Quad<float> t;
      for (int k = 0; k < 4; ++k) t.v[k] = 2.f * unit_float(words.v[k]) - 1.f;
      return t;
    });
    const float top = team.max_of(row.dim, 0.f, [](float t) { return t < 0.f ? -t : t; }, row.point);
    const float scale = row.item.epsilon / (top + 1e-12f);
    team.map(row.dim, row.point, [=](float t, float c) { return clamp01(c + scale * t); }, row.point, row.clean);
  }

  /// old becomes the next point; x and g are the present one and its gradient.
  template <class Team>
  ASSAY_HD static void step(Team& team, const LaneRow& row, const float* x, const float* g, float* old, float length,
                            float a) {
    const float epsilon = row.item.epsilon;
    const auto project = [=](float v, float c) { return project_linf(v, c, epsilon); };
    team.map(
        row.dim, old,
        [=](float was, float at, float gradient, float c) {
          const float ahead = project(at + length * sign(gradient), c);
          return project(at + (ahead - at) * a + (at - was) * (1.f - a), c);
        },
        old, x, g, row.clean);
  }
};

struct L2 {
  /// On the sphere.
  template <class Team>
  ASSAY_HD static void start(Team& team, const LaneRow& row) {
    if (copy_given(team, row)) return project_l2(team, row, row.item.epsilon);
    const Draw draw{row.seed, row.item.stream, row.item.sample};
    team.map_quads(row.dim, row.point, [=](std::int64_t block) {
      Quad<float> t;
      draw.normal4(block, t.v);
      return t;
    });
    const float* const drawn = row.point;
    const L2Norm norm = L2Norm::of(team, row.dim, drawn);
    const float epsilon = row.item.epsilon;
    team.map(
        row.dim, row.point, [=](float t, float c) { return clamp01(c + epsilon * norm.unit(t)); }, row.point,
        row.clean);
  }

  /// How much of a vector of this length stays within the ball.
  ASSAY_HD static float shrink(float square, float epsilon) {
    const float norm = sqrtf(square);
    return (norm < epsilon ? norm : epsilon) / (norm + 1e-12f);
  }

  template <class Team>
  ASSAY_HD static void step(Team& team, const LaneRow& row, const float* x, const float* g, float* old, float length,
                            float a) {
    const L2Norm norm = L2Norm::of(team, row.dim, g);
    const float epsilon = row.item.epsilon;
    const auto offset = [=](float at, float gradient, float c) { return at + length * norm.unit(gradient) - c; };
    const float inner = shrink(team.sum_of(
                                   row.dim,
                                   [=](float at, float gradient, float c) {
                                     const float d = offset(at, gradient, c);
                                     return d * d;
                                   },
                                   x, g, row.clean),
                               epsilon);
    const auto moved = [=](float was, float at, float gradient, float c) {
      const float ahead = clamp01(c + inner * offset(at, gradient, c));
      return at + (ahead - at) * a + (at - was) * (1.f - a) - c;
    };
    const float* const before = old;
    const float outer = shrink(team.sum_of(
                                   row.dim,
                                   [=](float was, float at, float gradient, float c) {
                                     const float d = moved(was, at, gradient, c);
                                     return d * d;
                                   },
                                   before, x, g, row.clean),
                               epsilon);
    team.map(
        row.dim, old,
        [=](float was, float at, float gradient, float c) { return clamp01(c + outer * moved(was, at, gradient, c)); },
        before, x, g, row.clean);
  }
};

template <class Ball>
struct Apgd {
  struct Lane {
    Ascent ascent;
    float length, last, best_at_check;
    int window, since, rises;
    bool reduced;
  };
  static constexpr int kScratchRows = 3;
  [[maybe_unused]] static constexpr int kTeamsTogether = std::is_same_v<Ball, L2> ? 3 : 4;  // three norms
  int steps;
  float rho;

  ASSAY_HD int share(float of) const {
    const int whole = static_cast<int>(of * static_cast<float>(steps) + 1e-3f);
    return whole > 1 ? whole : 1;
  }

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane& lane, const LaneRow& row) const {
    Ball::start(team, row);
    copy(team, row.dim, row.kept(kPrevious), row.point);
    lane.length = 2.f * row.item.epsilon;
    lane.window = share(.22f);
    lane.reduced = true;
    return Verdict::advance;
  }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.ascent.over) return Verdict::exhausted;
    if (lane.ascent.done == steps) return end_at_best(team, lane.ascent, row);
    keep_best(team, lane.ascent, row);
    const int step = lane.ascent.done - 1;
    bool back = false;
    if (step == 0) {
      lane.best_at_check = lane.ascent.best;
    } else {
      lane.rises += row.value > lane.last ? 1 : 0;
      lane.last = row.value;
      if (++lane.since == lane.window) {
        const bool swings = static_cast<float>(lane.rises) <= rho * static_cast<float>(lane.window);
        back = swings || (!lane.reduced && lane.best_at_check >= lane.ascent.best);
        lane.reduced = back;
        lane.best_at_check = lane.ascent.best;
        if (back) lane.length /= 2.f;
        const int fewer = lane.window - share(.03f), fewest = share(.06f);
        lane.window = fewer > fewest ? fewer : fewest;
        lane.since = lane.rises = 0;
      }
    }
    float* const old = row.kept(kPrevious);
    const float* const x = back ? row.kept(kBest) : row.point;
    Ball::step(team, row, x, back ? row.kept(kBestGradient) : row.gradient, old, lane.length, step == 0 ? 1.f : .75f);
    // The next point is where the previous one was, and the present one goes there.
    float* const point = row.point;
    team.each(row.dim, [=](std::int64_t i) {
      const float next = old[i];
      old[i] = x[i];
      point[i] = next;
    });
    return lane.ascent.done < steps ? Verdict::advance : Verdict::look;
  }

  ASSAY_HD float step_size(const Lane& lane, const LaneRow&) const { return lane.ascent.over ? kNoStep : lane.length; }
};

struct ApgdL1 {
  struct Lane {
    Ascent ascent;
    float length, share;  ///< share: of the coordinates that a step moves
    float moved;          ///< coordinates in which the best point differed from the clean one at the last check
    int phase, since;
  };
  static constexpr int kScratchRows = 3;
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  int steps;
  bool large_epsilon;

  ASSAY_HD int phases() const { return large_epsilon ? 3 : 1; }
  ASSAY_HD int steps_of(int phase) const {
    if (!large_epsilon) return steps;
    const int third = (3 * steps + 9) / 10;
    return phase < 2 ? third : steps - 2 * third;
  }
  /// Where it runs at first, the ball is larger.
  ASSAY_HD float radius(const Lane& lane, const LaneRow& row) const {
    return row.item.epsilon * static_cast<float>(phases() - lane.phase);
  }

  template <class Team>
  ASSAY_HD static float moved(Team& team, std::int64_t n, const float* point, const float* clean) {
    return static_cast<float>(
        team.sum_of(n, [](float p, float c) { return std::int64_t{p != c ? 1 : 0}; }, point, clean));
  }

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane& lane, const LaneRow& row) const {
    const Draw draw{row.seed, row.item.stream, row.item.sample};
    if (!copy_given(team, row))
      team.map_quads(
          row.dim, row.point,
          [=](std::int64_t block, const Quad<float>& clean) {
            Quad<float> t;
            draw.normal4(block, t.v);
            for (int k = 0; k < 4; ++k) t.v[k] += clean.v[k];
            return t;
          },
          row.clean);
    begin_phase(team, lane, row);
    return Verdict::advance;
  }

  template <class Team>
  ASSAY_HD void begin_phase(Team& team, Lane& lane, const LaneRow& row) const {
    const float epsilon = radius(lane, row);
    project_l1(team, row, epsilon, !large_epsilon);
    lane.ascent.done = 0;
    lane.length = epsilon;
    lane.since = 0;
  }

  template <class Team>
  ASSAY_HD bool counts(Team&, const Lane& lane, const LaneRow&) const {
    return lane.phase + 1 == phases();
  }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.ascent.over) return Verdict::exhausted;
    const int phase_steps = steps_of(lane.phase);
    const bool last_phase = lane.phase + 1 == phases();
    if (last_phase && lane.ascent.done == phase_steps) return end_at_best(team, lane.ascent, row);
    keep_best(team, lane.ascent, row);
    const int step = lane.ascent.done - 1;
    if (!last_phase && step == phase_steps) {
      copy(team, row.dim, row.point, row.kept(kBest));
      ++lane.phase;
      begin_phase(team, lane, row);
      return Verdict::advance;
    }
    const float epsilon = radius(lane, row), dim = static_cast<float>(row.dim);
    if (step == 0) {
      lane.moved = large_epsilon ? moved(team, row.dim, row.point, row.clean) : dim;
      lane.share = large_epsilon ? lane.moved / dim / 1.5f : .2f;
    }
    bool back = false;
    const int every = static_cast<int>(.04f * static_cast<float>(phase_steps) + 1e-3f);
    if (step > 0 && ++lane.since == (every > 1 ? every : 1)) {
      lane.since = 0;
      const float now = moved(team, row.dim, row.kept(kBest), row.clean);
      back = now / lane.moved < .95f;
      lane.share = now / dim / 1.5f;
      lane.length = back ? epsilon : lane.length / 1.5f;
      lane.length = lane.length < epsilon / 10.f ? epsilon / 10.f : lane.length;
      lane.moved = now;
    }
    const float* const g = back ? row.kept(kBestGradient) : row.gradient;
    const auto size = [](float v) { return v < 0.f ? -v : v; };
    auto below = static_cast<std::int64_t>((1.f - lane.share) * dim);
    below = below < 0 ? 0 : below < row.dim ? below : row.dim - 1;
    const float least = select_rising(team, row.dim, below, size, g);
    const float chosen = static_cast<float>(
        team.sum_of(row.dim, [=](float v) { return std::int64_t{v != 0.f && size(v) >= least ? 1 : 0}; }, g));
    const float length = lane.length / (chosen + 1e-10f);
    team.map(
        row.dim, row.point, [=](float x, float v) { return size(v) >= least ? x + length * sign(v) : x; },
        back ? row.kept(kBest) : row.point, g);
    project_l1(team, row, epsilon);
    return last_phase && lane.ascent.done == phase_steps ? Verdict::look : Verdict::advance;
  }

  /// A phase begins without a step, and with no point known.
  ASSAY_HD float step_size(const Lane& lane, const LaneRow&) const {
    return lane.ascent.over || lane.ascent.done == 0 ? kNoStep : lane.length;
  }
};

std::vector<ParamSpec> params(ParamSpec epsilon, const char* loss, bool targeted, bool l1) {
  std::vector<ParamSpec> all = {
      std::move(epsilon),
      {"steps", ParamType::integer, "gradient steps", std::int64_t{100}, l1 ? 3.0 : 1.0, 100000, {}, {}}};
  if (l1)
    all.push_back({"large_epsilon",
                   ParamType::boolean,
                   "three tenths of the steps in three times the ball, three tenths in twice the ball, the rest in it",
                   true,
                   {},
                   {},
                   {},
                   {}});
  all.push_back(targeted ? targets_param() : target_param());
  all.push_back(start_param());
  all.push_back(restarts_param());
  all.push_back(draws_param());
  all.push_back(targeted ? targeted_loss_param(loss) : loss_param(loss));
  return all;
}

template <class A>
std::unique_ptr<Attack> finish(const A& attack, const char* name, int queries, const Params& params) {
  auto made = std::make_unique<LaneAttack<A>>(attack, name, queries, text_param(params, "loss"));
  made->restarts = static_cast<int>(integer_param(params, "restarts"));
  made->draws = static_cast<int>(integer_param(params, "eot"));
  if (params.contains("targets")) made->targets = static_cast<int>(integer_param(params, "targets"));
  return made;
}

/// The names' last part.
template <class Ball>
constexpr const char* kNorm = "linf";
template <>
constexpr const char* kNorm<L2> = "l2";
template <>
constexpr const char* kNorm<ApgdL1> = "l1";

enum Variant { ce, dlr, targeted };
constexpr const char* kVariants[] = {"apgd_ce_", "apgd_dlr_", "apgd_t_"};
constexpr const char* kLosses[] = {"cross_entropy", "dlr", "dlr_targeted"};

template <class Ball, Variant variant>
std::unique_ptr<Attack> make(const Params& params) {
  const int steps = static_cast<int>(integer_param(params, "steps"));
  static const std::string name = std::string(kVariants[variant]) + kNorm<Ball>;
  if constexpr (std::is_same_v<Ball, ApgdL1>) {
    const bool large = bool_param(params, "large_epsilon");
    return finish(ApgdL1{steps, large}, name.c_str(), steps + (large ? 4 : 2), params);
  } else {
    return finish(Apgd<Ball>{steps, .75f}, name.c_str(), steps + 2, params);
  }
}

template <class Ball, Variant variant>
AttackEntry entry(const ParamSpec& epsilon) {
  constexpr bool l1 = std::is_same_v<Ball, ApgdL1>;
  static constexpr const char* kAbout[] = {
      "Auto-PGD: steps that shrink when the loss swings, from the best point so far; cross-entropy",
      "Auto-PGD on the difference of logits ratio", "Auto-PGD towards each of the likeliest other classes"};
  return {kAbout[variant],
          kNorm<Ball>,
          params(epsilon, kLosses[variant], variant == targeted, l1),
          make<Ball, variant>,
          nullptr,
          l1 ? "Croce & Hein 2021, arXiv:2103.01208, algorithm 1" : "Croce & Hein 2020, arXiv:2003.01690, algorithm 1"};
}

template <class Ball>
struct AddAll {
  explicit AddAll(const ParamSpec& epsilon) {
    const std::string norm = kNorm<Ball>;
    Registry<AttackEntry>::Add(kVariants[ce] + norm, entry<Ball, ce>(epsilon));
    Registry<AttackEntry>::Add(kVariants[dlr] + norm, entry<Ball, dlr>(epsilon));
    Registry<AttackEntry>::Add(kVariants[targeted] + norm, entry<Ball, targeted>(epsilon));
  }
};
const AddAll<Linf> add_linf{epsilon_linf()};
const AddAll<L2> add_l2{epsilon_l2()};
const AddAll<ApgdL1> add_l1{epsilon_l1()};

}  // namespace
}  // namespace assay
