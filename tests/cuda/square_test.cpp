// Andriushchenko et al. 2020, algorithms 1 to 3, with AutoAttack's constants and its L1 variant.
#include "attacks/square.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "cuda/attack_run.hpp"
#include "registered.hpp"
#include "statistics.hpp"

namespace assay {
namespace {

std::unique_ptr<Attack> square(const std::string& norm, Params params) {
  const std::string name = "square_" + norm;
  return Registry<AttackEntry>::find(name)->make(
      check_perturbation(Perturbation::Kind::attack, name, std::move(params), "test").params);
}

/// Lanes of an attack whose model is the test: it says what the margins are.
class Search {
 public:
  Search(const std::string& norm, const DataSet& data, double epsilon, std::int64_t queries, std::uint32_t stream = 7)
      : data_(data),
        dim_(static_cast<std::size_t>(data.dim())),
        attack_(square(norm, {{"epsilon", epsilon}, {"queries", queries}})) {
    const auto n = static_cast<std::size_t>(data.n);
    for (std::uint32_t s = 0; s < n; ++s) items_.push_back({s, static_cast<float>(epsilon), stream, s});
    point_.resize(n * dim_);
    scratch_.resize(n * dim_ * static_cast<std::size_t>(attack_->scratch_rows));
    state_.resize(n * attack_->lane_bytes);
    logits_.resize(2 * n);
    label_.resize(n);
    target_.resize(n, kNoTarget);
    ever_.resize(n);
    seen.resize(n, Seen::right);
    verdict.resize(n, Verdict::fresh);
    batch_.lanes = data.n;
    batch_.dim = data.dim();
    batch_.c = data.c;
    batch_.h = data.h;
    batch_.w = data.w;
    batch_.classes = 2;
    batch_.seed = 3;
    batch_.item = items_.data();
    batch_.state = state_.data();
    batch_.clean = data_.floats.data();
    batch_.point = point_.data();
    batch_.scratch = scratch_.data();
    batch_.logits = logits_.data();
    batch_.label = label_.data();
    batch_.target = target_.data();
    batch_.ever = ever_.data();
    batch_.seen = seen.data();
    batch_.verdict = verdict.data();
    attack_->start({}, batch_);
  }

  std::vector<Seen> seen;
  std::vector<Verdict> verdict;

  /// The model's answer for all lanes.
  void answer(float margin) {
    for (std::size_t r = 0; r < label_.size(); ++r) logits_[2 * r] = margin;
    attack_->advance({}, batch_);
  }
  std::vector<float> point(std::size_t lane) const { return part(point_, lane); }
  std::vector<float> clean(std::size_t lane) const { return part(data_.floats, lane); }
  /// What a lane's nth query draws.
  WindowDraw draw(std::size_t lane, int query, std::int64_t block = 0) const {
    LaneRow row{};
    row.item = items_[lane];
    row.seed = batch_.seed;
    return WindowDraw::of(row, query, block);
  }
  Window first(std::size_t lane, int query, int side) const { return draw(lane, query).window(side, sized()); }
  Window second(std::size_t lane, int query, int side) const { return draw(lane, query).second_window(side, sized()); }

 private:
  LaneRow sized() const {
    LaneRow row{};
    row.h = data_.h;
    row.w = data_.w;
    return row;
  }
  std::vector<float> part(const std::vector<float>& rows, std::size_t lane) const {
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(lane * dim_);
    return {begin, begin + static_cast<std::ptrdiff_t>(dim_)};
  }

