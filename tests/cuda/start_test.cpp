// Attacks from given starting points: every attack that takes `start`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cuda/attack_run.hpp"
#include "registered.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

bool takes(const std::string& name, const std::string& param) {
  return std::ranges::any_of(Registry<AttackEntry>::find(name)->params,
                             [&](const ParamSpec& spec) { return spec.name == param; });
}
std::vector<std::string> with_start() {
  std::vector<std::string> names = single_attacks();
  std::erase_if(names, [](const std::string& name) { return !takes(name, "start"); });
  return names;
}

class GivenStart : public testing::TestWithParam<std::string> {
 protected:
  const std::string& name() const { return GetParam(); }
  const std::string& norm() const { return Registry<AttackEntry>::find(name())->norm; }
  /// Few steps, in the ball from the beginning.
  Params params() const {
    Params given = {{"epsilon", epsilon()}, {"steps", std::int64_t{2}}};
    if (takes(name(), "large_epsilon")) given["large_epsilon"] = false;
    if (norm() == "l1") given["steps"] = std::int64_t{3};
    return given;
  }
  double epsilon() const { return norm() == "linf" ? 0.125 : 1; }
  /// How far every pixel is from the clean one at a point of the ball's surface where all are equally far.
  double radius(const DataSet& data) const {
    const auto dim = static_cast<double>(data.dim());
    return norm() == "linf" ? epsilon() : norm() == "l2" ? epsilon() / std::sqrt(dim) : epsilon() / dim;
  }
};
INSTANTIATE_TEST_SUITE_P(Registered, GivenStart, testing::ValuesIn(with_start()), by_name);

TEST(GivenStarts, AreTakenByTheAttacksThatBeginSomewhereInTheBall) {
  EXPECT_THAT(with_start(), testing::IsSupersetOf({"pgd_linf", "pgd_l2", "pgd_l1", "mi_fgsm", "apgd_ce_linf",
                                                   "apgd_dlr_l2", "apgd_t_l1"}));
}

/// Signs that differ by sample and pixel.
float sign_at(std::size_t i) {
  return i * i % 7 < 3 ? 1.f : -1.f;
}
std::vector<float> around(const DataSet& data, double by) {
  std::vector<float> points = data.floats;
  for (std::size_t i = 0; i < points.size(); ++i) points[i] += sign_at(i) * static_cast<float>(by);
  return points;
}

TEST_P(GivenStart, IsProjectedOntoTheBall) {
  // Without a gradient the first point is also the last.
  const DataSet data = inner_data(30, 1, 5, 7);
  LinearModel model(data.dim(), std::vector<float>(static_cast<std::size_t>(4 * data.dim())), {4.f, 3.f, 2.f, 1.f});
  for (const double by : {radius(data) / 2, 0.375}) {
    const double expected = std::min(by, radius(data));
    const Attacked result = attack(name(), params(), data, model, {.cuts = {1, 20}, .starts = around(data, by)});
    for (std::size_t i = 0; i < result.points.size(); ++i)
      ASSERT_NEAR(result.points[i] - data.floats[i], sign_at(i) * expected, 1e-6) << by << " at " << i;
  }
}

TEST_P(GivenStart, FoolsAtOnceWhereItIsAdversarial) {
  // The first pixel decides: the clean image is right by a quarter of the radius, the start wrong by as much.
  DataSet data = inner_data(20, 1, 5, 7);
  const double r = radius(data);
  for (std::size_t i = 0; i < data.floats.size(); i += 35) data.floats[i] = 0.5f;
  std::vector<float> starts = around(data, r / 2), w(35);
  for (std::size_t i = 0; i < starts.size(); i += 35) starts[i] = static_cast<float>(0.5 + r / 2);
  w[0] = 1.f;
  LinearModel model = two_class_model(w, static_cast<float>(-0.5 - r / 4), 4);
  const Attacked result =
      attack(name(), params(), data, model, {.full = false, .cuts = {7}, .trace = true, .starts = starts});
  EXPECT_EQ(result.trace.size(), 20u) << "one answer each";
  for (std::size_t s = 0; s < 20; ++s) {
    EXPECT_TRUE(result.rows[s].has(SampleRow::fooled_final)) << s;
    EXPECT_EQ(result.passes[s] >> 32, 3u) << "clean, start, the start once more";
  }
  for (std::size_t i = 0; i < starts.size(); ++i) ASSERT_NEAR(result.points[i], starts[i], 1e-6) << i;
}

TEST(GivenStarts, AreRefusedWhereTheyDoNotFitTheParameters) {
  const DataSet data = inner_data(3, 1, 5, 7);
  LinearModel model = two_class_model(direction(data.dim()), -0.3f);
  const StopFlag stop{false};
  Evaluator evaluator({}, data, 16, 3, stop);
  const auto run = [&](Params params, std::span<const float> starts) {
    params["epsilon"] = 0.1;
    evaluator.attacked(check_perturbation(Perturbation::Kind::attack, "pgd_linf", params, "test"), 0, 3, model, nullptr,
                       starts);
  };
  const Params file = {{"start", std::string("file:x.npy")}};
  EXPECT_NO_THROW(run(file, data.floats));
  EXPECT_ERROR(run(file, {}), ExitCode::internal, testing::HasSubstr("starting points"));
  EXPECT_ERROR(run(file, std::span(data.floats).first(9)), ExitCode::internal, testing::HasSubstr("starting points"));
  EXPECT_ERROR(run({}, data.floats), ExitCode::internal, testing::HasSubstr("starting points"));
}

}  // namespace
}  // namespace assay
