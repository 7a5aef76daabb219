// -log softmax(z)[label] in double, against long double.
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/loss_run.hpp"
#include "data/mutate.hpp"

namespace assay {
namespace {

TEST(CrossEntropyF64, IsMinusTheLogOfTheLabelsProbabilityRoundedOnce) {
  Lcg random(8);
  for (const std::size_t classes : {2u, 10u, 1000u})
    for (const float spread : {0.01f, 1.f, 30.f, 300.f}) {
      std::vector<float> logits;
      for (std::size_t k = 0; k < classes; ++k)
        logits.push_back(spread * (static_cast<float>(random.below(2001)) / 1000.f - 1.f));
      const auto label = static_cast<std::uint16_t>(random.below(classes));
      const Evaluated result = evaluate("cross_entropy_f64", logits, {label});
      long double sum = 0;
      for (const float z : logits) sum += std::exp(static_cast<long double>(z) - 300.L);
      const long double log_sum = std::log(sum) + 300.L;
      const auto expected = static_cast<double>(log_sum - static_cast<long double>(logits[label]));
      EXPECT_NEAR(result.value[0], expected, 1e-7 * expected + 1e-12) << classes << " " << spread;
      for (std::size_t k = 0; k < classes; ++k) {
        const long double p = std::exp(static_cast<long double>(logits[k]) - log_sum);
        const auto slope = static_cast<double>(p - (k == label ? 1.L : 0.L));
        ASSERT_NEAR(result.cotangent[k], slope, 1e-7 * std::abs(slope) + 1e-15) << classes << " " << spread << " " << k;
      }
    }
}

// 1 - p[label] is 0 in float32 arithmetic from a gap of 17 on, in double from 37 on.
TEST(CrossEntropyF64, KeepsTheLabelsShareWhereSubtractionLosesIt) {
  for (const float gap : {25.f, 40.f, 80.f}) {
    const Evaluated result = evaluate("cross_entropy_f64", {gap, 0.f, 0.f}, {0});
    const double p = std::exp(-static_cast<double>(gap));
    EXPECT_NEAR(result.cotangent[0], -2 * p, 1e-6 * p) << gap;
    EXPECT_NEAR(result.cotangent[1], p, 1e-6 * p) << gap;
  }
  EXPECT_NEAR(evaluate("cross_entropy_f64", {25.f, 0.f}, {0}).value[0], std::exp(-25.0), 1e-4 * std::exp(-25.0));
}

TEST(CrossEntropyF64, DoesNotOverflow) {
  EXPECT_EQ(evaluate("cross_entropy_f64", {3e38f, -1e38f, 0.f}, {0}).value[0], 0.f);
  EXPECT_EQ(evaluate("cross_entropy_f64", {1e30f, 0.f}, {1}).value[0], 1e30f);
}

}  // namespace
}  // namespace assay
