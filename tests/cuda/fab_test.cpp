// Croce & Hein 2020, arXiv:1907.02044: the projections beside solvers that sort, the walk beside one in double.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <set>

#include "attacks/fab_projection.hpp"
#include "cuda/attack_run.hpp"
#include "registered.hpp"

namespace assay {
namespace {

const std::vector<std::string> kNorms = {"linf", "l2", "l1"};

using Row = std::vector<double>;

Row to_double(const std::vector<float>& v) {
  return {v.begin(), v.end()};
}
double size_of(const std::string& norm, const Row& v) {
  double most = 0, squares = 0, sum = 0;
  for (const double x : v) {
    most = std::max(most, std::abs(x));
    squares += x * x;
    sum += std::abs(x);
  }
  return norm == "linf" ? most : norm == "l2" ? std::sqrt(squares) : sum;
}

/// The shift of t to the nearest point of <w, x> = <w, t> - c in the box, from sorted breakpoints. Where the box holds
/// none, all coordinates go to their bound.
Row sorted_projection(const std::string& norm, const Row& t, const Row& w, double c) {
  const std::size_t n = t.size();
  Row room(n), length(n);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < n; ++i) {
    if (w[i] == 0 || c == 0) continue;
    room[i] = (w[i] > 0) == (c > 0) ? t[i] : 1 - t[i];
    order.push_back(i);
  }
  double left = std::abs(c);
  if (norm == "l1") {
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return std::abs(w[a]) > std::abs(w[b]); });
    for (std::size_t at = 0; at < order.size() && left > 0;) {
      std::size_t end = at;
      double gain = 0;
      for (; end < order.size() && std::abs(w[order[end]]) == std::abs(w[order[at]]); ++end)
        gain += std::abs(w[order[end]]) * room[order[end]];
      const double part = gain > left ? left / gain : 1;
      for (; at < end; ++at) length[order[at]] = part * room[order[at]];
      left -= gain;
    }
  } else {
    const auto pull = [&](std::size_t i) { return norm == "l2" ? std::abs(w[i]) : 1.0; };
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return room[a] / pull(a) < room[b] / pull(b); });
    // From the last one on, so that small ones are not what a difference leaves of large ones.
    Row slope(order.size() + 1);
    for (std::size_t at = order.size(); at-- > 0;) slope[at] = slope[at + 1] + std::abs(w[order[at]]) * pull(order[at]);
    std::size_t at = 0;
    for (; at < order.size() && left > slope[at] * (room[order[at]] / pull(order[at])); ++at) {
      length[order[at]] = room[order[at]];
      left -= std::abs(w[order[at]]) * room[order[at]];
    }
    const double reach = left / slope[at];
    for (; at < order.size(); ++at) length[order[at]] = reach * pull(order[at]);
  }
  for (std::size_t i = 0; i < n; ++i) length[i] *= (w[i] > 0) == (c > 0) ? -1 : 1;
  return length;
}

template <Norm norm>
Row project(const std::vector<float>& t, const std::vector<float>& w, double c, double* size = nullptr) {
  SerialTeam team;
  const auto n = static_cast<std::int64_t>(t.size());
  const double whole = BoxProjection<norm>::whole(team, n, w.data());
  const BoxProjection<norm> projection(team, n, t.data(), w.data(), c, whole);
  Row shift;
  for (std::size_t i = 0; i < t.size(); ++i) shift.push_back(static_cast<double>(projection.shift(t[i], w[i])));
  if (size != nullptr) *size = projection.size;
  return shift;
}
Row project(const std::string& norm, const std::vector<float>& t, const std::vector<float>& w, double c,
            double* size = nullptr) {
  if (norm == "linf") return project<Norm::linf>(t, w, c, size);
  if (norm == "l2") return project<Norm::l2>(t, w, c, size);
  return project<Norm::l1>(t, w, c, size);
}

class FabProjection : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Norms, FabProjection, testing::ValuesIn(kNorms), by_name);