  DataSet data_;
  std::size_t dim_;
  std::unique_ptr<Attack> attack_;
  std::vector<LaneItem> items_;
  std::vector<float> point_, scratch_, logits_;
  std::vector<std::byte> state_;
  std::vector<std::uint16_t> label_, target_;
  std::vector<std::uint8_t> ever_;
  LaneBatch batch_;
};

TEST(SquareSchedule, HalvesTheAreaBehindTheGivenQueries) {
  const SquareSchedule schedule{0.8, 10000, false};
  // sqrt(0.8 * 784 / 2^k) = 25.04, 17.71, 12.52, 8.85, 6.26, 4.43, 3.13, 2.21, 1.57, 1.11
  const int last[] = {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000, 9999};
  const int even[] = {25, 18, 13, 9, 6, 4, 3, 2, 2, 1}, odd[] = {25, 19, 13, 9, 7, 5, 3, 3, 3, 3};
  int first = 0;
  for (int k = 0; k < 10; ++k) {
    for (const int candidate : {first, last[k]}) {
      EXPECT_EQ(schedule.side(candidate, 28, 28, 1, false), even[k]) << candidate;
      EXPECT_EQ(schedule.side(candidate, 28, 28, 3, true), odd[k]) << candidate;
    }
    first = last[k] + 1;
  }
  // 224: sqrt(0.8 * 50176) = 200.35, and 35.42 for the fifth halving
  EXPECT_EQ(schedule.side(0, 224, 224, 1, false), 200);
  EXPECT_EQ(schedule.side(1500, 224, 224, 1, false), 35);
  EXPECT_EQ(schedule.side(0, 224, 224, 3, true), 201);
}

TEST(SquareSchedule, RescalesToTheQueriesThereAre) {
  const SquareSchedule schedule{0.8, 1000, true};
  EXPECT_EQ(schedule.side(1, 28, 28, 1, false), 25);  // as the 10th of 10,000
  EXPECT_EQ(schedule.side(2, 28, 28, 1, false), 18);
  EXPECT_EQ(schedule.side(5, 28, 28, 1, false), 18);
  EXPECT_EQ(schedule.side(6, 28, 28, 1, false), 13);
  EXPECT_EQ(schedule.side(800, 28, 28, 1, false), 2);
  EXPECT_EQ(schedule.side(801, 28, 28, 1, false), 1);
}

TEST(SquareSchedule, KeepsWindowsWithinTheImage) {
  const SquareSchedule schedule{0.8, 100, false};
  EXPECT_EQ(schedule.side(0, 5, 7, 1, false), 5);   // 5.29
  EXPECT_EQ(schedule.side(0, 3, 40, 1, false), 3);  // 9.80
  EXPECT_EQ(schedule.side(0, 4, 4, 1, false), 4);   // 3.58
  EXPECT_EQ(schedule.side(0, 4, 4, 3, true), 4);    // 5 would not fit
  EXPECT_EQ(schedule.side(99, 2, 3, 3, true), 2);
  EXPECT_EQ(schedule.side(99, 1, 1, 3, true), 1);
  EXPECT_EQ((SquareSchedule{0.0, 100, false}.side(0, 28, 28, 1, false)), 1);
}

TEST(SquareWindow, LiesAnywhereButAtTheLastPlace) {
  const auto places = [](std::int64_t h, std::int64_t w, int side) {
    LaneRow row{};
    row.h = h;
    row.w = w;
    row.seed = 3;
    std::vector<std::vector<double>> counts = {std::vector<double>(static_cast<std::size_t>(h)),
                                               std::vector<double>(static_cast<std::size_t>(w)),
                                               std::vector<double>(static_cast<std::size_t>(h)),
                                               std::vector<double>(static_cast<std::size_t>(w)),
                                               {0, 0},
                                               {0, 0},
                                               {0, 0}};
    for (int query = 0; query < 20000; ++query) {
      const WindowDraw draw = WindowDraw::of(row, query);
      const Window a = draw.window(side, row), b = draw.second_window(side, row);
      ++counts[0][static_cast<std::size_t>(a.y)];
      ++counts[1][static_cast<std::size_t>(a.x)];
      ++counts[2][static_cast<std::size_t>(b.y)];
      ++counts[3][static_cast<std::size_t>(b.x)];
      ++counts[4][draw.transposed() ? 1 : 0];
      ++counts[5][draw.sign(2) > 0 ? 1 : 0];
      ++counts[6][draw.sign(0) * draw.sign(35) > 0 ? 1 : 0];
    }
    return counts;
  };
  const auto uniform = [](std::vector<double> counts, std::size_t places_there) {
    for (std::size_t k = places_there; k < counts.size(); ++k) EXPECT_EQ(counts[k], 0) << k;
    counts.resize(places_there);
    return chi_squared_sigmas(counts, std::vector<double>(places_there, 20000 / static_cast<double>(places_there)));
  };
  const auto counts = places(28, 17, 5);
  EXPECT_LT(uniform(counts[0], 23), 4);
  EXPECT_LT(uniform(counts[1], 12), 4);
  EXPECT_LT(uniform(counts[2], 23), 4);
  EXPECT_LT(uniform(counts[3], 12), 4);
  for (const int k : {4, 5, 6}) EXPECT_LT(uniform(counts[static_cast<std::size_t>(k)], 2), 4);
  const auto whole = places(5, 9, 5);
  EXPECT_EQ(whole[0][0], 20000);
  EXPECT_LT(uniform(whole[1], 4), 4);
}

TEST(SquareLinf, StartsWithStripes) {
  const DataSet data = float_data(100, 40, 5, 9, 0.02f, 0.98f, 2);
  const float epsilon = 0.1f;
  const Search search("linf", data, static_cast<double>(epsilon), 10);
  std::vector<double> ups = {0, 0};
  std::vector<double> alike = {0, 0};  // neighbouring columns
  for (std::size_t s = 0; s < 100; ++s) {
    const std::vector<float> point = search.point(s), clean = search.clean(s);
    bool before = false;
    for (std::size_t column = 0; column < 40 * 9; ++column) {
      const std::size_t top = column / 9 * 45 + column % 9;
      const bool up = point[top] > clean[top];
      ++ups[up ? 1 : 0];
      if (column > 0) ++alike[up == before ? 1 : 0];
      before = up;
      for (std::size_t y = 0; y < 5; ++y) {
        const std::size_t i = top + 9 * y;
        ASSERT_EQ(point[i], clamp01(up ? clean[i] + epsilon : clean[i] - epsilon)) << i;
      }
    }
  }
  EXPECT_LT(chi_squared_sigmas(ups, {18000, 18000}), 4);
  EXPECT_LT(chi_squared_sigmas(alike, {17950, 17950}), 4);
}

// A pixel is within epsilon, so that 2 epsilon more take it to the ball's face, whichever way.
TEST(SquareLinf, MovesOneSquareOfTheBestPointToTheFacesOfTheBall) {
  const DataSet data = float_data(3, 40, 9, 11, 0.f, 1.f, 2);
  const float epsilon = 0.1f;
  Search search("linf", data, static_cast<double>(epsilon), 300);
  std::vector<std::vector<float>> best;
  for (std::size_t s = 0; s < 3; ++s) best.push_back(search.point(s));
  float lowest = 1000;
  search.answer(lowest);
  Lcg random(5);
  const SquareSchedule schedule{0.8, 300, false};
  std::set<int> sides;
  for (int query = 1; query < 300; ++query) {
    const int side = schedule.side(query - 1, 9, 11, 1, false);
    sides.insert(side);
    std::vector<std::vector<float>> points;
    for (std::size_t s = 0; s < 3; ++s) {
      points.push_back(search.point(s));
      const std::vector<float>& point = points.back();
      const std::vector<float> clean = search.clean(s);
      int top = 9, left = 11, bottom = -1, right = -1;
      for (int i = 0; i < 40 * 99; ++i)
        if (point[static_cast<std::size_t>(i)] != best[s][static_cast<std::size_t>(i)]) {
          const int y = i % 99 / 11, x = i % 11;
          top = std::min(top, y);
          bottom = std::max(bottom, y);
          left = std::min(left, x);
          right = std::max(right, x);
        }
      ASSERT_EQ(bottom - top + 1, side) << query;
      ASSERT_EQ(right - left + 1, side) << query;
      for (int c = 0; c < 40; ++c) {
        const auto at = [&](int y, int x) { return static_cast<std::size_t>(c * 99 + y * 11 + x); };
        int up = 0, down = 0;
        for (int y = top; y <= bottom; ++y)
          for (int x = left; x <= right; ++x) {
            up += point[at(y, x)] == clamp01(clean[at(y, x)] + epsilon) ? 1 : 0;
            down += point[at(y, x)] == clamp01(clean[at(y, x)] - epsilon) ? 1 : 0;
          }
        ASSERT_EQ(std::max(up, down), side * side) << "channel " << c;
      }
    }
    const bool lower = random.below(3) == 0;
    if (lower) {
      lowest -= 0.5f;
      best = points;
    }
    search.answer(lower ? lowest : random.below(2) == 0 ? lowest : lowest + 1);  // equal is not lower
  }
  EXPECT_EQ(sides, (std::set<int>{9, 6, 4, 3}));  // 8.90, 6.29, 4.45, 3.15
  for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(search.point(s), best[s]) << "the last look is at the best point";
  EXPECT_THAT(search.verdict, testing::Each(Verdict::look));
  search.answer(lowest);
  EXPECT_THAT(search.verdict, testing::Each(Verdict::exhausted));
}

// The last row and column are only reached by windows of more than a pixel: all others end at epsilon sign(w).
TEST(SquareLinf, FindsALinearModelsOptimum) {
  const DataSet data = inner_data(4, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -100.f);
  const Params params = {{"epsilon", 0.1}, {"queries", std::int64_t{2000}}};
  const Attacked result = attack("square_linf", params, data, model);
  for (std::size_t i = 0; i < result.points.size(); ++i) {
    const std::size_t at = i % 35;
    if (at / 7 == 4 || at % 7 == 6) continue;
    EXPECT_EQ(result.points[i], w[at] > 0 ? data.floats[i] + 0.1f : data.floats[i] - 0.1f) << i;
  }
  for (const double rise : rises(w, data, result.points)) {
    EXPECT_GT(rise, 0.8 * 0.1 * dual_norm("linf", w));
    EXPECT_LT(rise, 1.0001 * 0.1 * dual_norm("linf", w));
  }
}

/// The paper's and AutoAttack's formulas in double, rectangle by rectangle.
struct Reference {
  bool l1;
  std::int64_t c, h, w;
  using Plane = std::vector<double>;

