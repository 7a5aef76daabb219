// Targeted attacks: every attack that takes `target`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cuda/attack_run.hpp"
#include "engine/make_attacks.hpp"
#include "registered.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

bool takes(const std::string& name, const std::string& param) {
  return std::ranges::any_of(Registry<AttackEntry>::find(name)->params,
                             [&](const ParamSpec& spec) { return spec.name == param; });
}
std::vector<std::string> with_target() {
  std::vector<std::string> names = single_attacks();
  std::erase_if(names, [](const std::string& name) { return !takes(name, "target"); });
  return names;
}
Params with(Params params, const std::string& target) {
  params["target"] = target;
  return params;
}

class Targeted : public testing::TestWithParam<std::string> {
 protected:
  const std::string& name() const { return GetParam(); }
  const std::string& norm() const { return Registry<AttackEntry>::find(name())->norm; }
};
INSTANTIATE_TEST_SUITE_P(Registered, Targeted, testing::ValuesIn(with_target()), by_name);

TEST(Targets, AreTakenByTheAttacksThatFollowALoss) {
  EXPECT_THAT(with_target(),
              ElementsAre("apgd_ce_l1", "apgd_ce_l2", "apgd_ce_linf", "apgd_dlr_l1", "apgd_dlr_l2", "apgd_dlr_linf",
                          "fgm_l2", "fgsm", "mi_fgsm", "pgd_l1", "pgd_l2", "pgd_linf", "spsa_linf"));
}

TEST(Targets, HaveALossThatLeadsThere) {
  for (const std::string& name : registered_names<Loss>()) {
    const Loss& loss = *Registry<Loss>::find(name);
    if (loss.targeted) continue;
    ASSERT_NE(Registry<Loss>::find(loss.towards), nullptr) << name;
    EXPECT_TRUE(Registry<Loss>::find(loss.towards)->targeted) << name;
  }
}

TEST(Targets, OfNoneAreNoParameter) {
  const auto params = [](const Params& more) {
    Params given = {{"epsilon", 0.1}};
    given.insert(more.begin(), more.end());
    return check_perturbation(Perturbation::Kind::attack, "pgd_linf", given, "test").params;
  };
  EXPECT_EQ(params(with({}, "none")), params({}));
  EXPECT_FALSE(params({}).contains("target"));
  EXPECT_EQ(params({{"target", std::int64_t{7}}}).at("target"), Param("7"));
  for (const Param& bad : {Param(std::int64_t{-1}), Param(std::int64_t{65535}), Param("07"), Param("third"), Param("")})
    EXPECT_ERROR(params({{"target", bad}}), ExitCode::usage, HasSubstr("or the number of a class is expected"));
}

/// Logits (0, u x + a, v x + b) for u on the first half of the pixels and v on the other: the label, a class that lies
/// nearer, and the target, towards which no step changes the second logit.
struct NearerClass {
  NearerClass(const DataSet& data, const std::string& norm, double epsilon) {
    const auto dim = static_cast<std::size_t>(data.dim()), n = static_cast<std::size_t>(data.n);
    const std::vector<float> w = direction(data.dim());
    std::vector<float> weight(3 * dim);
    for (std::size_t i = 0; i < dim; ++i) weight[(i < dim / 2 ? 1 : 2) * dim + i] = w[i];
    const std::vector<float> v(weight.begin() + 2 * std::ptrdiff_t(dim), weight.end());
    LinearModel bare(data.dim(), weight, {0, 0, 0});
    double highest = -1e9, mean = 0;
    for (std::int64_t s = 0; s < data.n; ++s) {
      const float* const x = data.floats.data() + s * data.dim();
      highest = std::max(highest, bare.logit(1, x));
      mean += bare.logit(2, x) / static_cast<double>(n);
    }
    const double reach = epsilon * dual_norm(norm, v);
    model =
        LinearModel(data.dim(), weight, {0.f, static_cast<float>(-highest - 0.1), static_cast<float>(-mean - reach)});
    for (std::int64_t s = 0; s < data.n; ++s)
      radius.push_back(-model.logit(2, data.floats.data() + s * data.dim()) / dual_norm(norm, v));
  }
  LinearModel model{0, {}, {}};
  std::vector<double> radius;  ///< the smallest at which each sample can be taken for the target
};