TEST_P(FabProjection, IsThatOfASolverThatSorts) {
  Lcg random(21);
  const auto unit = [&] { return static_cast<double>(random.below(1024)) / 1023; };
  int out_of_reach = 0;
  for (int k = 0; k < 10000; ++k) {
    const std::size_t n = k % 50 == 0 ? 784 : 1 + random.below(40);
    const bool ties = random.below(2) == 0, corners = random.below(2) == 0;
    std::vector<float> t(n), w(n);
    for (std::size_t i = 0; i < n; ++i) {
      const auto at = static_cast<float>(random.below(1025)) / 1024.f;
      t[i] = corners && random.below(2) == 0 ? static_cast<float>(random.below(2)) : at;
      w[i] = ties ? static_cast<float>(random.below(7)) - 3.f : static_cast<float>(unit() * unit() * (2 * unit() - 1));
    }
    double most = 0;
    const double sign = random.below(2) == 0 ? -1 : 1;
    for (std::size_t i = 0; i < n; ++i)
      most += std::abs(static_cast<double>(w[i])) *
              (static_cast<double>(w[i]) * sign > 0 ? static_cast<double>(t[i]) : 1 - static_cast<double>(t[i]));
    const double part = random.below(20) == 0 ? 0 : random.below(20) == 0 ? 1 : 1.2 * unit() * unit();
    const double c = sign * part * most;
    out_of_reach += part > 1 ? 1 : 0;
    double size = 0;
    const Row found = project(GetParam(), t, w, c, &size);
    const Row expected = sorted_projection(GetParam(), to_double(t), to_double(w), c);
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_NEAR(found[i], expected[i], 1e-6) << "case " << k << ", coordinate " << i << " of " << n;
    ASSERT_NEAR(size, size_of(GetParam(), expected), 1e-6 * (1 + size)) << k;
  }
  EXPECT_GT(out_of_reach, 100);
}

TEST_P(FabProjection, StaysPutWhereThereIsNowhereToGo) {
  const std::vector<float> t = {0.f, 0.25f, 1.f};
  for (const double c : {-1.0, 0.0, 1.0})
    for (const double v : project(GetParam(), t, {0.f, 0.f, 0.f}, c)) EXPECT_EQ(v, 0) << c;
  for (const double v : project(GetParam(), t, {1.f, -2.f, 3.f}, 0)) EXPECT_EQ(v, 0);
}

TEST_P(FabProjection, TakesWeightsOfAnySizeAndGapsWithoutEnd) {
  const std::vector<float> t = {0.5f, 0.25f, 1.f, 0.f};
  for (const double scale : {1e-42, 1e-30, 1e-10, 1e10, 1e30, 1e38}) {
    std::vector<float> w;
    for (const double v : {1.0, -2.0, 3.0, -0.5}) w.push_back(static_cast<float>(scale * v));
    const double c = 0.75 * static_cast<double>(w[2]);
    const Row found = project(GetParam(), t, w, c),
              expected = sorted_projection(GetParam(), to_double(t), to_double(w), c);
    for (std::size_t i = 0; i < t.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-6) << scale << ", " << i;
    const Row bounds = project(GetParam(), t, w, std::numeric_limits<double>::infinity());
    EXPECT_EQ(bounds, (Row{-0.5, 0.75, -1, 1})) << scale;
  }
}

TEST_P(FabProjection, EndsSoonOnWeightsThatFallByPowers) {
  // Every step to a mean would cut off one weight alone.
  std::vector<float> t(120, 1.f), w;
  for (int i = 0; i < 120; ++i) w.push_back(std::ldexp(1.f, -i));
  const double c = 2 - std::ldexp(1.0, -30);
  const Row found = project(GetParam(), t, w, c),
            expected = sorted_projection(GetParam(), to_double(t), to_double(w), c);
  double reached = 0;
  for (std::size_t i = 0; i < t.size(); ++i) reached -= found[i] * static_cast<double>(w[i]);
  EXPECT_NEAR(reached, c, 1e-6);
  EXPECT_NEAR(size_of(GetParam(), found), size_of(GetParam(), expected), 1e-6 * size_of(GetParam(), expected));
}

class Fab : public testing::TestWithParam<std::string> {
 protected:
  const std::string& norm() const { return GetParam(); }
  std::vector<std::string> both() const { return {"fab_" + norm(), "fab_t_" + norm()}; }
};
INSTANTIATE_TEST_SUITE_P(Norms, Fab, testing::ValuesIn(kNorms), by_name);