  double norm(const Plane& v) const {
    double sum = 0;
    for (const double x : v) sum += l1 ? std::abs(x) : x * x;
    return l1 ? sum : std::sqrt(sum);
  }
  static void scale(Plane& v, double by) {
    for (double& x : v) x *= by;
  }
  Plane rectangles(int rows, int columns) const {
    Plane pile(static_cast<std::size_t>(rows * columns));
    for (int k = 1; k <= std::max(rows, columns) / 2 + 1; ++k)
      for (int y = 0; y < rows; ++y)
        for (int x = 0; x < columns; ++x)
          if (std::abs(y - rows / 2) < k && std::abs(x - columns / 2) < k)
            pile[static_cast<std::size_t>(y * columns + x)] += std::pow(k, l1 ? -4 : -2);
    if (rows > 0) scale(pile, 1 / norm(pile));
    return pile;
  }
  Plane eta(int side, bool transposed) const {
    Plane all = rectangles(side / 2, side), lower = rectangles(side - side / 2, side);
    for (const double v : lower) all.push_back(-v);
    scale(all, 1 / norm(all));
    if (!transposed) return all;
    Plane turned(all.size());
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x)
        turned[static_cast<std::size_t>(y * side + x)] = all[static_cast<std::size_t>(x * side + y)];
    return turned;
  }
  std::size_t at(std::int64_t channel, std::int64_t y, std::int64_t x) const {
    return static_cast<std::size_t>((channel * h + y) * w + x);
  }

