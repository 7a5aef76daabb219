#pragma once
#include "attacks/attack_kernel.hpp"
#include "attacks/fab_projection.hpp"

// Fast Adaptive Boundary: Croce & Hein 2020, arXiv:1907.02044, algorithm 1. It walks along the boundary of the label's
// region, outside the ball too, and keeps the misclassified point that is nearest to the clean image.
namespace assay {

/// `targeted`: the boundary with the target is all that counts; else that of the class that looks nearest.
template <Norm norm, bool targeted>
struct Fab {
  enum class Asked : std::uint8_t {
    iterate,      ///< for the gradient at a point that is known to be one to step from
    step,         ///< whether a step misled the model, and for the gradient in case it did not
    step_logits,  ///< whether a step misled the model
    last,         ///< about the point that the item leaves behind
  };
  struct Lane {
    double nearest;    ///< the distance of the kept point
    double distance;   ///< of the point that was just answered, where it is misclassified
    double boundary;   ///< how far the nearest class seemed; of all classes so far
    float difference;  ///< its value
    int done;          ///< steps whose outcome is known
    Asked asked;
    bool misled;  ///< the last step did
  };
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;  // two projections in double
  static constexpr int kScratchRows = targeted ? 1 : 2;      // the kept point, the nearest class's gradient
  int steps;
  float alpha_max, eta, beta;

  template <class Team>
  ASSAY_HD Verdict start(Team& team, Lane& lane, const LaneRow& row) const {
    lane.nearest = kNowhere;
    if (row.item.restart == 0)
      copy_clean(team, row);
    else
      start_apart(team, row);
    return Verdict::advance;
  }

  template <class Team>
    requires(!targeted)
  ASSAY_HD void collect(Team& team, Lane& lane, const LaneRow& row, int nth) const {
    const double value = static_cast<double>(row.value);
    const double boundary = (value < 0 ? -value : value) / (1e-12 + dual_norm(team, row.dim, row.gradient));
    if (nth > 0 && !(boundary < lane.boundary)) return;
    lane.boundary = boundary;
    lane.difference = row.value;
    team.map(row.dim, row.kept(1), [](float g) { return g; }, row.gradient);
  }

  template <class Team>
  ASSAY_HD bool counts(Team& team, Lane& lane, const LaneRow& row) const {
    lane.distance = size_of(
        team, row.dim,
        [](float p, float c) {
          const double d = static_cast<double>(p) - static_cast<double>(c);
          return d < 0 ? -d : d;
        },
        row.point, row.clean);
    return lane.distance <= static_cast<double>(row.item.epsilon);
  }

  template <class Team>
  ASSAY_HD Verdict advance(Team& team, Lane& lane, const LaneRow& row) const {
    if (lane.asked == Asked::last) return Verdict::exhausted;
    if (lane.asked == Asked::iterate) {
      // Nothing is nearer to a clean image that is misclassified than itself.
      if (lane.done == 0 && row.item.restart == 0 && row.wrong) return Verdict::exhausted;
    } else {
      ++lane.done;
      lane.misled = row.wrong;
      if (row.wrong) keep(team, lane, row);
      if (lane.done == steps) return leave(team, lane, row);
      if (row.wrong) {
        const float share = beta;
        team.map(
            row.dim, row.point, [=](float p, float c) { return clamp01(c + share * (p - c)); }, row.point, row.clean);
      }
      if (row.wrong || lane.asked == Asked::step_logits) {
        lane.asked = Asked::iterate;
        return Verdict::advance;
      }
    }
    step(team, lane, row);
    // After a step that misled, the gradient is wanted elsewhere; after the last one nowhere.
    lane.asked = lane.misled || lane.done + 1 == steps ? Asked::step_logits : Asked::step;
    return lane.asked == Asked::step ? Verdict::advance : Verdict::look;
  }

 private:
  static constexpr double kNowhere = 1e300;

  /// Half a radius away in a random direction, then into the box.
  template <class Team>
  ASSAY_HD static void start_apart(Team& team, const LaneRow& row) {
    const Draw draw{row.seed, row.item.stream, row.item.sample};
    team.map_quads(row.dim, row.point, [=](std::int64_t block) {
      Quad<float> t;
      if constexpr (norm == Norm::linf) {
        const Words4 words = draw.words(block);
        for (int k = 0; k < 4; ++k) t.v[k] = 2.f * unit_float(words.v[k]) - 1.f;
      } else {
        draw.normal4(block, t.v);
      }
      return t;
    });
    const float* const drawn = row.point;
    const double size = size_of(team, row.dim, [](float t) { return static_cast<double>(magnitude(t)); }, drawn);
    const auto scale = static_cast<float>(size > 0 ? 0.5 * static_cast<double>(row.item.epsilon) / size : 0.0);
    team.map(row.dim, row.point, [=](float t, float c) { return clamp01(c + scale * t); }, row.point, row.clean);
  }