/// A radius that every attack stays in, so that the point left behind is the nearest one that was found.
constexpr double kWide = 1000;
double wide(const std::string& norm) {
  return norm == "linf" ? 1 : kWide;
}
std::vector<double> distances(const std::string& norm, const DataSet& data, const std::vector<float>& points) {
  std::vector<double> all;
  for (std::int64_t s = 0; s < data.n; ++s)
    all.push_back(norm_of(norm, points.data() + s * data.dim(), data.floats.data() + s * data.dim(), data.dim()));
  return all;
}
std::vector<float> row_of(const DataSet& data, std::int64_t s) {
  const auto first = data.floats.begin() + s * data.dim();
  return {first, first + data.dim()};
}

TEST_P(Fab, FindsTheDistanceToALinearBoundary) {
  DataSet data = float_data(20, 3, 5, 7, 0.49f, 0.51f, 2);  // about as far from a boundary all of them
  for (std::uint16_t& label : data.labels) label = 0;
  const std::vector<float> w = direction(data.dim());
  LinearModel probe = two_class_model(w, 0.f);
  double highest = -1e9;
  for (std::int64_t s = 0; s < data.n; ++s)
    highest = std::max(highest, probe.logit(1, data.floats.data() + s * data.dim()));
  LinearModel model = two_class_model(w, static_cast<float>(-highest - 0.01), 4);
  for (const std::string& name : both()) {
    const Attacked result = attack(name, {{"epsilon", wide(norm())}}, data, model);
    const std::vector<double> found = distances(norm(), data, result.points);
    for (std::int64_t s = 0; s < data.n; ++s) {
      const double gap = -model.logit(1, data.floats.data() + s * data.dim());
      const double least = gap / dual_norm(norm(), w);
      ASSERT_LT(least, 0.4) << "a pixel has room for that";
      const auto at = static_cast<std::size_t>(s);
      EXPECT_TRUE(result.rows[at].has(SampleRow::fooled_final)) << s;
      EXPECT_GE(found[at], least * (1 - 1e-5)) << name << " " << s;
      EXPECT_LE(found[at], least * 1.01) << name << " " << s;
    }
  }
}

/// Images whose labels the model finds.
DataSet rightly_labelled(std::int64_t n, const LinearModel& model, DataSet data) {
  for (std::int64_t s = 0; s < n; ++s) {
    int top = 0;
    for (int k = 1; k < model.classes(); ++k)
      if (model.logit(k, data.floats.data() + s * data.dim()) > model.logit(top, data.floats.data() + s * data.dim()))
        top = k;
    data.labels[static_cast<std::size_t>(s)] = static_cast<std::uint16_t>(top);
  }
  return data;
}

/// What the nearest point of another class is away in the box; of a linear model.
double least_distance(const std::string& norm, const LinearModel& model, const std::vector<float>& x, int label,
                      std::optional<int> target = {}) {
  double least = 1e9;
  for (int k = 0; k < model.classes(); ++k) {
    if (k == label || (target && k != *target)) continue;
    Row w;
    for (std::size_t i = 0; i < x.size(); ++i)
      w.push_back(static_cast<double>(model.at(k, static_cast<std::int64_t>(i))) -
                  static_cast<double>(model.at(label, static_cast<std::int64_t>(i))));
    const double c = model.logit(k, x.data()) - model.logit(label, x.data());
    const Row shift = sorted_projection(norm, to_double(x), w, c);
    double reached = 0;
    for (std::size_t i = 0; i < x.size(); ++i) reached += w[i] * shift[i];
    if (reached >= -c * (1 - 1e-9)) least = std::min(least, size_of(norm, shift));
  }
  return least;
}