  /// clean + delta, brought to the ball and the box.
  Plane finished(Plane delta, const std::vector<float>& clean, double epsilon) const {
    if (!l1) scale(delta, epsilon / norm(delta));
    const auto cut_to = [&](double cut) {
      Plane v;
      for (std::size_t i = 0; i < delta.size(); ++i) {
        const double room = delta[i] < 0 ? static_cast<double>(clean[i]) : 1 - static_cast<double>(clean[i]);
        const double size = std::min(std::max(std::abs(delta[i]) - cut, 0.0), room);
        v.push_back(delta[i] < 0 ? -size : size);
      }
      return v;
    };
    double low = 0, high = norm(delta);
    if (!l1 || norm(cut_to(0)) <= epsilon) high = 0;
    for (int turn = 0; turn < 100; ++turn) (norm(cut_to((low + high) / 2)) > epsilon ? low : high) = (low + high) / 2;
    Plane point = cut_to(high);
    for (std::size_t i = 0; i < point.size(); ++i) point[i] += static_cast<double>(clean[i]);
    return point;
  }

  Plane start(const Search& search, std::size_t lane, double epsilon) const {
    const int side = std::max<int>(static_cast<int>(std::min(h, w)) / 5, 1);
    const std::int64_t down = h / side, across = w / side;
    Plane delta(static_cast<std::size_t>(c * h * w));
    for (std::int64_t tile = 0; tile < down * across; ++tile) {
      const WindowDraw draw = search.draw(lane, 0, tile);
      const Plane pattern = eta(side, draw.transposed());
      for (std::int64_t channel = 0; channel < c; ++channel)
        for (int i = 0; i < side * side; ++i)
          delta[at(channel, (h - down * side) / 2 + tile / across * side + i / side,
                   (w - across * side) / 2 + tile % across * side + i % side)] =
              static_cast<double>(draw.sign(channel)) * pattern[static_cast<std::size_t>(i)];
    }
    return finished(delta, search.clean(lane), epsilon);
  }

