// Vector scaling. Golden: scipy.optimize.minimize (trust-exact with the whole Hessian, gtol 1e-13) in float64.
#include "scalings/held_out.hpp"

namespace assay {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

TEST(VectorScaling, MinimisesTheNll) {
  const Parameters fitted = fit("vector", noisy_samples());
  EXPECT_THAT(fitted.at("weight"),
              ElementsAre(DoubleNear(0.864519687232577, 1e-8), DoubleNear(0.9259723424930053, 1e-8),
                          DoubleNear(0.9111884778180374, 1e-8), DoubleNear(0.9277313294708839, 1e-8)));
  EXPECT_THAT(fitted.at("bias"),
              ElementsAre(DoubleNear(0.6944191261696497, 1e-8), DoubleNear(0.2533452135910057, 1e-8),
                          DoubleNear(-0.18243663318415937, 1e-8), DoubleNear(-0.7653277065764961, 1e-8)));
  EXPECT_LE(fitted.at("gradient").at(0), 1e-8);
}

TEST(VectorScaling, MinimisesTheNllOfLogitsOfAnyScaleAndOffset) {
  const Samples samples = noisy_samples();
  const std::vector<float> expected = apply("vector", fit("vector", samples), samples);
  // Exact in float32.
  for (const auto& [scale, offset] : {std::pair(0x1p-9f, 0.f), std::pair(0x1p9f, 0.f), std::pair(1.f, -4.f)}) {
    Samples moved = samples;
    for (std::size_t i = 0; i < moved.logits.size(); ++i)
      moved.logits[i] = moved.logits[i] * scale + (i % 4 == 2 ? offset : 0);
    const std::vector<float> actual = apply("vector", fit("vector", moved), moved);
    for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5) << scale << " " << i;
  }
}

TEST(VectorScaling, LeavesTheWeightOfAConstantLogitFinite) {
  Samples samples = noisy_samples();
  for (std::size_t i = 0; i < samples.logits.size(); i += 4) samples.logits[i] = 0;
  EXPECT_EQ(fit("vector", samples).at("weight").at(0), 1);
  expect_rows_of_probabilities("vector", samples);
}

TEST(VectorScaling, GivesRowsOfProbabilities) {
  expect_rows_of_probabilities("vector", noisy_samples());
  expect_nan_for_logits_that_are_not_finite("vector");
}

TEST(VectorScaling, IsTheSameForAnyBlocks) {
  expect_the_same_for_any_blocks("vector");
}

TEST(VectorScaling, NamesRowsThatItCannotUse) {
  expect_unusable_rows_to_be_named("vector");
}

TEST(VectorScaling, NeedsASampleOfEveryClass) {
  Samples samples = noisy_samples();
  for (std::uint16_t& label : samples.labels) label = label == 2 ? 1 : label;
  EXPECT_ERROR(fit("vector", samples), ExitCode::input,
               testing::HasSubstr("has no minimum: no sample has the label 2"));
}

TEST(VectorScaling, NeedsASampleThatIsWrong) {
  // Wrong where the fit begins: labels are the least logits.
  Samples samples = noisy_samples(100, 3);
  for (std::size_t i = 0; i < samples.labels.size(); ++i) {
    const auto row = samples.logits.begin() + static_cast<std::ptrdiff_t>(3 * i);
    samples.labels[i] = static_cast<std::uint16_t>(std::min_element(row, row + 3) - row);
  }
  EXPECT_ERROR(fit("vector", samples), ExitCode::input,
               testing::HasSubstr("has no minimum: weights and biases exist that make the label's logit the largest in "
                                  "all of its 100 samples"));
}

TEST(VectorScaling, NeedsClassesThatCannotBeToldApart) {
  // Class 0 is where its logit is positive; nothing tells the others from one another.
  Samples samples = noisy_samples(200, 3);
  for (std::size_t i = 0; i < samples.labels.size(); ++i)
    samples.labels[i] = samples.logits[3 * i] > 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(1 + i % 2);
  EXPECT_ERROR(fit("vector", samples), ExitCode::input,
               testing::HasSubstr("has no minimum: class 0 is told from the others without an error"));
}

}  // namespace
}  // namespace assay