  template <class Team>
  ASSAY_HD static double dual_norm(Team& team, std::int64_t n, const float* g) {
    if constexpr (norm == Norm::linf)
      return team.sum_of(n, [](float v) { return static_cast<double>(magnitude(v)); }, g);
    else if constexpr (norm == Norm::l2)
      return sqrt(team.sum_of(n, [](float v) { return product(v, v); }, g));
    else
      return largest(team, n, [](float v) { return static_cast<double>(magnitude(v)); }, g);
  }

  /// The norm of the vector whose coordinates have the sizes f(in[i]...).
  template <class Team, class F, class... In>
  ASSAY_HD static double size_of(Team& team, std::int64_t n, const F& f, const In*... in) {
    if constexpr (norm == Norm::linf)
      return largest(team, n, f, in...);
    else if constexpr (norm == Norm::l2)
      return sqrt(team.sum_of(
          n,
          [=](In... x) {
            const double d = f(x...);
            return d * d;
          },
          in...));
    else
      return team.sum_of(n, f, in...);
  }

  template <class Team>
  ASSAY_HD static void keep(Team& team, Lane& lane, const LaneRow& row) {
    if (!(lane.distance < lane.nearest)) return;
    lane.nearest = lane.distance;
    team.map(row.dim, row.kept(0), [](float p) { return p; }, row.point);
  }

  /// The kept point, drawn into the ball, is what the item leaves behind; the clean image where none was kept.
  template <class Team>
  ASSAY_HD static Verdict leave(Team& team, Lane& lane, const LaneRow& row) {
    const auto epsilon = static_cast<double>(row.item.epsilon);
    if (lane.nearest == kNowhere) {
      copy_clean(team, row);
    } else if (lane.nearest <= epsilon) {
      team.map(row.dim, row.point, [](float p) { return p; }, row.kept(0));
    } else {
      const auto scale = static_cast<float>(epsilon / lane.nearest);
      team.map(
          row.dim, row.point, [=](float p, float c) { return clamp01(c + scale * (p - c)); }, row.kept(0), row.clean);
    }
    lane.asked = Asked::last;
    return Verdict::look;
  }

  /// Past the projections of the iterate and of the clean image onto the boundary as the gradient has it.
  template <class Team>
  ASSAY_HD void step(Team& team, const Lane& lane, const LaneRow& row) const {
    const float* const w = targeted ? row.gradient : row.kept(1);
    const double difference = static_cast<double>(targeted ? row.value : lane.difference);
    const double there =
        difference + team.sum_of(
                         row.dim,
                         [](float p, float c, float v) {
                           return static_cast<double>(v) * (static_cast<double>(c) - static_cast<double>(p));
                         },
                         row.point, row.clean, w);
    const double whole = BoxProjection<norm>::whole(team, row.dim, w);
    const BoxProjection<norm> here(team, row.dim, row.point, w, difference, whole);
    const BoxProjection<norm> clean(team, row.dim, row.clean, w, there, whole);
    const double a = here.size > 1e-8 ? here.size : 1e-8, b = clean.size > 1e-8 ? clean.size : 1e-8;
    const float most = alpha_max, share = static_cast<float>(a / (a + b)), alpha = share < most ? share : most;
    const float overshoot = eta;
    team.map(
        row.dim, row.point,
        [=](float p, float c, float v) {
          const float own = p + overshoot * here.shift(p, v);
          const float from_clean = c + overshoot * clean.shift(c, v);
          return clamp01(own + alpha * (from_clean - own));  // in this form it stays put where both do
        },
        row.point, row.clean, w);
  }
};

inline std::vector<ParamSpec> fab_params(ParamSpec epsilon, bool targeted) {
  std::vector<ParamSpec> params = {
      std::move(epsilon),
      {"steps", ParamType::integer, "steps past the boundary", std::int64_t{100}, 1, 100000, {}, {}},
      {"alpha_max", ParamType::real, "largest part that the clean image has in a step", 0.1, 0.0, 1.0, {}, {}},
      {"eta", ParamType::real, "factor by which projections overshoot", 1.05, 1.0, 2.0, {}, {}},
      {"beta", ParamType::real, "factor that brings a misclassified point closer", 0.9, 0.0, 1.0, {}, {}},
      restarts_param()};
  if (targeted) params.push_back(targets_param());
  return params;
}

template <Norm norm, bool targeted>
std::unique_ptr<Attack> make_fab(const char* name, const Params& params) {
  const int steps = static_cast<int>(integer_param(params, "steps"));
  const auto real = [&](const char* param) { return static_cast<float>(real_param(params, param)); };
  const Fab<norm, targeted> attack{steps, real("alpha_max"), real("eta"), real("beta")};
  // The first gradient; two answers a step, but for the last, which needs one; the last point.
  auto made = std::make_unique<LaneAttack<Fab<norm, targeted>>>(attack, name, 2 * steps + 1, "logit_difference");
  made->restarts = static_cast<int>(integer_param(params, "restarts"));
  if constexpr (targeted)
    made->targets = static_cast<int>(integer_param(params, "targets"));
  else
    made->every_class = true;
  return made;
}

}  // namespace assay