  /// Nothing where the window all but cancels the pattern: its direction is what rounding makes it.
  Plane candidate(const Search& search, std::size_t lane, int query, int side, const std::vector<float>& best,
                  double epsilon) const {
    const std::vector<float> clean = search.clean(lane);
    const WindowDraw draw = search.draw(lane, query);
    const Window to = search.first(lane, query, side), from = search.second(lane, query, side);
    Plane delta;
    for (std::size_t i = 0; i < best.size(); ++i)
      delta.push_back(static_cast<double>(best[i]) - static_cast<double>(clean[i]));
    const double whole = norm(delta);
    const Plane old = delta;
    for (std::int64_t channel = 0; channel < c; ++channel) {
      Plane both, window;
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x)
          if (to.has(static_cast<int>(y), static_cast<int>(x)) || from.has(static_cast<int>(y), static_cast<int>(x)))
            both.push_back(old[at(channel, y, x)]);
      const auto inside = [&](int i) { return at(channel, to.y + i / side, to.x + i % side); };
      for (int i = 0; i < side * side; ++i) window.push_back(old[inside(i)]);
      if (norm(window) > 0) scale(window, 1 / norm(window));
      const Plane pattern = eta(side, draw.transposed());
      for (std::size_t i = 0; i < window.size(); ++i) window[i] += static_cast<double>(draw.sign(channel)) * pattern[i];
      const double channels = static_cast<double>(c);
      const double size = l1 ? channels * ((epsilon - whole) / channels + norm(both))
                             : std::sqrt((epsilon * epsilon - whole * whole) / channels + norm(both) * norm(both));
      if (norm(window) < 1e-3) return {};
      scale(window, size / norm(window));
      for (int i = 0; i < side * side; ++i) delta[at(channel, from.y + i / side, from.x + i % side)] = 0;
      for (int i = 0; i < side * side; ++i) delta[inside(i)] = window[static_cast<std::size_t>(i)];
    }
    return finished(delta, clean, epsilon);
  }
};

struct Shape {
  std::int64_t c, h, w;
  double epsilon = 0.1;
};
class SquareOfNorm : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Norms, SquareOfNorm, testing::Values(std::string("l1"), std::string("l2")), by_name);