TEST_P(Fab, FindsTheDistanceToTheNearestOfSeveralBoundariesInTheBox) {
  LinearModel model = linear_model(4, 105);
  const DataSet data = rightly_labelled(30, model, float_data(30, 3, 5, 7, 0.f, 1.f, 4));
  for (const std::string& name : both()) {
    Params params = {{"epsilon", wide(norm())}};
    const Attacked result = attack(name, params, data, model);
    const std::vector<double> found = distances(norm(), data, result.points);
    for (std::int64_t s = 0; s < data.n; ++s) {
      const auto at = static_cast<std::size_t>(s);
      const double least = least_distance(norm(), model, row_of(data, s), data.labels[at]);
      EXPECT_GE(found[at], least * (1 - 1e-5)) << name << " " << s;
      // The strongest of the targets' points is left behind, not the nearest.
      if (name == "fab_" + norm()) {
        EXPECT_LE(found[at], least * 1.01) << s;
      }
    }
  }
}

TEST_P(Fab, FoolsExactlyThoseWhoseBoundaryIsInTheBall) {
  LinearModel model = linear_model(4, 105);
  const DataSet data = rightly_labelled(60, model, float_data(60, 3, 5, 7, 0.f, 1.f, 4));
  std::vector<double> least;
  for (std::int64_t s = 0; s < data.n; ++s)
    least.push_back(least_distance(norm(), model, row_of(data, s), data.labels[static_cast<std::size_t>(s)]));
  std::vector<double> sorted = least;
  std::ranges::sort(sorted);
  const double epsilon = (sorted[29] + sorted[30]) / 2;
  for (const std::string& name : both()) {
    const Attacked result = attack(name, {{"epsilon", epsilon}}, data, model, {.full = false});
    for (std::size_t s = 0; s < least.size(); ++s)
      if (std::abs(least[s] - epsilon) > 0.01 * epsilon) {
        EXPECT_EQ(result.rows[s].has(SampleRow::fooled_final), least[s] < epsilon) << name << " " << s;
      }
  }
}

TEST_P(Fab, LeavesAPointInTheBallOnTheWayToTheNearestFound) {
  const DataSet data = inner_data(10, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -5.f);
  const std::string name = "fab_" + norm();
  const Attacked far = attack(name, {{"epsilon", wide(norm())}}, data, model);
  const std::vector<double> found = distances(norm(), data, far.points);
  const double epsilon = 0.3 * *std::ranges::min_element(found);
  const Attacked near = attack(name, {{"epsilon", epsilon}}, data, model);
  for (std::size_t i = 0; i < far.points.size(); ++i) {
    const std::size_t s = i / w.size();
    const double clean = static_cast<double>(data.floats[i]);
    EXPECT_NEAR(static_cast<double>(near.points[i]),
                clean + epsilon / found[s] * (static_cast<double>(far.points[i]) - clean), 1e-6);
  }
}

/// Class 1 is the likelier one behind the label and class 2 the nearer one; they look at pixels of their own.
TEST_P(Fab, GoesForEachOfItsTargets) {
  const DataSet data = inner_data(5, 1, 2, 8);
  std::vector<float> weight(3 * 16);
  for (std::size_t i = 0; i < 8; ++i) {
    weight[16 + i] = 0.01f;
    weight[32 + 8 + i] = 1.f;
  }
  LinearModel model(16, weight, {0.f, -0.5f, -5.f});
  const double epsilon = norm() == "linf" ? 0.3 : norm() == "l2" ? 0.9 : 2.5;
  for (const bool full : {false, true})
    for (const std::int64_t targets : {1, 2, 9}) {
      const Attacked result =
          attack("fab_t_" + norm(), {{"epsilon", epsilon}, {"targets", targets}}, data, model, {.full = full});
      for (const SampleRow& row : result.rows) {
        EXPECT_TRUE(row.has(SampleRow::clean_correct));
        EXPECT_EQ(row.has(SampleRow::fooled_any), targets > 1) << targets;
        if (targets > 1) {
          EXPECT_EQ(row.prediction, 2);
        }
      }
    }
}

