// Temperature scaling. Golden: scipy.optimize.brentq of the derivative of the NLL in 1 / T, in float64; the minimum of
// scipy.optimize.minimize (trust-exact), which compares values, agrees to 5e-9.
#include "scalings/held_out.hpp"

namespace assay {
namespace {

TEST(Temperature, MinimisesTheNll) {
  const Parameters fitted = fit("temperature", noisy_samples());
  EXPECT_NEAR(fitted.at("temperature").at(0), 1.2813773031099733, 1e-13);
  EXPECT_LT(fitted.at("gradient").at(0), 1e-12);
}

TEST(Temperature, TakesFewPasses) {
  const Samples samples = noisy_samples();
  HeldOut held_out = samples.blocks();
  int passes = 0;
  held_out.each = [&passes, each = held_out.each](const HeldOut::Visit& visit) {
    ++passes;
    each(visit);
  };
  fit("temperature", held_out);
  EXPECT_LE(passes, 12);
}

TEST(Temperature, IsOneWhereLabelsFollowTheSoftmax) {
  Samples samples = noisy_samples(10000, 5);
  const std::vector<float> p = apply("temperature", {{"temperature", {1}}}, samples);
  Uniform uniform;
  for (std::size_t i = 0; i < samples.labels.size(); ++i) {
    double left = uniform();
    std::uint16_t label = 0;
    while (label < 4 && (left -= static_cast<double>(p[5 * i + label])) >= 0) ++label;
    samples.labels[i] = label;
  }
  EXPECT_NEAR(fit("temperature", samples).at("temperature").at(0), 1, .03);
}

TEST(Temperature, ScalesWithTheLogits) {
  Samples samples = noisy_samples();
  for (float& z : samples.logits) z *= 0x1p-7f;
  EXPECT_NEAR(fit("temperature", samples).at("temperature").at(0), 1.2813773031099733 / 128, 1e-15);
  for (float& z : samples.logits) z *= 0x1p14f;
  EXPECT_NEAR(fit("temperature", samples).at("temperature").at(0), 1.2813773031099733 * 128, 1e-11);
}

TEST(Temperature, IgnoresWhatIsAddedToARow) {
  const Samples samples = noisy_samples();
  Samples moved = samples;
  // Few enough bits that the sums are exact.
  for (std::size_t i = 0; i < moved.logits.size(); ++i) moved.logits[i] += static_cast<float>(i / 4 % 3) - 2;
  const Parameters fitted = fit("temperature", samples);
  EXPECT_EQ(fit("temperature", moved), fitted);
  const std::vector<float> before = apply("temperature", fitted, samples), after = apply("temperature", fitted, moved);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-6);  // logits are float32
}

TEST(Temperature, KeepsThePrediction) {
  const Samples samples = noisy_samples();
  const std::vector<float> p = apply("temperature", fit("temperature", samples), samples);
  for (auto [z, q] = std::pair(samples.logits.begin(), p.begin()); z != samples.logits.end(); z += 4, q += 4)
    EXPECT_EQ(std::max_element(z, z + 4) - z, std::max_element(q, q + 4) - q);
}

TEST(Temperature, GivesRowsOfProbabilities) {
  expect_rows_of_probabilities("temperature", noisy_samples());
  expect_nan_for_logits_that_are_not_finite("temperature");
}

TEST(Temperature, IsTheSameForAnyBlocks) {
  expect_the_same_for_any_blocks("temperature");
}

TEST(Temperature, NamesRowsThatItCannotUse) {
  expect_unusable_rows_to_be_named("temperature");
}

TEST(Temperature, NeedsASampleThatIsWrong) {
  EXPECT_ERROR(fit("temperature", Samples{2, {1, 0, 0, 3, 2, 2}, {0, 1, 1}}), ExitCode::input,
               testing::HasSubstr("has no minimum: in each of its 3 samples no logit is above that of the label"));
}

TEST(Temperature, NeedsLogitsThatDiffer) {
  EXPECT_ERROR(fit("temperature", Samples{2, {1, 1, 3, 3}, {0, 1}}), ExitCode::input,
               testing::HasSubstr("the logits of every sample are equal"));
}

TEST(Temperature, NeedsAMinimumWithinItsBounds) {
  EXPECT_ERROR(fit("temperature", Samples{2, {1, 0, 0, 3}, {1, 0}}), ExitCode::input,
               testing::HasSubstr("no minimum at a temperature between 1/1024 and 1024: it still falls above"));
  EXPECT_ERROR(fit("temperature", Samples{2, {1e-5f, 0, 0, 1e-5f, 1e-5f, 0}, {0, 1, 1}}), ExitCode::input,
               testing::HasSubstr("no minimum at a temperature between 1/1024 and 1024: it still falls below"));
}

}  // namespace
}  // namespace assay
