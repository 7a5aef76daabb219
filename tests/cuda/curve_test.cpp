// One attack at many radii: what falls at one has fallen at every larger one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "cuda/attack_run.hpp"

namespace assay {
namespace {

/// The perturbations of a curve, in the order of `radii`.
std::vector<Perturbation> perturbations(const std::string& name, const std::vector<double>& radii,
                                        const std::string& mode, Params params = {}) {
  std::vector<double> curve = radii;
  std::ranges::sort(curve);
  std::vector<Perturbation> all;
  for (const double radius : radii) {
    params["epsilon"] = radius;
    all.push_back(check_perturbation(Perturbation::Kind::attack, name, params, "test"));
    all.back().curve = curve;
    all.back().params["mode"] = mode;
  }
  return all;
}

std::vector<UnitResult> run(const std::vector<Perturbation>& all, const DataSet& data, Model& model,
                            std::int64_t batch = 16) {
  const StopFlag stop{false};
  Evaluator evaluator({}, data, batch, 3, stop);
  std::vector<UnitResult> results = evaluator.curve(all, 0, data.n, model);
  for (const UnitResult& result : results) EXPECT_EQ(result.error, "");
  return results;
}

class Curves : public testing::TestWithParam<const char*> {
 protected:
  std::string mode() const { return GetParam(); }
  const std::vector<double> radii_ = {0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15};
  const DataSet data_ = float_data(53, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model_ = linear_model(4, data_.dim());
};
INSTANTIATE_TEST_SUITE_P(Modes, Curves, testing::Values("exact", "bisect"), [](const auto& i) { return i.param; });

TEST_P(Curves, FindTheRadiusAtWhichEachSampleFalls) {
  // On a linear model FGSM is as good as any attack: separate runs fall from a radius on.
  const std::vector<UnitResult> together =
      run(perturbations("fgsm", radii_, mode(), {{"loss", std::string("margin")}}), data_, model_);
  int fooled = 0, robust = 0;
  for (std::size_t i = 0; i < radii_.size(); ++i) {
    const Attacked alone =
        attack("fgsm", {{"epsilon", radii_[i]}, {"loss", std::string("margin")}}, data_, model_, {.full = false});
    for (std::size_t s = 0; s < alone.rows.size(); ++s) {
      const SampleRow &a = together[i].rows[s], &b = alone.rows[s];
      EXPECT_EQ(a.has(SampleRow::fooled_any), b.has(SampleRow::fooled_any)) << radii_[i] << ", " << s;
      EXPECT_EQ(a.has(SampleRow::clean_correct), b.has(SampleRow::clean_correct));
      EXPECT_EQ(a.has(SampleRow::retired), b.has(SampleRow::retired));
      (a.has(SampleRow::fooled_any) ? fooled : robust) += 1;
    }
  }
  EXPECT_GT(fooled, 50);
  EXPECT_GT(robust, 50);
}

TEST_P(Curves, FallForGood) {
  const std::vector<UnitResult> all =
      run(perturbations("pgd_linf", radii_, mode(), {{"steps", std::int64_t{3}}}), data_, model_);
  for (std::size_t s = 0; s < static_cast<std::size_t>(data_.n); ++s)
    for (std::size_t i = 1; i < radii_.size(); ++i) {
      if (!all[i - 1].rows[s].has(SampleRow::fooled_any)) continue;
      EXPECT_EQ(std::memcmp(&all[i].rows[s], &all[i - 1].rows[s], sizeof(SampleRow)), 0) << "by the same point";
    }
}

TEST_P(Curves, DoNotDependOnLanesOrTheOrderOfRadii) {
  const Params params = {{"steps", std::int64_t{3}}, {"restarts", std::int64_t{2}}};
  const std::vector<double> shuffled = {0.03, 0.15, 0.002, 0.1, 0.01, 0.005, 0.08, 0.02, 0.05};
  const std::vector<UnitResult> here = run(perturbations("pgd_linf", radii_, mode(), params), data_, model_),
                                there = run(perturbations("pgd_linf", shuffled, mode(), params), data_, model_, 64);
  for (std::size_t i = 0; i < shuffled.size(); ++i) {
    const std::size_t same = static_cast<std::size_t>(std::ranges::find(radii_, shuffled[i]) - radii_.begin());
    EXPECT_EQ(std::memcmp(here[same].rows.data(), there[i].rows.data(), here[same].rows.size() * sizeof(SampleRow)), 0);
    EXPECT_EQ(here[same].passes.forward, there[i].passes.forward) << shuffled[i];
    EXPECT_EQ(here[same].passes.backward, there[i].passes.backward);
  }
}

TEST_P(Curves, LeaveBrokenSamplesUndecided) {
  DataSet data = float_data(20, 3, 5, 7, 0.f, 1.f, 4);
  for (std::int64_t s = 0; s < data.n; ++s)
    data.floats[static_cast<std::size_t>(s * data.dim())] = s % 5 == 2 ? .9f : .1f;
  for (const bool gradients : {true, false}) {
    LinearModel model = linear_model(4, data.dim());
    if (gradients)
      model.on_gradient = [](const float* x, float* g) { g[3] = x[0] > .5f ? INFINITY : g[3]; };
    else
      model.on_logits = [](const float* x, float* z) { z[1] = x[0] > .5f ? NAN : z[1]; };
    for (const char* name : {"fgsm", "pgd_linf"})
      for (const UnitResult& unit : run(perturbations(name, {1e-5, 2e-5, 4e-5}, mode()), data, model))
        for (std::size_t s = 0; s < unit.rows.size(); ++s) {
          const bool attacked = unit.rows[s].has(SampleRow::clean_correct) || !gradients;
          EXPECT_EQ(unit.rows[s].has(SampleRow::undecided), s % 5 == 2 && attacked) << name << ", " << s;
        }
  }
}

TEST(CurvesOfFgsm, AskForOneGradient) {
  const DataSet data = float_data(40, 1, 5, 5, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  const std::vector<UnitResult> all = run(perturbations("fgsm", {0.01, 0.02, 0.03, 0.04}, "exact"), data, model);
  std::uint64_t backward = 0, forward = 0, expected = static_cast<std::uint64_t>(data.n);
  for (const UnitResult& unit : all) {
    backward += unit.passes.backward;
    forward += unit.passes.forward;
  }
  for (std::size_t s = 0; s < static_cast<std::size_t>(data.n); ++s)
    for (const UnitResult& unit : all) {
      const SampleRow& row = unit.rows[s];
      if (!row.has(SampleRow::clean_correct)) break;
      expected += row.has(SampleRow::fooled_any) ? 2 : 1;  // the look, and the success once more
      if (row.has(SampleRow::fooled_any)) break;
    }
  EXPECT_EQ(backward, static_cast<std::uint64_t>(data.n));
  EXPECT_EQ(forward, expected);
  EXPECT_EQ(model.passes().backward, 48u) << "40, in whole batches";
}

TEST(CurvesByHalving, AskFewerRadiiOfASample) {
  std::vector<double> radii;
  for (int i = 1; i <= 31; ++i) radii.push_back(0.004 * i);
  const DataSet data = float_data(40, 3, 5, 7, 0.f, 1.f, 4);
  LinearModel model = linear_model(4, data.dim());
  const Params params = {{"steps", std::int64_t{2}}, {"random_start", false}};
  const auto backward = [&](const char* mode) {
    std::uint64_t sum = 0;
    for (const UnitResult& unit : run(perturbations("pgd_linf", radii, mode, params), data, model))
      sum += unit.passes.backward;
    return sum;
  };
  std::uint64_t right = 0;
  const std::vector<UnitResult> clean = run(perturbations("fgsm", {0.1, 0.2}, "exact"), data, model);
  for (const SampleRow& row : clean[0].rows) right += row.has(SampleRow::clean_correct) ? 1 : 0;
  EXPECT_LE(backward("bisect"), right * 5 * 2) << "five halvings of 31 radii, two steps each";
  EXPECT_GT(backward("bisect"), right * 3);
  EXPECT_GT(backward("exact"), 0u);
}

}  // namespace
}  // namespace assay
