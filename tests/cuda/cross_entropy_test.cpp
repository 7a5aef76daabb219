// -log softmax(z)[label] in float32, against long double.
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/loss_run.hpp"
#include "data/mutate.hpp"

namespace assay {
namespace {

// Float32 adds up to 1000 terms in order (some 1e-6) and rounds z - top - log(sum) at up to 600 (3e-5 of a p that is
// then nothing).
TEST(CrossEntropy, IsMinusTheLogOfTheLabelsProbability) {
  Lcg random(8);
  for (const std::size_t classes : {2u, 10u, 1000u})
    for (const float spread : {0.01f, 1.f, 30.f, 300.f}) {
      std::vector<float> logits;
      for (std::size_t k = 0; k < classes; ++k)
        logits.push_back(spread * (static_cast<float>(random.below(2001)) / 1000.f - 1.f));
      const auto label = static_cast<std::uint16_t>(random.below(classes));
      const Evaluated result = evaluate("cross_entropy", logits, {label});
      long double sum = 0;
      for (const float z : logits) sum += std::exp(static_cast<long double>(z) - 300.L);
      const long double log_sum = std::log(sum) + 300.L;
      const auto expected = static_cast<double>(log_sum - static_cast<long double>(logits[label]));
      EXPECT_NEAR(result.value[0], expected, 2e-6 + 2e-7 * expected) << classes << " " << spread;
      for (std::size_t k = 0; k < classes; ++k) {
        const long double p = std::exp(static_cast<long double>(logits[k]) - log_sum);
        ASSERT_NEAR(result.cotangent[k], static_cast<double>(p - (k == label ? 1.L : 0.L)), 1e-6)
            << classes << " " << spread << " " << k;
      }
    }
}

// As torch.nn.functional.cross_entropy of [80, 0]: 1 + exp(-80) is 1 in float32.
TEST(CrossEntropy, LosesTheLabelsShareWhereFloat32Does) {
  const Evaluated result = evaluate("cross_entropy", {80.f, 0.f}, {0});
  EXPECT_EQ(result.value[0], 0.f);
  EXPECT_EQ(result.cotangent[0], 0.f);
  EXPECT_NEAR(result.cotangent[1], std::exp(-80.0), 1e-6 * std::exp(-80.0));
}

TEST(CrossEntropy, DoesNotOverflow) {
  EXPECT_EQ(evaluate("cross_entropy", {3e38f, -1e37f, 0.f}, {0}).value[0], 0.f);
  EXPECT_EQ(evaluate("cross_entropy", {1e30f, 0.f}, {1}).value[0], 1e30f);
}

}  // namespace
}  // namespace assay
