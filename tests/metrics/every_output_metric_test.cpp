// What holds for every metric of all classes' probabilities, over the registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/mutate.hpp"
#include "metrics/output_run.hpp"
#include "registered.hpp"

namespace assay {
namespace {

constexpr int kClasses = 70;  // more than one thread has to itself
constexpr std::int64_t kSamples = 900;

/// Probabilities in 64ths, so that bins' edges and ties occur; every eleventh sample undecided.
SomeOutputs some_outputs(bool backwards = false) {
  std::vector<float> p(static_cast<std::size_t>(kSamples * kClasses));
  std::vector<std::uint16_t> labels(static_cast<std::size_t>(kSamples));
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const std::int64_t at = backwards ? kSamples - 1 - i : i;
    Lcg random(static_cast<std::uint32_t>(i + 1));
    float* const row = p.data() + at * kClasses;
    for (int part = 0; part < 64; ++part) row[random.below(random.below(kClasses) + 1)] += 1.f / 64;
    labels[static_cast<std::size_t>(at)] = static_cast<std::uint16_t>(random.below(random.below(kClasses) + 1));
    if (i % 11 == 0) row[3] = NAN;
  }
  return {kClasses, p, labels};
}

class EveryOutputMetric : public testing::TestWithParam<std::string> {
 protected:
  static constexpr double kThreshold = 0.8;
  const OutputMetric& metric() const { return *Registry<OutputMetric>::find(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Registered, EveryOutputMetric, testing::ValuesIn(registered_names<OutputMetric>()), by_name);

TEST_P(EveryOutputMetric, HasTheSameStateForEveryOrderAndSplit) {
  const SomeOutputs outputs = some_outputs(), backwards = some_outputs(true);
  auto whole = empty_state(metric(), kClasses), other = whole;
  metric().reduce(outputs.all(), kThreshold, whole.data());
  EXPECT_THAT(whole, testing::Contains(testing::Gt(0u)));
  metric().reduce(backwards.all(), kThreshold, other.data());
  EXPECT_EQ(other, whole);
  for (const std::int64_t size : {1, 7, 256}) {
    auto merged = empty_state(metric(), kClasses);
    for (std::int64_t first = 0; first < kSamples; first += size) {
      auto own = empty_state(metric(), kClasses);
      metric().reduce(outputs.part(first, std::min(size, kSamples - first)), kThreshold, own.data());
      for (std::size_t w = 0; w < own.size(); ++w) merged[w] += own[w];
    }
    EXPECT_EQ(merged, whole) << size;
  }
}

TEST_P(EveryOutputMetric, IsUndefinedForAReasonWithoutSamples) {
  const auto state = empty_state(metric(), kClasses);
  const Estimate estimate = metric().finish(state.data(), kClasses);
  EXPECT_TRUE(std::isnan(estimate.value));
  EXPECT_FALSE(estimate.undefined.empty());
}

TEST_P(EveryOutputMetric, GivesNoCreditForUndecidedSamples) {
  const SomeOutputs outputs(3, {NAN, 0, 0, NAN, 0, 0}, {0, 1});
  const double value = measure(GetParam(), outputs, kThreshold).value;
  EXPECT_TRUE(std::isnan(value) || value == 0) << value;
}

TEST_P(EveryOutputMetric, SaysWhatItIsAndIsNoMetricOfRows) {
  EXPECT_FALSE(metric().definition.empty());
  EXPECT_EQ(Registry<Metric>::find(GetParam()), nullptr);
}

}  // namespace
}  // namespace assay