TEST_P(SquareOfNorm, MovesTheMassThatTheFormulasMove) {
  const bool l1 = GetParam() == "l1";
  // Small, large in a box that stops some pixels, and a ball that the start does not fill.
  for (const Shape& shape : {Shape{3, 11, 13, l1 ? 3.0 : 0.3},
                             {1, 28, 28, l1 ? 12.0 : 1.0},
                             {3, 16, 16, l1 ? 40.0 : 6.0},
                             {1, 5, 7, l1 ? 5.0 : 0.5},
                             {2, 4, 4, l1 ? 1.0 : 0.2}}) {
    SCOPED_TRACE(std::to_string(shape.c) + " x " + std::to_string(shape.h) + " x " + std::to_string(shape.w));
    const DataSet data = float_data(2, shape.c, shape.h, shape.w, 0.f, 1.f, 2);
    Search search(GetParam(), data, shape.epsilon, 120);
    const Reference reference{l1, shape.c, shape.h, shape.w};
    const double radius = shape.epsilon * (l1 ? 1 - 1e-6 : 1);
    std::vector<std::vector<float>> best;
    int compared = 0;
    const auto compare = [&](std::size_t s, const std::vector<double>& expected, int query) {
      if (expected.empty()) return;
      ++compared;
      const std::vector<float> point = search.point(s);
      double worst = 0;
      for (std::size_t i = 0; i < point.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(point[i]) - expected[i]));
      ASSERT_LT(worst, 3e-6 * std::max(1.0, shape.epsilon)) << "query " << query << ", lane " << s;
    };
    for (std::size_t s = 0; s < 2; ++s) {
      compare(s, reference.start(search, s, radius), 0);
      best.push_back(search.point(s));
    }
    float lowest = 1000;
    search.answer(lowest);
    const SquareSchedule schedule{0.8, 120, false};
    Lcg random(6);
    for (int query = 1; query < 120; ++query) {
      const int side = schedule.side(query - 1, shape.h, shape.w, 3, true);
      const bool lower = random.below(4) == 0;
      for (std::size_t s = 0; s < 2; ++s) {
        compare(s, reference.candidate(search, s, query, side, best[s], radius), query);
        if (HasFatalFailure()) return;
        if (lower) best[s] = search.point(s);
      }
      search.answer(lower ? --lowest : lowest + static_cast<float>(random.below(2)));
    }
    EXPECT_GT(compared, 230);  // of 240
    for (std::size_t s = 0; s < 2; ++s) EXPECT_EQ(search.point(s), best[s]) << "the last look is at the best point";
  }
}

TEST_P(SquareOfNorm, StaysOnTheSphereWhereTheBoxIsFar) {
  const double epsilon = GetParam() == "l1" ? 1.5 : 0.25;
  const DataSet data = inner_data(3, 3, 12, 12);
  Search search(GetParam(), data, epsilon, 500);
  Lcg random(6);
  float lowest = 1000;
  for (int query = 0; query < 500; ++query) {
    for (std::size_t s = 0; s < 3; ++s) {
      const std::vector<float> point = search.point(s), clean = search.clean(s);
      ASSERT_NEAR(norm_of(GetParam(), point.data(), clean.data(), data.dim()), epsilon, 5e-6 * epsilon) << query;
    }
    search.answer(random.below(3) == 0 ? --lowest : lowest + 1);
  }
}

TEST_P(SquareOfNorm, ComesNearALinearModelsOptimum) {
  const DataSet data = inner_data(4, 1, 12, 12);
  std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -100.f);
  const double epsilon = GetParam() == "l1" ? 2.0 : 0.5;
  const auto reached = [&](std::int64_t queries) {
    const Attacked result = attack("square_" + GetParam(), {{"epsilon", epsilon}, {"queries", queries}}, data, model);
    return rises(w, data, result.points);
  };
  const std::vector<double> few = reached(10), many = reached(4000);
  const double optimum = epsilon * dual_norm(GetParam(), w);
  for (std::size_t s = 0; s < few.size(); ++s) {
    EXPECT_GT(many[s], 2 * few[s]);
    EXPECT_GT(many[s], 0.5 * optimum);
    EXPECT_LT(many[s], 1.0001 * optimum);
  }
}

class SquareAttack : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Norms, SquareAttack,
                         testing::Values(std::string("l1"), std::string("l2"), std::string("linf")), by_name);

TEST_P(SquareAttack, NeverRaisesTheMargin) {
  const DataSet data = inner_data(4, 1, 12, 12);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -100.f);
  std::vector<double> before(4, -1e9);
  for (const std::int64_t queries : {1, 2, 3, 5, 10, 20, 50, 100}) {
    const Attacked result = attack("square_" + GetParam(), {{"epsilon", 0.1}, {"queries", queries}}, data, model);
    const std::vector<double> now = rises(w, data, result.points);
    for (std::size_t s = 0; s < 4; ++s) EXPECT_GE(now[s], before[s] - 1e-5) << queries;
    before = now;
  }
}