TEST_P(Targeted, ReachTheTargetFromTheSmallestRadiusOnAtWhichALinearModelHasIt) {
  DataSet data = inner_data(60, 3, 5, 7);
  const double epsilon = norm() == "linf" ? 0.02 : norm() == "l2" ? 0.125 : 0.35;
  NearerClass nearer(data, norm(), epsilon);
  Params params = {{"epsilon", epsilon}};
  if (takes(name(), "loss")) params["loss"] = std::string("margin");
  if (takes(name(), "directions")) params["directions"] = params["steps"] = std::int64_t{30};
  if (takes(name(), "random_start")) params["random_start"] = false;
  const Attacked result = attack(name(), with(params, "2"), data, nearer.model, {.full = false});
  const Attacked untargeted = attack(name(), params, data, nearer.model, {.full = false});
  int reached = 0, out_of_reach = 0, merely_wrong = 0;
  for (std::size_t s = 0; s < nearer.radius.size(); ++s) {
    const SampleRow& row = result.rows[s];
    ASSERT_EQ(row.has(SampleRow::clean_correct), nearer.radius[s] >= 0);
    if (nearer.radius[s] < 0) continue;
    ASSERT_FALSE(row.has(SampleRow::undecided));
    const bool success = row.has(SampleRow::fooled_any);
    EXPECT_TRUE(!success || row.prediction == 2) << s;
    if (nearer.radius[s] > epsilon * 1.0001) {
      EXPECT_FALSE(success) << s;
      ++out_of_reach;
      merely_wrong += untargeted.rows[s].has(SampleRow::fooled_any) ? 1 : 0;
    } else if (nearer.radius[s] < epsilon * 0.8) {
      EXPECT_TRUE(success) << s << " at " << nearer.radius[s];
      ++reached;
    }
  }
  EXPECT_GT(reached, 3);
  EXPECT_GT(out_of_reach, 3);
  EXPECT_GT(merely_wrong, 0) << "of which the attack without a target makes a success";
}

TEST_P(Targeted, LeaveImagesOfTheTargetsClassAlone) {
  DataSet data = inner_data(20, 1, 5, 7);
  LinearModel model = two_class_model(direction(data.dim()), 0.f, 4);
  const StopFlag stop{false};
  const auto clean = [&] { return Evaluator({}, data, 16, 3, stop).plain(nullptr, 0, data.n, {&model}).front().rows; };
  const std::vector<SampleRow> answers = clean();
  for (std::size_t s = 0; s < data.labels.size(); ++s) data.labels[s] = answers[s].prediction;
  ASSERT_THAT(data.labels, testing::AllOf(testing::Contains(0), testing::Contains(1)));
  const std::vector<SampleRow> before = clean();
  Params params = with({{"epsilon", norm() == "linf" ? 0.3 : 3.0}}, "1");
  if (takes(name(), "directions")) params["directions"] = params["steps"] = std::int64_t{10};
  for (const bool full : {false, true}) {
    const Attacked result = attack(name(), params, data, model, {.full = full});
    for (std::size_t s = 0; s < data.labels.size(); ++s) {
      const SampleRow& row = result.rows[s];
      const bool same = data.labels[s] == 1;
      EXPECT_EQ(result.targets[s], same ? kNoTarget : 1);
      EXPECT_EQ(row.has(SampleRow::label_is_target), same);
      EXPECT_TRUE(row.has(SampleRow::clean_correct));
      if (!same) continue;
      EXPECT_FALSE(row.has(SampleRow::fooled_any) || row.has(SampleRow::fooled_final)) << s;
      if (full) continue;
      EXPECT_EQ(row.nll, before[s].nll);
      EXPECT_LE(result.passes[s] >> 32, 1u);
    }
  }
}