TEST_P(Fab, CountsItsPasses) {
  const DataSet data = inner_data(20, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel near = two_class_model(w, -5.f, 4);
  LinearModel flat(data.dim(), std::vector<float>(static_cast<std::size_t>(4 * data.dim())), {1.f, 0.f, -1.f, -2.f});
  for (const std::int64_t steps : {1, 2, 9}) {
    const auto n = static_cast<std::uint64_t>(steps);
    for (const std::string& name : both()) {
      const std::uint64_t items = name == "fab_" + norm() ? 1 : 3, gradients = name == "fab_" + norm() ? 3 : 1;
      Params params = {{"epsilon", wide(norm())}, {"steps", steps}};
      // No step misleads: the gradient comes with the answer. The last step and the last point need none.
      for (const std::uint64_t passes : attack(name, params, data, flat).passes) {
        EXPECT_EQ(passes >> 32, 1 + items * (n + 2)) << name << " " << steps;
        EXPECT_EQ(passes & 0xFFFFFFFFu, items * gradients * n) << name << " " << steps;
      }
      if (items > 1) params["targets"] = std::int64_t{1};
      // Every step misleads: the first one's gradient is not used, and later ones ask for none.
      for (const std::uint64_t passes : attack(name, params, data, near).passes) {
        EXPECT_EQ(passes >> 32, 1 + (2 * n + 1) + 1) << name << " " << steps;
        EXPECT_EQ(passes & 0xFFFFFFFFu, gradients * (steps == 1 ? 1 : n + 1)) << name << " " << steps;
      }
    }
  }
}

/// Logits (0, w x + b + sum bend sin(12 x)) and that model's walk in double, by the paper's algorithm 1.
struct Bent {
  std::vector<float> w;
  float b;
  double bend;

  LinearModel model() const {
    LinearModel linear = two_class_model(w, b);
    const double height = bend;
    const std::size_t n = w.size();
    linear.on_logits = [=](const float* x, float* logits) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += height * std::sin(12 * static_cast<double>(x[i]));
      logits[1] = static_cast<float>(static_cast<double>(logits[1]) + sum);
    };
    linear.on_gradient = [=](const float* x, float* g) {
      for (std::size_t i = 0; i < n; ++i)
        g[i] = static_cast<float>(static_cast<double>(g[i]) + height * 12 * std::cos(12 * static_cast<double>(x[i])));
    };
    return linear;
  }
  double value(const Row& x) const {
    double sum = static_cast<double>(b);
    for (std::size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(w[i]) * x[i] + bend * std::sin(12 * x[i]);
    return sum;
  }
  Row gradient(const Row& x) const {
    Row g;
    for (std::size_t i = 0; i < x.size(); ++i) g.push_back(static_cast<double>(w[i]) + bend * 12 * std::cos(12 * x[i]));
    return g;
  }

  /// The nearest misclassified point after so many steps; counts the steps that mislead.
  Row walk(const std::string& norm, const Row& clean, int steps, int& misled) const {
    Row x = clean, best = clean;
    double nearest = 1e9;
    misled = 0;
    for (int step = 0; step < steps; ++step) {
      const Row g = gradient(x);
      const double c = value(x);
      double there = c;
      for (std::size_t i = 0; i < x.size(); ++i) there += g[i] * (clean[i] - x[i]);
      const Row own = sorted_projection(norm, x, g, c), other = sorted_projection(norm, clean, g, there);
      const double a = std::max(size_of(norm, own), 1e-8), o = std::max(size_of(norm, other), 1e-8);
      const double alpha = std::min(a / (a + o), 0.1);
      Row gap;
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = std::clamp((x[i] + 1.05 * own[i]) * (1 - alpha) + (clean[i] + 1.05 * other[i]) * alpha, 0.0, 1.0);
        gap.push_back(x[i] - clean[i]);
      }
      if (value(x) <= 0) continue;
      ++misled;
      if (size_of(norm, gap) < nearest) {
        nearest = size_of(norm, gap);
        best = x;
      }
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = clean[i] + 0.9 * gap[i];
    }
    return best;
  }
};

