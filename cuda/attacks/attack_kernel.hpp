#pragma once
#include <limits>

#include "assay/attack.hpp"
#include "assay/core/philox.hpp"
#include "assay/core/team.hpp"
#include "assay/loss.hpp"

// What every attack's file builds on: an attack is a struct A with parameters, a trivially copyable A::Lane, and
//   start  (team, lane, row)  writes row.point and lane; returns what the lane asks first
//   advance(team, lane, row)  consumes the answer, writes row.point; returns a Verdict
// both for one row and for any team. LaneAttack<A> launches them. An item that is fooled ends before `advance` sees the
// answer. More where they are needed:
//   counts (team, lane, row)  whether a point of the wanted class is a success; it is where an attack does not say
//   collect(team, lane, row, nth)  takes in the gradient for the nth class, see Attack::every_class
//   step_size(lane, row)  of the step that `advance` has just taken, kNoStep where it took none; for traces
//   ask    (team, lane, row, nth)  of an attack whose items own several lanes: writes row.point for the nth of them
//          out of the lead's state and scratch rows, in place of start and advance; returns whether it asks anything
namespace assay {

/// One lane's vectors, and what the model answered at its point.
struct LaneRow {
  LaneItem item;
  std::int64_t dim;
  std::int64_t c, h, w;
  int classes;
  int label, target;  ///< target: kNoTarget where there is none
  const float* clean;
  float* point;
  float* scratch;
  const float* clean_gradient;  ///< may be null
  const float* given;           ///< the starting point, in the box; null: the attack has its own
  const float* logits;
  const float* gradient;
  float value;
  bool wrong;          ///< the point is misclassified; with an aim: as the target
  std::int64_t width;  ///< lanes of the item; logits of the others lie behind these
  std::uint64_t seed;

  /// The nth scratch row.
  ASSAY_HD float* kept(int nth) const { return scratch + nth * dim; }
};

template <class A>
ASSAY_HD LaneRow lane_row(const LaneBatch& b, std::int64_t r) {
  const std::int64_t at = r * b.dim;
  return {b.item[r],
          b.dim,
          b.c,
          b.h,
          b.w,
          b.classes,
          b.label[r],
          b.target[r],
          b.clean + at,
          b.point + at,
          A::kScratchRows == 0 ? nullptr : b.scratch + at * A::kScratchRows,
          b.clean_gradient == nullptr ? nullptr : b.clean_gradient + (b.item[r].sample - b.first) * b.dim,
          b.starts == nullptr ? nullptr : b.starts + (b.item[r].sample - b.first) * b.dim,
          b.logits == nullptr ? nullptr : b.logits + r * b.classes,
          b.gradient == nullptr ? nullptr : b.gradient + at,
          b.value == nullptr ? 0.f : b.value[r],
          b.seen[r] == Seen::wrong,
          b.width,
          b.seed};
}

constexpr float kNoStep = std::numeric_limits<float>::quiet_NaN();

template <class A>
ASSAY_HD float step_taken([[maybe_unused]] const A& attack, [[maybe_unused]] const typename A::Lane& lane,
                          [[maybe_unused]] const LaneRow& row, Verdict verdict) {
  if constexpr (requires { attack.step_size(lane, row); })
    if (asks(verdict)) return attack.step_size(lane, row);
  return kNoStep;
}

template <class A>
concept OwnsLanes = requires(const A& attack, SerialTeam& team, const typename A::Lane& lane, const LaneRow& row) {
  attack.ask(team, lane, row, std::int64_t{0});
};

/// Whether an answer to the item that the lane leads was not finite.
template <class A>
ASSAY_HD bool is_broken(const LaneBatch& batch, std::int64_t lead) {
  if constexpr (!OwnsLanes<A>) return batch.seen[lead] == Seen::broken;
  bool broken = false;
  for (std::int64_t r = lead; r < lead + batch.width; ++r)
    broken = broken || (asks(batch.verdict[r]) && batch.seen[r] == Seen::broken);
  return broken;
}

template <class A>
struct StartKernel {
#if defined(ASSAY_DEVICE_PATH)
  static constexpr int kTeamsTogether = teams_together<A>();
#endif
  A attack;
  LaneBatch batch;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    if (batch.verdict[r] != Verdict::fresh || !leads(batch, r)) return;
    typename A::Lane lane{};
    const LaneRow row = lane_row<A>(batch, r);
    const Verdict verdict = attack.start(team, lane, row);
    if constexpr (OwnsLanes<A>) attack.ask(team, lane, row, 0);
    team.once([&] {
      static_cast<typename A::Lane*>(batch.state)[r] = lane;
      batch.verdict[r] = verdict;
    });
  }
};