TEST_P(SquareAttack, AsksForNoGradient) {
  const DataSet data = inner_data(20, 1, 5, 7);
  LinearModel model = two_class_model(direction(data.dim()), -100.f);
  const Params params = {{"epsilon", 0.1}, {"queries", std::int64_t{30}}, {"restarts", std::int64_t{2}}};
  for (const std::uint64_t passes : attack("square_" + GetParam(), params, data, model).passes)
    EXPECT_EQ(passes, std::uint64_t{1 + 2 * 31} << 32) << "clean, then 30 points and the best of them, twice";
  EXPECT_EQ(model.passes().backward, 0u);
}

TEST_P(SquareAttack, EndsAtItsFirstSuccess) {
  const DataSet data = inner_data(3, 1, 5, 7);
  Search search(GetParam(), data, 0.1, 50);
  search.answer(3);
  search.answer(2);
  const std::vector<float> third = search.point(1);
  search.seen[1] = Seen::wrong;
  search.answer(1);
  EXPECT_EQ(search.verdict, (std::vector<Verdict>{Verdict::look, Verdict::fooled, Verdict::look}));
  EXPECT_EQ(search.point(1), third);
  // In full mode as well: clean, the points up to that one, and that one once more.
  const DataSet one = inner_data(1, 1, 5, 7);
  const std::vector<float> w = direction(one.dim());
  const double value = two_class_model(w, 0.f).logit(1, one.floats.data());
  LinearModel model = two_class_model(w, static_cast<float>(-value - 0.5));
  const Params params = {{"epsilon", GetParam() == "linf" ? 0.1 : 1.0}, {"queries", std::int64_t{500}}};
  const Attacked full = attack("square_" + GetParam(), params, one, model);
  const Attacked brief = attack("square_" + GetParam(), params, one, model, {.full = false});
  EXPECT_TRUE(full.rows[0].has(SampleRow::fooled_final));
  EXPECT_LT(full.passes[0] >> 32, 500u);
  EXPECT_EQ(full.passes, brief.passes);
  EXPECT_EQ(full.points, brief.points);
}

TEST_P(SquareAttack, DrawsAnewForEverySampleAndStream) {
  DataSet data = inner_data(20, 1, 12, 12);
  std::ranges::fill(data.floats, 0.5f);
  std::set<std::vector<float>> starts, moves;
  for (const std::uint32_t stream : {7u, 8u}) {
    Search search(GetParam(), data, 0.1, 50, stream);
    for (std::size_t s = 0; s < 20; ++s) starts.insert(search.point(s));
    search.answer(1);
    for (int query = 0; query < 20; ++query) search.answer(2);
    for (std::size_t s = 0; s < 20; ++s) moves.insert(search.point(s));
  }
  EXPECT_EQ(starts.size(), 40u);
  EXPECT_EQ(moves.size(), 40u);
}

TEST_P(SquareAttack, TakesTinyAndNarrowImages) {
  for (const auto& [c, h, w, epsilon] : {Shape{1, 1, 1}, {4, 2, 2}, {3, 1, 9}, {1, 3, 2}, {33, 4, 6}, {1, 40, 6}}) {
    SCOPED_TRACE(std::to_string(c) + " x " + std::to_string(h) + " x " + std::to_string(w));
    const DataSet data = float_data(16, c, h, w, 0.f, 1.f, 3);
    LinearModel model = linear_model(3, data.dim());
    const Params params = {{"epsilon", epsilon}, {"queries", std::int64_t{60}}};
    const Attacked result = attack("square_" + GetParam(), params, data, model);
    for (std::int64_t s = 0; s < data.n; ++s) {
      const double size =
          norm_of(GetParam(), result.points.data() + s * data.dim(), data.floats.data() + s * data.dim(), data.dim());
      EXPECT_LE(size, epsilon * (1 + 1e-6) + 0x1p-25 * static_cast<double>(data.dim())) << s;
      EXPECT_FALSE(result.rows[static_cast<std::size_t>(s)].has(SampleRow::undecided)) << s;
    }
    for (const float v : result.points) ASSERT_TRUE(v >= 0.f && v <= 1.f);
  }
}

}  // namespace
}  // namespace assay