TEST_P(Fab, WalksAsThePaperSays) {
  const DataSet data = inner_data(12, 1, 5, 7);
  // In L1 few pixels go far, so that they see more of the bends.
  const Bent bent{direction(data.dim()), norm() == "l1" ? -2.f : -4.f, norm() == "l1" ? 0.03 : 0.15};
  LinearModel model = bent.model();
  int misled = 0, walks = 0;
  constexpr int kSteps = 12;
  for (const std::string& name : both()) {
    const Attacked result = attack(name, {{"epsilon", wide(norm())}, {"steps", std::int64_t{kSteps}}}, data, model);
    for (std::int64_t s = 0; s < data.n; ++s) {
      int steps = 0;
      const Row expected = bent.walk(norm(), to_double(row_of(data, s)), kSteps, steps);
      misled += steps;
      ++walks;
      for (std::size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(static_cast<double>(result.points[static_cast<std::size_t>(s) * expected.size() + i]), expected[i],
                    1e-4)
            << name << ", sample " << s << ", pixel " << i;
    }
  }
  EXPECT_GT(misled, walks * kSteps / 10);
  EXPECT_LT(misled, walks * kSteps * 9 / 10);
}

TEST_P(Fab, StaysPutOnAZeroGradientAndOnImagesThatAreWrong) {
  const DataSet data = float_data(20, 1, 5, 7, 0.f, 1.f, 4);
  LinearModel flat(data.dim(), std::vector<float>(static_cast<std::size_t>(4 * data.dim())), {1.f, 2.f, 3.f, 4.f});
  for (const std::string& name : both()) {
    const Attacked result = attack(name, {{"epsilon", wide(norm())}}, data, flat);
    EXPECT_EQ(result.points, data.floats);
    for (std::size_t s = 0; s < result.rows.size(); ++s) {
      EXPECT_FALSE(result.rows[s].has(SampleRow::undecided));
      EXPECT_EQ(result.rows[s].has(SampleRow::correct), data.labels[s] == 3);
    }
  }
}

TEST_P(Fab, RestartsHalfARadiusAway) {
  const DataSet data = inner_data(1, 1, 5, 7);
  const Row clean = to_double(data.floats);
  const double epsilon = norm() == "linf" ? 0.1 : norm() == "l2" ? 0.5 : 2;
  for (const std::string& name : both()) {
    // On a flat model the only way is a tenth of that back to the clean image, a step.
    LinearModel flat(data.dim(), std::vector<float>(static_cast<std::size_t>(4 * data.dim())), {1.f, 0.f, -1.f, -2.f});
    std::multiset<double> distances;
    std::set<Row> seen;
    flat.on_logits = [&](const float* x, float*) {
      Row gap;
      for (std::size_t i = 0; i < clean.size(); ++i) gap.push_back(static_cast<double>(x[i]) - clean[i]);
      if (seen.insert(gap).second) distances.insert(size_of(norm(), gap) / (epsilon / 2));
    };
    Params params = {{"epsilon", epsilon}, {"steps", std::int64_t{2}}, {"restarts", std::int64_t{3}}};
    attack(name, params, data, flat);
    const std::size_t starts = name == "fab_" + norm() ? 2 : 6;  // each restart and target has its own
    std::vector<testing::Matcher<double>> expected = {0.0};
    for (const double share : {0.81, 0.9, 1.0})
      for (std::size_t i = 0; i < starts; ++i) expected.push_back(testing::DoubleNear(share, 1e-5));
    EXPECT_THAT(distances, testing::ElementsAreArray(expected)) << name;
  }
}

TEST_P(Fab, TakesAStartThatMisleads) {
  const DataSet data = inner_data(5, 1, 5, 7);
  LinearModel flat(data.dim(), std::vector<float>(static_cast<std::size_t>(4 * data.dim())), {1.f, 0.f, -1.f, -2.f});
  const auto is_clean = [&](const float* x) {
    for (std::int64_t s = 0; s < data.n; ++s)
      if (std::equal(x, x + data.dim(), data.floats.begin() + s * data.dim())) return true;
    return false;
  };
  flat.on_logits = [&](const float* x, float* logits) { logits[1] = is_clean(x) ? 0.f : 2.f; };
  for (const std::string& name : both())
    for (const std::int64_t restarts : {1, 2})
      for (const bool full : {false, true}) {
        const Params params = {{"epsilon", 0.1}, {"steps", std::int64_t{3}}, {"restarts", restarts}};
        for (const SampleRow& row : attack(name, params, data, flat, {.full = full}).rows)
          EXPECT_EQ(row.has(SampleRow::fooled_any), restarts == 2) << name << " " << full;
      }
}

}  // namespace
}  // namespace assay
