// Attacks one after the other, each on what those before left standing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "cuda/attack_run.hpp"
#include "registered.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kForwards = 32;

Params with(const std::string& members, double epsilon = 0.05) {
  return {{"epsilon", epsilon}, {"members", members}};
}

TEST(Ensemble, FoolsWhateverOneOfItsMembersFools) {
  const DataSet data = float_data(60, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  const AttackOptions retire{.full = false};
  const Params small = {{"epsilon", 0.05}};
  const Params once = {
      {"epsilon", 0.05}, {"steps", std::int64_t{1}}, {"random_start", false}, {"loss", std::string("margin")}};
  const Attacked first = attack("pgd_linf", once, data, model, retire),
                 second = attack("mi_fgsm", small, data, model, retire),
                 both = attack("ensemble_linf", with("pgd_linf steps=1 random_start=false loss=margin; mi_fgsm"), data,
                               model, retire);
  int fooled = 0;
  for (std::size_t s = 0; s < both.rows.size(); ++s) {
    const bool by_first = first.rows[s].has(SampleRow::fooled_any);
    EXPECT_EQ(both.rows[s].has(SampleRow::fooled_any), by_first || second.rows[s].has(SampleRow::fooled_any)) << s;
    fooled += by_first ? 1 : 0;
    if (!first.rows[s].has(SampleRow::clean_correct)) continue;
    // The clean pass and the one that verifies a success are there but once.
    const std::uint64_t verified = by_first ? 1 : 0;
    const std::uint64_t expected =
        by_first ? first.passes[s] >> kForwards
                 : (first.passes[s] >> kForwards) - verified + (second.passes[s] >> kForwards) - 1;
    EXPECT_EQ(both.passes[s] >> kForwards, expected) << s << ": the second member has only what the first left";
  }
  EXPECT_GT(fooled, 3);
}

TEST(Ensemble, DoesNotDependOnLanesOrUnits) {
  const DataSet data = float_data(53, 3, 5, 7, 0.f, 1.f, 5);
  LinearModel model = linear_model(5, data.dim());
  const Params params =
      with("pgd_linf steps=3 restarts=2; apgd_t_linf steps=5 targets=3; apgd_dlr_linf steps=5; fgsm", 0.02);
  const Attacked one = attack("ensemble_linf", params, data, model, {.batch = 64, .full = false});
  for (const AttackOptions& options : {AttackOptions{.batch = 16, .full = false},
                                       {.batch = 19, .full = false},
                                       {.batch = 16, .full = false, .cuts = {1, 20, 44}}}) {
    const Attacked other = attack("ensemble_linf", params, data, model, options);
    EXPECT_EQ(std::memcmp(one.rows.data(), other.rows.data(), one.rows.size() * sizeof(SampleRow)), 0);
    EXPECT_EQ(one.points, other.points);
    EXPECT_EQ(one.passes, other.passes);
  }
  int robust = 0, fooled = 0;
  for (const SampleRow& row : one.rows) (row.has(SampleRow::fooled_any) ? fooled : robust) += 1;
  EXPECT_GT(robust, 3);
  EXPECT_GT(fooled, 3);
}

TEST(Ensemble, ComparesMembersUnderTheNoiseThatTheyHaveAlone) {
  const DataSet data = float_data(20, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model(data.dim(), std::vector<float>(static_cast<std::size_t>(4 * data.dim())), {3.f, 2.f, 1.f, 0.f});
  EXPECT_EQ(attack("ensemble_linf", with("pgd_linf"), data, model).points,
            attack("pgd_linf", {{"epsilon", 0.05}}, data, model).points);
}

TEST(Ensemble, SaysWhichMemberCannotBe) {
  const auto check = [](const std::string& name, const std::string& members) {
    check_perturbation(Perturbation::Kind::attack, name, {{"epsilon", 0.1}, {"members", members}}, "test");
  };
  EXPECT_ERROR(check("ensemble_linf", ""), ExitCode::usage, HasSubstr("names no attack"));
  EXPECT_ERROR(check("ensemble_linf", "pgd_lifn"), ExitCode::usage, HasSubstr("pgd_linf"));
  EXPECT_ERROR(check("ensemble_linf", "pgd_l2"), ExitCode::usage, HasSubstr("in l2, expected single attacks in linf"));
  EXPECT_ERROR(check("ensemble_linf", "autoattack_linf"), ExitCode::usage, HasSubstr("an ensemble itself"));
  EXPECT_ERROR(check("ensemble_linf", "pgd_linf steps"), ExitCode::usage, HasSubstr("parameter=value"));
  EXPECT_ERROR(check("ensemble_linf", "pgd_linf steps=two"), ExitCode::usage, HasSubstr("whole number"));
  EXPECT_ERROR(check("ensemble_linf", "pgd_linf steps=0"), ExitCode::usage, HasSubstr("between"));
  EXPECT_ERROR(check("ensemble_linf", "pgd_linf stepz=1"), ExitCode::usage, HasSubstr("stepz"));
  EXPECT_ERROR(check("ensemble_linf", "pgd_linf steps=1 steps=2"), ExitCode::usage, HasSubstr("twice"));
  EXPECT_ERROR(check("ensemble_linf", "pgd_linf epsilon=4/255"), ExitCode::usage, HasSubstr("the ensemble's"));
  check("ensemble_linf", "pgd_linf random_start=false step=4/255;; fgsm;");
}

/// The members of an AutoAttack version: name and parameters that are not the defaults.
std::vector<std::string> members(const std::string& name, const std::string& version) {
  std::vector<std::string> all;
  for (const Member& member : Registry<AttackEntry>::find(name)->members({{"epsilon", 0.1}, {"version", version}})) {
    std::string text = member.name;
    for (const auto& [key, value] : member.params)
      text += ' ' + key + '=' + std::to_string(std::get<std::int64_t>(value));
    all.push_back(text);
  }
  return all;
}

TEST(AutoAttack, HasTheMembersOfItsAuthors) {
  for (const std::string norm : {"linf", "l2"})
    EXPECT_THAT(members("autoattack_" + norm, "standard"),
                ElementsAre("apgd_ce_" + norm + " restarts=1", "apgd_t_" + norm + " targets=9", "fab_t_" + norm,
                            "square_" + norm));
  EXPECT_THAT(members("autoattack_l1", "standard"),
              ElementsAre("apgd_ce_l1 restarts=5", "apgd_t_l1 targets=5", "fab_t_l1", "square_l1"));
  EXPECT_THAT(members("autoattack_l2", "plus"), ElementsAre("apgd_ce_l2 restarts=5", "apgd_dlr_l2 restarts=5",
                                                            "fab_l2 restarts=5", "square_l2", "apgd_t_l2", "fab_t_l2"));
  EXPECT_THAT(members("autoattack_linf", "rand"), ElementsAre("apgd_ce_linf eot=20", "apgd_dlr_linf eot=20"));
}

TEST(AutoAttack, OfEachVersionAndNormCanBeMade) {
  for (const std::string norm : {"linf", "l2", "l1"})
    for (const std::string version : {"standard", "plus", "rand"}) {
      const Perturbation p = check_perturbation(Perturbation::Kind::attack, "autoattack_" + norm,
                                                {{"epsilon", 0.1}, {"version", version}}, "test");
      EXPECT_EQ(make_attacks(p.name, p.params).size(), version == "standard" ? 4u : version == "plus" ? 6u : 2u);
    }
}

TEST(Norms, AreThoseOfTheTable) {
  const std::map<std::string, std::vector<std::string>> table = {
      {"linf",
       {"apgd_ce_linf", "apgd_dlr_linf", "apgd_t_linf", "autoattack_linf", "ensemble_linf", "fab_linf", "fab_t_linf",
        "fgsm", "mi_fgsm", "pgd_linf", "spsa_linf", "square_linf"}},
      {"l2",
       {"apgd_ce_l2", "apgd_dlr_l2", "apgd_t_l2", "autoattack_l2", "ensemble_l2", "fab_l2", "fab_t_l2", "fgm_l2",
        "pgd_l2", "square_l2"}},
      {"l1",
       {"apgd_ce_l1", "apgd_dlr_l1", "apgd_t_l1", "autoattack_l1", "ensemble_l1", "fab_l1", "fab_t_l1", "pgd_l1",
        "square_l1"}}};
  std::map<std::string, std::vector<std::string>> found;
  for (const std::string& name : registered_names<AttackEntry>())
    found[Registry<AttackEntry>::find(name)->norm].push_back(name);
  EXPECT_EQ(found, table);
}

}  // namespace
}  // namespace assay