template <class A>
struct AdvanceKernel {
#if defined(ASSAY_DEVICE_PATH)
  static constexpr int kTeamsTogether = teams_together<A>();
#endif
  A attack;
  LaneBatch batch;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    if (!served(batch, r) || !leads(batch, r)) return;
    typename A::Lane lane = static_cast<const typename A::Lane*>(batch.state)[r];
    const LaneRow row = lane_row<A>(batch, r);
    bool success = row.wrong;
    if constexpr (requires { attack.counts(team, lane, row); })
      if (success) success = attack.counts(team, lane, row);
    Verdict verdict = Verdict::undecided;
    if (success && !batch.full)
      verdict = Verdict::fooled;
    else if (!is_broken<A>(batch, r))
      verdict = attack.advance(team, lane, row);
    if constexpr (OwnsLanes<A>)
      if (asks(verdict)) attack.ask(team, lane, row, 0);
    if (success && verdict == Verdict::exhausted) verdict = Verdict::fooled;
    team.once([&] {
      static_cast<typename A::Lane*>(batch.state)[r] = lane;
      batch.verdict[r] = verdict;
      if (success) batch.ever[r] = 1;
      if (batch.step != nullptr) batch.step[r] = step_taken(attack, lane, row, verdict);
    });
  }
};

/// The lanes of an item behind its lead, once that has started or advanced.
template <class A>
struct AskKernel {
  A attack;
  LaneBatch batch;
  bool started;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    const std::int64_t nth = r % batch.width, lead = r - nth;
    if (nth == 0 || !leads(batch, lead) || started != (batch.verdict[r] == Verdict::fresh)) return;
    if (!asks(batch.verdict[lead])) return;
    LaneRow row = lane_row<A>(batch, lead);
    row.point = batch.point + r * batch.dim;
    const bool has_question = attack.ask(team, static_cast<const typename A::Lane*>(batch.state)[lead], row, nth);
    team.once([&] {
      batch.verdict[r] = has_question ? Verdict::look : Verdict::idle;
      if (batch.step != nullptr) batch.step[r] = kNoStep;
    });
  }
};

template <class A>
struct CollectKernel {
  A attack;
  LaneBatch batch;
  int nth;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    if (batch.verdict[r] != Verdict::advance || batch.seen[r] == Seen::broken) return;
    typename A::Lane lane = static_cast<const typename A::Lane*>(batch.state)[r];
    attack.collect(team, lane, lane_row<A>(batch, r), nth);
    team.once([&] { static_cast<typename A::Lane*>(batch.state)[r] = lane; });
  }
};

