// What holds for every attack, over the registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "assay/attack.hpp"
#include "assay/loss.hpp"
#include "cuda/attack_run.hpp"
#include "registered.hpp"

namespace assay {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// How an attack seeks; what holds beyond the contract of all attacks holds for kinds.
enum class Kind {
  ascent,    ///< takes the steps it is told to take, wherever they lead
  schedule,  ///< keeps the point of the largest loss and suits its steps to it
  boundary,  ///< seeks the nearest misclassified point
  search,    ///< asks for logits only
  estimate,  ///< takes steps along what logits around its point say
};
Kind kind_of(const std::string& name) {
  const std::map<std::string, Kind> kinds = {
      {"fgsm", Kind::ascent},       {"fgm", Kind::ascent},    {"pgd", Kind::ascent},
      {"mi_fgsm", Kind::ascent},    {"apgd", Kind::schedule}, {"fab", Kind::boundary},
      {"deepfool", Kind::boundary}, {"square", Kind::search}, {"spsa", Kind::estimate}};
  for (const auto& [family, kind] : kinds)
    if (name.starts_with(family)) return kind;
  throw std::runtime_error("no test knows how " + name + " seeks");
}

class EveryAttack : public testing::TestWithParam<std::string> {
 protected:
  const std::string& name() const { return GetParam(); }
  const AttackEntry& entry() const { return *Registry<AttackEntry>::find(GetParam()); }
  Kind kind() const { return kind_of(name()); }
  bool takes(const std::string& param) const {
    return std::ranges::any_of(entry().params, [&](const ParamSpec& spec) { return spec.name == param; });
  }
  /// A usual radius of the attack's norm.
  double epsilon() const { return entry().norm == "linf" ? 8.0 / 255 : entry().norm == "l2" ? 0.5 : 0.3; }
  /// With as many queries as a test has time for.
  Params at(double radius) const {
    Params params = {{"epsilon", radius}};
    if (takes("queries")) params["queries"] = std::int64_t{200};
    if (takes("directions")) params["directions"] = params["steps"] = std::int64_t{12};
    if (kind() == Kind::schedule || kind() == Kind::boundary) params["steps"] = std::int64_t{15};
    return params;
  }
  std::unique_ptr<Attack> make(Params params) const {
    return entry().make(check_perturbation(Perturbation::Kind::attack, name(), std::move(params), "test").params);
  }
};
INSTANTIATE_TEST_SUITE_P(Registered, EveryAttack, testing::ValuesIn(single_attacks()), by_name);

std::vector<std::string> attacks_where(const std::function<bool(Kind)>& holds) {
  std::vector<std::string> names = single_attacks();
  std::erase_if(names, [&](const std::string& name) { return !holds(kind_of(name)); });
  return names;
}
class EveryAscent : public EveryAttack {};
INSTANTIATE_TEST_SUITE_P(Registered, EveryAscent,
                         testing::ValuesIn(attacks_where([](Kind kind) { return kind == Kind::ascent; })), by_name);
class EveryGradientAttack : public EveryAttack {};
INSTANTIATE_TEST_SUITE_P(Registered, EveryGradientAttack,
                         testing::ValuesIn(attacks_where([](Kind kind) { return kind < Kind::search; })), by_name);

/// Those that ask one question at a time.
class EveryLoneLane : public EveryAttack {};
INSTANTIATE_TEST_SUITE_P(Registered, EveryLoneLane,
                         testing::ValuesIn(attacks_where([](Kind kind) { return kind != Kind::estimate; })), by_name);

TEST_P(EveryAttack, StaysInTheBallAndInTheBox) {
  const DataSet data = float_data(37, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  for (const double radius : {epsilon() / 8, epsilon(), 10 * epsilon()}) {
    const Attacked result = attack(name(), at(radius), data, model);
    for (std::int64_t s = 0; s < data.n; ++s) {
      const float* point = result.points.data() + s * data.dim();
      for (std::int64_t i = 0; i < data.dim(); ++i) ASSERT_TRUE(point[i] >= 0.f && point[i] <= 1.f) << point[i];
      // 1e-6 relative, and what the pixels round to: half a unit in the last place next to 1. All pixels may round
      // alike where they move by the same amount, as those of a search's start do.
      const auto pixels = static_cast<double>(kind() == Kind::search ? data.dim() : 1);
      EXPECT_LE(norm_of(entry().norm, point, data.floats.data() + s * data.dim(), data.dim()),
                radius * (1 + 1e-6) + 0x1p-25 * (entry().norm == "l2"   ? std::sqrt(pixels)
                                                 : entry().norm == "l1" ? pixels
                                                                        : 1))
          << "sample " << s << ", epsilon " << radius;
    }
  }
}

TEST_P(EveryAttack, IsTheSameHoweverTheRangeIsSplit) {
  const DataSet data = float_data(53, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  const Attacked whole = attack(name(), at(epsilon()), data, model, {.batch = 64});
  for (const AttackOptions& options : {AttackOptions{.batch = 64},
                                       {.batch = 16},
                                       {.batch = 19},
                                       {.batch = 16, .cuts = {16, 48}},
                                       {.batch = 32, .cuts = {1, 2, 33}}}) {
    const Attacked split = attack(name(), at(epsilon()), data, model, options);
    EXPECT_EQ(split.points, whole.points) << options.batch;
    EXPECT_EQ(std::memcmp(split.rows.data(), whole.rows.data(), whole.rows.size() * sizeof(SampleRow)), 0)
        << options.batch;
  }
}

TEST_P(EveryAttack, LeavesTheImageForEpsilonZero) {
  const DataSet data = float_data(20, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  EXPECT_EQ(attack(name(), at(0), data, model).points, data.floats);
}

TEST_P(EveryAttack, RaisesTheLossOfALinearModel) {
  const DataSet data = float_data(40, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  std::vector<SampleRow> clean = attack(name(), at(0), data, model).rows;
  const std::vector<SampleRow> last = attack(name(), at(epsilon()), data, model).rows;
  int raised = 0;
  for (std::size_t s = 0; s < last.size(); ++s) {
    // A search ends at its first success, which for what is wrong when clean is the random start; to a seeker of the
    // boundary such an image is the nearest misclassified point itself.
    const bool stays = kind() == Kind::search || kind() == Kind::boundary;
    if (stays && !clean[s].has(SampleRow::clean_correct)) continue;
    // Other losses than cross-entropy may rise while the label's probability does too.
    if (kind() == Kind::schedule && make(at(epsilon()))->loss != "cross_entropy") continue;
    EXPECT_GT(last[s].nll, clean[s].nll) << s;
    ++raised;
  }
  EXPECT_TRUE(raised > 5 || kind() == Kind::schedule);
}

TEST_P(EveryAscent, ClimbsGradientsOfAnySize) {
  const DataSet data = inner_data(20, 1, 5, 7);
  for (const double scale : {1e-42, 1e-38, 1e-30, 1e-20, 1.0, 1e20, 3e38}) {
    const std::vector<float> w = direction(data.dim(), scale), unit = direction(data.dim());
    LinearModel model = two_class_model(w, 0.f);
    model.on_logits = [](const float*, float* logits) { logits[0] = logits[1] = 0.f; };  // the loss is never saturated
    const double reachable = epsilon() * dual_norm(entry().norm, unit);
    for (const double rise : rises(unit, data, attack(name(), at(epsilon()), data, model).points)) {
      EXPECT_GT(rise, 0.9 * reachable) << "gradients of " << scale;
      EXPECT_LT(rise, 1.0001 * reachable) << "gradients of " << scale;
    }
  }
}

TEST_P(EveryAttack, TurnsRobustIntoFooledAtTheClosedFormsRadius) {
  // w x + b is negative (label 0 is right) by a known amount; the radius needed is that over the dual norm.
  const DataSet data = inner_data(1, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  // In L1 that is a way of one pixel, which must have room for it.
  const double radius = entry().norm == "l1" ? 0.3 : epsilon();
  const double needed = radius * dual_norm(entry().norm, w);
  const double value = two_class_model(w, 0.f).logit(1, data.floats.data());
  // Two classes more, far below: some losses need four.
  LinearModel model = two_class_model(w, static_cast<float>(-value - needed), 4);
  const SampleRow below = attack(name(), at(0.9 * radius), data, model).rows[0];
  EXPECT_TRUE(below.has(SampleRow::clean_correct));
  EXPECT_FALSE(below.has(SampleRow::fooled_any));
  EXPECT_FALSE(below.has(SampleRow::fooled_final));
  EXPECT_TRUE(below.has(SampleRow::correct));
  EXPECT_EQ(below.prediction, 0);
  const double enough = kind() < Kind::search ? 1.1 : 4;  // the others have no direction, or a rough one
  const SampleRow above = attack(name(), at(enough * radius), data, model).rows[0];
  EXPECT_TRUE(above.has(SampleRow::clean_correct));
  EXPECT_TRUE(above.has(SampleRow::fooled_any));
  EXPECT_TRUE(above.has(SampleRow::fooled_final));
  EXPECT_FALSE(above.has(SampleRow::correct));
  EXPECT_EQ(above.prediction, 1);
}

TEST_P(EveryAscent, StaysPutOnAZeroGradient) {
  const DataSet data = float_data(20, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model(data.dim(), std::vector<float>(static_cast<std::size_t>(4 * data.dim())), {1.f, 2.f, 3.f, 4.f});
  Params params = at(epsilon());
  if (takes("random_start")) params["random_start"] = false;
  const Attacked result = attack(name(), params, data, model);
  EXPECT_EQ(result.points, data.floats);
  for (const SampleRow& row : result.rows) EXPECT_FALSE(row.has(SampleRow::undecided));
}

/// Which samples have a first pixel above a half: their row is poisoned.
std::vector<bool> marked(DataSet& data) {
  std::vector<bool> marks;
  for (std::int64_t s = 0; s < data.n; ++s) {
    marks.push_back(s % 5 == 2);
    data.floats[static_cast<std::size_t>(s * data.dim())] = s % 5 == 2 ? 0.9f : 0.1f;
  }
  return marks;
}
bool is_marked(const float* x) {
  return x[0] > 0.5f;
}

/// Marked samples are undecided and never robust; the others are as if the marked ones were sound.
void expect_only_marked_undecided(const std::vector<SampleRow>& rows, const std::vector<SampleRow>& sound,
                                  const std::vector<bool>& marks) {
  const Metric& robust = *Registry<Metric>::find("robust_accuracy");
  for (std::size_t s = 0; s < rows.size(); ++s) {
    EXPECT_EQ(rows[s].has(SampleRow::undecided), marks[s]) << s;
    if (!marks[s]) {
      EXPECT_EQ(std::memcmp(&rows[s], &sound[s], sizeof(SampleRow)), 0) << s;
      continue;
    }
    EXPECT_FALSE(rows[s].has(SampleRow::correct)) << s;
    std::vector<std::uint64_t> state(static_cast<std::size_t>(robust.words));
    robust.reduce({}, &rows[s], 1, state.data());
    EXPECT_EQ(robust.finish(state.data()).value, 0.0) << s;
  }
}

TEST_P(EveryAttack, LeavesSamplesWithNonFiniteLogitsUndecided) {
  DataSet data = float_data(37, 3, 5, 7, 0.f, 1.f, 4);
  const std::vector<bool> marks = marked(data);
  LinearModel model = linear_model(4, data.dim());
  const Params params = at(epsilon() / 100);  // nothing is fooled, so that only the poison decides
  const std::vector<SampleRow> sound = attack(name(), params, data, model).rows;
  for (const float poison : {kNan, kInfinity, -kInfinity})
    for (const int k : {0, 3}) {
      model.on_logits = [=](const float* x, float* logits) { logits[k] = is_marked(x) ? poison : logits[k]; };
      const Attacked result = attack(name(), params, data, model);
      expect_only_marked_undecided(result.rows, sound, marks);
      for (const float v : result.points) ASSERT_TRUE(v >= 0.f && v <= 1.f);
    }
}

TEST_P(EveryLoneLane, LeavesSamplesThatWereOnceNonFiniteUndecided) {
  DataSet data = float_data(16, 1, 4, 4, 0.f, 1.f, 4);
  const std::vector<bool> marks = marked(data);
  LinearModel model = linear_model(4, data.dim());
  const Params params = at(epsilon() / 100);
  int calls = 0;
  for (std::int64_t s = 0; s < data.n; ++s) {  // right when clean, so that no success is asked about again
    int top = 0;
    for (int k = 1; k < 4; ++k)
      if (model.logit(k, data.floats.data() + s * data.dim()) > model.logit(top, data.floats.data() + s * data.dim()))
        top = k;
    data.labels[static_cast<std::size_t>(s)] = static_cast<std::uint16_t>(top);
  }
  const std::vector<SampleRow> sound = attack(name(), params, data, model).rows;
  const int queries = make(params)->queries;
  const int last = kind() == Kind::boundary ? 5 : queries;  // a seeker of the boundary may need fewer
  for (const int at : {0, 1, last}) {  // the pass whose answer is poisoned: clean, the first and the last query
    calls = 0;
    model.on_logits = [&](const float* x, float* logits) {
      if (calls++ / static_cast<int>(data.n) == at && is_marked(x)) logits[1] = kNan;
    };
    expect_only_marked_undecided(attack(name(), params, data, model).rows, sound, marks);
  }
}

TEST_P(EveryGradientAttack, LeavesSamplesWithNonFiniteGradientsUndecidedAndInTheBall) {
  DataSet data = float_data(37, 3, 5, 7, 0.f, 1.f, 4);
  const std::vector<bool> marks = marked(data);
  LinearModel model = linear_model(4, data.dim());
  const Params params = at(epsilon() / 100);
  const std::vector<SampleRow> sound = attack(name(), params, data, model).rows;
  for (const float poison : {kNan, kInfinity, -kInfinity})
    for (const std::int64_t i : {std::int64_t{0}, data.dim() - 1}) {
      model.on_gradient = [=](const float* x, float* gradient) { gradient[i] = is_marked(x) ? poison : gradient[i]; };
      const Attacked result = attack(name(), params, data, model);
      expect_only_marked_undecided(result.rows, sound, marks);
      for (std::int64_t s = 0; s < data.n; ++s)
        ASSERT_LE(norm_of(entry().norm, result.points.data() + s * data.dim(), data.floats.data() + s * data.dim(),
                          data.dim()),
                  epsilon() / 100 * (1 + 1e-6) + 0x1p-25 * std::sqrt(static_cast<double>(data.dim())))
            << "sample " << s << ", poison " << poison;
    }
}

TEST_P(EveryAscent, CountsAPassForEveryRealSampleAndQuery) {
  const DataSet data = float_data(21, 1, 4, 4, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  Params params = at(epsilon());
  params["full"] = true;
  const Perturbation perturbation = check_perturbation(Perturbation::Kind::attack, name(), params, "test");
  const StopFlag stop{false};
  AttackExport exported;
  const UnitResult unit = Evaluator({}, data, 16, 0, stop).attacked(perturbation, 0, data.n, model, &exported);
  const auto queries = static_cast<std::uint64_t>(make(at(epsilon()))->queries);
  std::uint64_t claimed = 0;
  for (const SampleRow& row : unit.rows) claimed += row.has(SampleRow::fooled_final) ? 1 : 0;
  EXPECT_GT(claimed, 0u);
  EXPECT_EQ(unit.passes.backward, 21 * (queries - 1)) << "the last answer is a look";
  EXPECT_EQ(unit.passes.forward, 21 * (queries + 1) + claimed) << "clean, the queries, and each success once more";
  for (std::size_t s = 0; s < exported.passes.size(); ++s) {
    const std::uint64_t again = unit.rows[s].has(SampleRow::fooled_final) ? 1 : 0;
    EXPECT_EQ(exported.passes[s] >> 32, 1 + queries + again);
    EXPECT_EQ(exported.passes[s] & 0xFFFFFFFFu, queries - 1);
  }
  EXPECT_EQ(unit.evaluated.forward, model.passes().forward);
  EXPECT_EQ(unit.evaluated.backward, model.passes().backward);
  EXPECT_GT(unit.evaluated.forward, unit.passes.forward);
}

/// An attack's own functions on lanes of our making, answered by sum(w x).
struct Lanes {
  const Attack& attack;
  std::int64_t dim;
  std::vector<LaneItem> items;
  std::vector<float> clean, w;
  std::vector<float> point, scratch, value, gradient, logits;
  std::vector<std::byte> state;
  std::vector<std::uint16_t> label, target;
  std::vector<std::uint8_t> ever;
  std::vector<Seen> seen;
  std::vector<Verdict> verdict;
  LaneBatch batch;

  Lanes(const Attack& made, std::vector<LaneItem> lane_items, std::vector<float> clean_rows, std::vector<float> weights)
      : attack(made),
        dim(static_cast<std::int64_t>(weights.size())),
        items(std::move(lane_items)),
        clean(std::move(clean_rows)),
        w(std::move(weights)),
        point(clean.size(), kNan),
        scratch(clean.size() * static_cast<std::size_t>(made.scratch_rows), kNan),
        value(items.size()),
        logits(2 * items.size()),
        state(items.size() * made.lane_bytes, std::byte{0xAA}),
        label(items.size()),
        target(items.size(), 1),
        ever(items.size()),
        seen(items.size(), Seen::right),
        verdict(items.size(), Verdict::fresh) {
    for (std::size_t r = 0; r < items.size(); ++r) gradient.insert(gradient.end(), w.begin(), w.end());
    batch.lanes = static_cast<std::int64_t>(items.size());
    batch.dim = dim;
    batch.c = 1;
    batch.h = 5;
    batch.w = 5;
    batch.classes = 2;
    batch.item = items.data();
    batch.state = state.data();
    batch.clean = clean.data();
    batch.point = point.data();
    batch.scratch = scratch.data();
    batch.value = value.data();
    batch.gradient = gradient.data();
    batch.logits = logits.data();
    batch.label = label.data();
    batch.target = target.data();
    batch.ever = ever.data();
    batch.seen = seen.data();
    batch.verdict = verdict.data();
    batch.seed = 3;
    attack.start({}, batch);
  }
  void advance() {
    for (std::size_t r = 0; r < items.size(); ++r) {
      value[r] = 0;
      for (std::size_t i = 0; i < w.size(); ++i) value[r] += w[i] * point[r * w.size() + i];
      logits[2 * r] = 100;
      logits[2 * r + 1] = value[r];
    }
    if (attack.every_class) attack.collect({}, batch, 0);
    attack.advance({}, batch);
  }
  std::vector<float> row(std::size_t r) const {
    return {point.begin() + static_cast<std::ptrdiff_t>(r * w.size()),
            point.begin() + static_cast<std::ptrdiff_t>((r + 1) * w.size())};
  }
};

/// Items of these samples and radii.
std::vector<LaneItem> items_of(std::initializer_list<std::pair<std::uint32_t, float>> samples) {
  std::vector<LaneItem> items;
  for (const auto& [sample, radius] : samples) items.push_back({sample, radius, 77, 0});
  return items;
}

TEST_P(EveryAttack, EndsAfterItsQueriesAndThenMovesNoMore) {
  const auto made = make(at(epsilon()));
  const DataSet data = float_data(3, 1, 5, 5, 0.f, 1.f, 2);
  const auto radius = static_cast<float>(epsilon());
  Lanes lanes(*made, items_of({{4, radius}, {5, radius}, {6, radius}}), data.floats, direction(data.dim()));
  ASSERT_GE(made->queries, 1);
  std::vector<float> last;
  for (int query = 0; query < made->queries; ++query) {
    for (const Verdict verdict : lanes.verdict)
      EXPECT_TRUE(asks(verdict) || kind() == Kind::boundary || query + 1 == made->queries) << query;
    last = lanes.point;
    lanes.advance();
  }
  EXPECT_THAT(lanes.verdict, testing::Each(Verdict::exhausted));
  EXPECT_EQ(lanes.point, last) << "the point that was answered last";
  lanes.advance();
  EXPECT_EQ(lanes.point, last);
  EXPECT_THAT(lanes.verdict, testing::Each(Verdict::exhausted));
}

TEST_P(EveryAttack, EndsAtOnceWhereItsPointFoolsOrTheAnswerIsBroken) {
  Params params = at(epsilon());
  if (takes("large_epsilon")) params["large_epsilon"] = false;  // there nothing outside the ball counts
  const auto made = make(params);
  const DataSet data = float_data(3, 1, 5, 5, 0.f, 1.f, 2);
  const auto radius = static_cast<float>(epsilon());
  Lanes lanes(*made, items_of({{4, radius}, {5, radius}, {6, radius}}), data.floats, direction(data.dim()));
  const std::vector<float> first = lanes.point;
  lanes.seen = {Seen::wrong, Seen::broken, Seen::right};
  lanes.advance();
  EXPECT_EQ(lanes.verdict[0], Verdict::fooled);
  EXPECT_EQ(lanes.verdict[1], Verdict::undecided);
  EXPECT_TRUE(asks(lanes.verdict[2]));
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + 2 * data.dim(), lanes.point.begin()));
}

TEST_P(EveryAttack, TreatsEachLaneByItsOwnItem) {
  const auto made = make(at(epsilon()));
  const DataSet data = float_data(4, 1, 5, 5, 0.f, 1.f, 2);
  const std::vector<float> w = direction(data.dim());
  const auto radius = static_cast<float>(epsilon());
  const std::vector<LaneItem> items = items_of({{40, radius}, {50, radius / 7}, {60, 0.f}, {70, 2 * radius}});
  Lanes together(*made, items, data.floats, w);
  for (int query = 0; query < made->queries; ++query) together.advance();
  for (std::size_t r = 0; r < items.size(); ++r) {
    const auto from = data.floats.begin() + static_cast<std::ptrdiff_t>(r) * data.dim();
    const std::vector<float> clean(from, from + data.dim());
    Lanes alone(*made, {items[r]}, clean, w);
    for (int query = 0; query < made->queries; ++query) alone.advance();
    EXPECT_EQ(together.row(r), alone.point) << r;
    EXPECT_LE(norm_of(entry().norm, alone.point.data(), clean.data(), data.dim()),
              static_cast<double>(items[r].epsilon) * (1 + 1e-6) + 0x1p-25)
        << r;
  }
}

TEST_P(EveryAttack, FoolsTheSameSamplesWhenFooledOnesRetire) {
  const DataSet data = float_data(53, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  const double enough = entry().norm == "linf" ? 2 : entry().norm == "l2" ? 1 : 10;
  const Params params = at((kind() < Kind::search ? enough : 2 * enough) * epsilon());
  const Attacked whole = attack(name(), params, data, model);
  for (const std::int64_t batch : {16, 19, 64}) {
    const Attacked retired = attack(name(), params, data, model, {.batch = batch, .full = false});
    int fooled = 0;
    for (std::size_t s = 0; s < whole.rows.size(); ++s) {
      const SampleRow &a = retired.rows[s], &b = whole.rows[s];
      ASSERT_FALSE(a.has(SampleRow::undecided));
      EXPECT_EQ(a.has(SampleRow::clean_correct), b.has(SampleRow::clean_correct)) << s;
      if (!a.has(SampleRow::clean_correct)) {
        EXPECT_TRUE(a.has(SampleRow::retired)) << s;
        EXPECT_EQ(retired.passes[s] >> 32, 1u) << "wrong when clean: not attacked";
        continue;
      }
      EXPECT_EQ(a.has(SampleRow::fooled_any), b.has(SampleRow::fooled_any)) << s;
      EXPECT_LE(retired.passes[s] >> 32, whole.passes[s] >> 32) << s;
      if (!a.has(SampleRow::fooled_any)) {
        EXPECT_EQ(std::memcmp(&a, &b, sizeof a), 0) << s;
      } else {
        ++fooled;
        EXPECT_TRUE(a.has(SampleRow::retired)) << s;
        EXPECT_GE(retired.passes[s] >> 32, 3u) << "clean, the point that fools, and that point once more";
        const float* point = retired.points.data() + static_cast<std::int64_t>(s) * data.dim();
        int top = 0;
        for (int k = 1; k < 4; ++k)
          if (model.logit(k, point) > model.logit(top, point)) top = k;
        EXPECT_NE(top, data.labels[s]) << s;
        EXPECT_EQ(a.prediction, top) << s;
      }
    }
    EXPECT_GT(fooled, 3);
  }
}

TEST_P(EveryAscent, TakesEveryUntargetedLoss) {
  const DataSet data = inner_data(16, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, 0.f, 4);
  for (const auto& [loss, its] : Registry<Loss>::all()) {
    if (its.targeted) continue;
    Params params = at(epsilon());
    params["loss"] = loss;
    for (const double rise : rises(w, data, attack(name(), params, data, model).points))
      EXPECT_GT(rise, 0.9 * epsilon() * dual_norm(entry().norm, w)) << loss;
  }
}

TEST_P(EveryAttack, SaysWhatItIs) {
  EXPECT_FALSE(entry().about.empty());
  EXPECT_FALSE(entry().source.empty());
  ASSERT_FALSE(entry().params.empty());
  EXPECT_EQ(entry().params[0].name, "epsilon");
}

}  // namespace
}  // namespace assay