TEST(Targets, AreRankedByTheCleanImage) {
  DataSet data = inner_data(4, 1, 2, 2);
  data.labels = {0, 1, 2, 3};
  const auto targets = [&](const std::vector<float>& logits, const std::string& target) {
    LinearModel model(data.dim(), std::vector<float>(16), logits);
    return attack("fgsm", with({{"epsilon", 0.1}}, target), data, model).targets;
  };
  const std::vector<float> falling = {2, 4, 3, 1}, level = {1, 1, 1, 1};
  EXPECT_THAT(targets(falling, "second"), ElementsAre(1, 2, 1, 1));
  EXPECT_THAT(targets(falling, "least_likely"), ElementsAre(3, 3, 3, 0));
  EXPECT_THAT(targets(falling, "next"), ElementsAre(1, 2, 3, 0));
  EXPECT_THAT(targets(falling, "2"), ElementsAre(2, 2, kNoTarget, 2));
  EXPECT_THAT(targets(level, "second"), ElementsAre(1, 0, 0, 0)) << "of equal classes the first";
  EXPECT_THAT(targets(level, "least_likely"), ElementsAre(3, 3, 3, 2)) << "of equal classes the last";
}

TEST(Targets, AreTheSameHoweverTheDataSetIsBatched) {
  const DataSet data = float_data(53, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  const Params params = with({{"epsilon", 0.02}}, "second");
  const Attacked whole = attack("pgd_linf", params, data, model, {.batch = 64, .full = false}),
                 parts = attack("pgd_linf", params, data, model, {.batch = 16, .full = false, .cuts = {7, 31}});
  EXPECT_EQ(whole.points, parts.points);
  EXPECT_EQ(whole.targets, parts.targets);
}

TEST(Targets, AreThoseOfAWholeCurve) {
  // On a linear model FGSM at a radius is as good as at any smaller one: separate runs fall from a radius on.
  const DataSet data = float_data(53, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  const std::vector<double> radii = {0.005, 0.02, 0.08};
  std::vector<Perturbation> all;
  for (const double radius : radii) {
    const Params params = with({{"epsilon", radius}, {"loss", std::string("margin")}}, "2");
    all.push_back(check_perturbation(Perturbation::Kind::attack, "fgsm", params, "test"));
    all.back().curve = radii;
    all.back().params["mode"] = std::string("exact");
  }
  const StopFlag stop{false};
  AttackExport exported;
  const std::vector<UnitResult> together = Evaluator({}, data, 16, 3, stop).curve(all, 0, data.n, model, &exported);
  for (std::size_t i = 0; i < radii.size(); ++i) {
    all[i].params.erase("mode");
    const Attacked alone = attack("fgsm", all[i].params, data, model, {.full = false});
    EXPECT_EQ(exported.targets, alone.targets);
    for (std::size_t s = 0; s < alone.rows.size(); ++s)
      EXPECT_EQ(together[i].rows[s].flags, alone.rows[s].flags) << radii[i] << ", " << s;
  }
}

TEST(Targets, MustBeClassesOfTheModel) {
  const auto check = [](const std::string& name, const std::string& target, int classes) {
    check_classes(check_perturbation(Perturbation::Kind::attack, name, with({{"epsilon", 0.1}}, target), "test"),
                  classes, "model 'm'");
  };
  EXPECT_NO_THROW(check("pgd_linf", "9", 10));
  EXPECT_ERROR(check("pgd_linf", "10", 10), ExitCode::usage,
               HasSubstr("attack 'pgd_linf' has target 10, but model 'm' has 10 classes, 0 to 9"));
  EXPECT_ERROR(check("apgd_dlr_l2", "next", 3), ExitCode::usage, HasSubstr("the loss 'dlr_targeted', which needs at"));
  EXPECT_ERROR(check("fab_linf", "1", 10), ExitCode::usage, HasSubstr("has no parameter 'target'"));
  EXPECT_ERROR(make_attacks("ensemble_linf", {{"epsilon", 0.1}, {"members", std::string("fgsm target=next")}}),
               ExitCode::usage, HasSubstr("'fgsm' has a target"));
}

}  // namespace
}  // namespace assay
