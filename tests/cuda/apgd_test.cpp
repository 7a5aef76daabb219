// Croce & Hein 2020, algorithm 1, and 2021 for L1.
#include <gtest/gtest.h>

#include "cuda/attack_run.hpp"

namespace assay {
namespace {

class Apgd : public testing::TestWithParam<const char*> {
 protected:
  std::string norm() const { return GetParam(); }
  double epsilon() const { return norm() == "linf" ? 8.0 / 255 : norm() == "l2" ? 0.5 : 0.3; }
};
INSTANTIATE_TEST_SUITE_P(Norms, Apgd, testing::Values("linf", "l2", "l1"), [](const auto& i) { return i.param; });

TEST_P(Apgd, ReachesTheClosedFormOfALinearModel) {
  const DataSet data = inner_data(20, 3, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f, 4);
  for (const char* kind : {"apgd_ce_", "apgd_t_"}) {
    const double reachable = epsilon() * dual_norm(norm(), w);
    for (const double rise : rises(w, data, attack(kind + norm(), {{"epsilon", epsilon()}}, data, model).points)) {
      EXPECT_GT(rise, (norm() == "l1" ? 0.98 : 0.999) * reachable) << kind;
      EXPECT_LT(rise, 1.00001 * reachable) << kind;
    }
  }
}

/// A model of one logit that is steep here and falls off beyond: sum over pixels of -(x - peak)^2, as label 1 against
/// 0.
class Hill final : public Model {
 public:
  explicit Hill(float peak) : peak_(peak) {}
  int classes() const override { return 2; }

 private:
  const float* do_forward(const Exec&, Images<const float> x, bool) override {
    x_.assign(x.data, x.data + x.size());
    dim_ = x.dim();
    logits_.assign(static_cast<std::size_t>(2 * x.n), 0.f);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const float gap = x_[static_cast<std::size_t>(i)] - peak_;
      logits_[static_cast<std::size_t>(2 * (i / dim_) + 1)] -= gap * gap;
    }
    for (std::int64_t r = 0; r < x.n; ++r) logits_[static_cast<std::size_t>(2 * r + 1)] -= 1;
    return logits_.data();
  }
  const float* do_vjp(const Exec&, const float* cotangent, bool) override {
    gradient_.resize(x_.size());
    for (std::size_t i = 0; i < x_.size(); ++i)
      gradient_[i] = cotangent[2 * (i / static_cast<std::size_t>(dim_)) + 1] * -2 * (x_[i] - peak_);
    return gradient_.data();
  }
  float peak_;
  std::int64_t dim_ = 1;
  std::vector<float> x_, logits_, gradient_;
};

TEST_P(Apgd, FindsAPeakThatFixedStepsOfTheBallsSizeJumpOver) {
  const DataSet data = inner_data(4, 1, 4, 4);
  Hill model(0.5f);  // within reach of every pixel in [0.4, 0.6]
  const double radius = norm() == "linf" ? 0.2 : norm() == "l2" ? 0.8 : 3;
  for (const float p : attack("apgd_ce_" + norm(), {{"epsilon", radius}}, data, model).points)
    EXPECT_NEAR(p, 0.5f, norm() == "l1" ? 0.06 : 0.004);
}

TEST_P(Apgd, HalvesItsStepsAtTheChecksOnly) {
  // On a linear model the loss rises at every step until it stands at the optimum: then only "no improvement" halves,
  // and never at the first check. Fewer steps than the first check leave the full step: 2 epsilon reaches any corner.
  const DataSet data = inner_data(8, 1, 5, 7);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f, 4);
  const double reachable = epsilon() * dual_norm(norm(), w);
  const Params params = {{"epsilon", epsilon()}, {"steps", std::int64_t{norm() == "l1" ? 60 : 4}}};
  for (const double rise : rises(w, data, attack("apgd_ce_" + norm(), params, data, model).points))
    EXPECT_GT(rise, 0.97 * reachable);
}