template <class A>
class LaneAttack final : public Attack {
 public:
  LaneAttack(const A& attack, std::string attack_name, int answers, std::string loss_name) : attack_(attack) {
    name = std::move(attack_name);
    loss = std::move(loss_name);
    queries = answers;
    lane_bytes = sizeof(typename A::Lane);
    scratch_rows = A::kScratchRows;
    any_success =
        !requires(SerialTeam& team, typename A::Lane& lane, const LaneRow& row) { attack_.counts(team, lane, row); };
  }
  void start(const Exec& exec, const LaneBatch& lanes) const override {
    for_each_row(exec, lanes.lanes, lanes.dim, StartKernel<A>{attack_, lanes});
    ask(exec, lanes, true);
  }
  void advance(const Exec& exec, const LaneBatch& lanes) const override {
    for_each_row(exec, lanes.lanes, lanes.dim, AdvanceKernel<A>{attack_, lanes});
    ask(exec, lanes, false);
  }
  void collect([[maybe_unused]] const Exec& exec, [[maybe_unused]] const LaneBatch& lanes,
               [[maybe_unused]] int nth) const override {
    // A call, since nvcc finds the address of no function template of a class template.
    if constexpr (requires(SerialTeam& team, typename A::Lane& lane, const LaneRow& row) {
                    attack_.collect(team, lane, row, nth);
                  })
      for_each_row(exec, lanes.lanes, lanes.dim, CollectKernel<A>{attack_, lanes, nth});
  }

 private:
  void ask([[maybe_unused]] const Exec& exec, [[maybe_unused]] const LaneBatch& lanes,
           [[maybe_unused]] bool started) const {
    if constexpr (OwnsLanes<A>)
      if (lanes.width > 1) for_each_row(exec, lanes.lanes, lanes.dim, AskKernel<A>{attack_, lanes, started});
  }
  A attack_;
};

/// Of an attack of `steps` steps that has now taken `done` of them.
ASSAY_HD Verdict after_step(int done, int steps) {
  return done < steps ? Verdict::advance : Verdict::look;
}

/// The clean image as the first point.
template <class Team>
ASSAY_HD void copy_clean(Team& team, const LaneRow& row) {
  team.map(row.dim, row.point, [](float x) { return x; }, row.clean);
}

/// The given starting point, if there is one, as the first point: still to be projected onto the ball.
template <class Team>
ASSAY_HD bool copy_given(Team& team, const LaneRow& row) {
  if (row.given == nullptr) return false;
  team.map(row.dim, row.point, [](float x) { return x; }, row.given);
  return true;
}

ASSAY_HD float sign(float v) {
  return static_cast<float>(v > 0.f) - static_cast<float>(v < 0.f);
}

/// ||v||_2 = top * root, kept apart: gradients may be so tiny that the norm's inverse overflows, or so large that the
/// norm does.
struct L2Norm {
  float top;   ///< the largest |v(i)|
  float root;  ///< ||v / top||_2

  /// Of v(i) = f(in[i]...).
  template <class Team, class F, class... In>
  ASSAY_HD static L2Norm of(Team& team, std::int64_t n, const F& f, const In*... in) {
    const float top = team.max_of(
        n, 0.f,
        [=](In... x) {
          const float v = f(x...);
          return v < 0.f ? -v : v;
        },
        in...);
    if (!(top > 0.f) || !finite(top)) return {top, 0.f};
    return {top, sqrtf(team.sum_of(
                     n,
                     [=](In... x) {
                       const float v = f(x...) / top;
                       return v * v;
                     },
                     in...))};
  }
  template <class Team>
  ASSAY_HD static L2Norm of(Team& team, std::int64_t n, const float* v) {
    return of(team, n, [](float x) { return x; }, v);
  }
  ASSAY_HD float value() const { return root > 0.f ? top * root : top; }
  /// x / ||v||; 0 for all x where v has no direction: it is zero, or not finite.
  ASSAY_HD float unit(float x) const { return root > 0.f ? x / top / root : 0.f; }
};

/// The nearest pixel to v in the box and within epsilon of clean.
ASSAY_HD float project_linf(float v, float clean, float epsilon) {
  return clamp01(clamp(v, clean - epsilon, clean + epsilon));
}
template <class Team>
ASSAY_HD void project_linf(Team& team, const LaneRow& row, float epsilon) {
  team.map(row.dim, row.point, [=](float p, float c) { return project_linf(p, c, epsilon); }, row.point, row.clean);
}

