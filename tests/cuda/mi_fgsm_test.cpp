// Dong et al. 2018, algorithm 1.
#include <gtest/gtest.h>

#include "cuda/attack_run.hpp"

namespace assay {
namespace {

TEST(MiFgsm, FollowsTheSumOfNormalisedGradientsWithDecay) {
  // The gradient's sign turns after the first two of four steps, and its size does not count: with decay mu the
  // momentum is 1, 1 + mu, mu + mu^2 - 1, mu^2 + mu^3 - mu - 1 times the sign.
  const DataSet data = inner_data(1, 1, 4, 4);
  const std::vector<float> w = direction(data.dim());
  for (const double mu : {1.0, 0.5, 0.0}) {
    LinearModel model = two_class_model(w, -0.3f);
    int calls = 0;
    model.on_gradient = [&](const float*, float* g) {
      const int step = calls++ / 16;  // rows of a batch
      for (std::size_t i = 0; i < w.size(); ++i) g[i] *= step < 2 ? 1.f : -100.f;
    };
    const Params params = {{"epsilon", 0.1}, {"steps", std::int64_t{4}}, {"step", 0.01}, {"decay", mu}};
    const std::vector<float> last = attack("mi_fgsm", params, data, model).points;
    const auto sign = [](double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : 0.0; };
    double momentum = 0, steps = 0;
    for (int step = 0; step < 4; ++step) {
      momentum = mu * momentum + (step < 2 ? 1 : -1);
      if (std::abs(momentum) > 1e-9) steps += sign(momentum);
    }
    for (std::size_t i = 0; i < w.size(); ++i) {
      if (mu == 1.0 && i > 0) break;  // two gradients cancel to a rounding
      EXPECT_NEAR(static_cast<double>(last[i]) - static_cast<double>(data.floats[i]),
                  0.01 * steps * sign(static_cast<double>(w[i])), mu == 1.0 ? 0.011 : 1e-6)
          << mu;
    }
  }
}

TEST(MiFgsm, StepsByEpsilonOverStepsUnlessToldOtherwise) {
  const Perturbation p = check_perturbation(Perturbation::Kind::attack, "mi_fgsm", {{"epsilon", 0.2}}, "test");
  EXPECT_DOUBLE_EQ(real_param(p.params, "step"), 0.02);
  EXPECT_EQ(integer_param(p.params, "steps"), 10);
}

}  // namespace
}  // namespace assay