TEST(ApgdTargeted, RunsTowardsTheLikeliestOthersInTurn) {
  // Class k's logit is w_k x + b_k; only the third likeliest other class can be reached within epsilon.
  const std::int64_t dim = 16;
  DataSet data = inner_data(1, 1, 4, 4);
  std::vector<float> weight(static_cast<std::size_t>(6 * dim)), bias = {0.f, -0.2f, -0.3f, -0.4f, -5.f, -6.f};
  for (std::size_t i = 0; i < static_cast<std::size_t>(dim); ++i) weight[3 * static_cast<std::size_t>(dim) + i] = 1.f;
  double base = 0;
  for (const float x : data.floats) base += static_cast<double>(x);
  bias[3] -= static_cast<float>(base);  // the logit of class 3 is -0.4 at the image and rises by 16 epsilon
  LinearModel model(dim, weight, bias);
  const auto run = [&](std::int64_t targets) {
    return attack("apgd_t_linf", {{"epsilon", 0.03}, {"steps", std::int64_t{10}}, {"targets", targets}}, data, model,
                  {.full = false});
  };
  EXPECT_FALSE(run(2).rows[0].has(SampleRow::fooled_any));
  EXPECT_TRUE(run(3).rows[0].has(SampleRow::fooled_any));
  EXPECT_EQ(run(3).rows[0].prediction, 3);
  EXPECT_TRUE(run(9).rows[0].has(SampleRow::fooled_any)) << "more targets than classes: all of them";
}

TEST(ApgdTargeted, IsChargedForEveryTarget) {
  DataSet data = inner_data(1, 1, 4, 4);
  LinearModel model(16, std::vector<float>(6 * 16), {0.f, -1.f, -2.f, -3.f, -4.f, -5.f});
  const Attacked result =
      attack("apgd_t_linf", {{"epsilon", 0.1}, {"steps", std::int64_t{7}}, {"targets", std::int64_t{4}}}, data, model);
  EXPECT_EQ(result.passes[0] >> 32, 1u + 4 * 9) << "clean; 7 points with gradients, the last one, the best one";
  EXPECT_EQ(result.passes[0] & 0xFFFFFFFFu, 4u * 7);
}

TEST(ApgdEot, AveragesGradientsAndIsChargedForEach) {
  // The gradient's sign is wrong at every draw but each fourth, which outweighs the others: only a mean climbs.
  const DataSet data = inner_data(4, 1, 4, 4);
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -0.3f);
  int rows = 0;
  model.on_gradient = [&](const float*, float* g) {
    const bool good = rows++ / 16 % 4 == 3;
    for (std::size_t i = 0; i < w.size(); ++i) g[i] *= good ? 9.f : -1.f;
  };
  const Params params = {{"epsilon", 0.1}, {"steps", std::int64_t{6}}, {"eot", std::int64_t{4}}};
  const Attacked result = attack("apgd_ce_linf", params, data, model);
  for (const double rise : rises(w, data, result.points)) EXPECT_GT(rise, 0.09 * dual_norm("linf", w));
  EXPECT_EQ(result.passes[0] & 0xFFFFFFFFu, 4u * 6);
}

TEST(ApgdEot, VerifiesASuccessByTheMajorityOfAnOddNumberOfAnswers) {
  // Right when clean and at the first of two draws, wrong at the second; then as `says` of the three verifying answers.
  const DataSet data = inner_data(4, 1, 4, 4);
  const Params params = {{"epsilon", 0.1}, {"steps", std::int64_t{6}}, {"eot", std::int64_t{2}}};
  const std::pair<std::vector<bool>, bool> cases[] = {{{true, false, false}, false}, {{false, false, true}, false},
                                                      {{false, true, true}, true},   {{true, true, false}, true},
                                                      {{true, true, true}, true},    {{false, false, false}, false}};
  for (const auto& [wrong, holds] : cases) {
    std::vector<bool> says = {false, false, true};
    says.insert(says.end(), wrong.begin(), wrong.end());
    LinearModel model(16, std::vector<float>(2 * 16), {0.f, 0.f});
    std::size_t rows = 0;
    model.on_logits = [&](const float*, float* z) { z[0] = says.at(rows++ / 16) ? -1.f : 1.f; };
    const Attacked result = attack("apgd_ce_linf", params, data, model, {.full = false});
    for (std::size_t s = 0; s < 4; ++s) {
      EXPECT_EQ(result.rows[s].has(SampleRow::fooled_final), holds) << testing::PrintToString(wrong);
      EXPECT_EQ(result.rows[s].has(SampleRow::undecided), !holds);
      EXPECT_FALSE(holds && result.rows[s].has(SampleRow::correct)) << "the row is that of an answer that was wrong";
      EXPECT_EQ(result.passes[s] >> 32, 1u + 2 + 3);
    }
    EXPECT_EQ(rows, 16 * says.size());
  }
}

}  // namespace
}  // namespace assay