/// point = the nearest point to clean + s (point - clean) in the box, where s brings it into the L2 ball.
template <class Team>
ASSAY_HD void project_l2(Team& team, const LaneRow& row, float epsilon) {
  const float* clean = row.clean;
  float* point = row.point;
  const float norm = L2Norm::of(team, row.dim, [](float p, float c) { return p - c; }, point, clean).value();
  const float scale = norm > epsilon ? epsilon / norm : 1.f;
  team.map(row.dim, point, [=](float p, float c) { return clamp01(c + scale * (p - c)); }, point, clean);
}

/// The parameters that attacks share.
inline ParamSpec epsilon_linf() {
  return {"epsilon", ParamType::real, "radius of the L-infinity ball, pixels in [0, 1]", {}, 0.0, 1.0, {}, {}};
}
inline ParamSpec epsilon_l2() {
  return {"epsilon", ParamType::real, "radius of the L2 ball, pixels in [0, 1]", {}, 0.0, 1e6, {}, {}};
}
inline ParamSpec epsilon_l1() {
  return {"epsilon", ParamType::real, "radius of the L1 ball, pixels in [0, 1]", {}, 0.0, 1e9, {}, {}};
}
template <bool targeted>
std::vector<std::string> losses() {
  std::vector<std::string> names;
  for (const auto& [name, loss] : Registry<Loss>::all())
    if (loss.targeted == targeted) names.push_back(name);
  return names;
}
inline ParamSpec loss_param(const char* fallback = "cross_entropy") {
  ParamSpec spec{"loss", ParamType::text, "loss to maximise", fallback};
  spec.registered = losses<false>;
  return spec;
}
inline ParamSpec targeted_loss_param(const char* fallback) {
  ParamSpec spec = loss_param(fallback);
  spec.registered = losses<true>;
  return spec;
}
inline ParamSpec targets_param() {
  return {"targets",
          ParamType::integer,
          "runs towards as many of the classes likeliest on the clean image behind the label",
          std::int64_t{9},
          1,
          1000,
          {},
          {}};
}
inline ParamSpec draws_param() {
  return {"eot",
          ParamType::integer,
          "gradients averaged at each point (expectation over transformation, for randomised models)",
          std::int64_t{1},
          1,
          10000,
          {},
          {}};
}
inline ParamSpec restarts_param() {
  return {"restarts",
          ParamType::integer,
          "runs from other random points, for samples that are not fooled yet",
          std::int64_t{1},
          1,
          1000,
          {},
          {}};
}
inline ParamSpec start_param() {
  ParamSpec spec{"start", ParamType::text,
                 "file:X.npy, points to begin at, projected onto the ball: float32, N x C x H x W in [0, 1]", ""};
  spec.file = spec.optional = true;
  return spec;
}
inline ParamSpec target_param() {
  ParamSpec spec{"target",
                 ParamType::text,
                 "success is this class alone: second or least_likely on the clean image, next after the label, or a "
                 "number",
                 "none",
                 {},
                 {},
                 {"none", "second", "least_likely", "next"}};
  spec.class_number = spec.optional = true;
  return spec;
}
inline std::vector<ParamSpec> pgd_params(ParamSpec epsilon) {
  return {std::move(epsilon),
          {"steps", ParamType::integer, "gradient steps", std::int64_t{20}, 1, 100000, {}, {}},
          {"step", ParamType::real, "step size, absolute", {}, 0.0, 1e6, {}, "2.5 * epsilon / steps"},
          {"random_start", ParamType::boolean, "start at a random point of the ball", true, {}, {}, {}, {}},
          start_param(),
          restarts_param(),
          target_param(),
          loss_param()};
}
inline void pgd_defaults(Params& params) {
  if (!params.contains("step"))
    params["step"] = 2.5 * real_param(params, "epsilon") / static_cast<double>(integer_param(params, "steps"));
}

}  // namespace assay
