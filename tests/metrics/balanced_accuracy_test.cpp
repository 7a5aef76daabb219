// Golden: scikit-learn 1.9.1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "assay/core/error.hpp"
#include "metrics/output_run.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

SomeOutputs predicted(int classes, const std::vector<int>& predictions, std::vector<std::uint16_t> labels) {
  std::vector<float> p(static_cast<std::size_t>(classes) * labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (predictions[i] < 0)
      p[i * static_cast<std::size_t>(classes)] = NAN;
    else
      p[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(predictions[i])] = 1;
  return {classes, p, std::move(labels)};
}

TEST(BalancedAccuracy, IsScikitLearns) {
  const SomeOutputs outputs = predicted(4, {0, 1, 0, 0, 1, 2, 2, 1, 0, 2}, {0, 0, 0, 0, 1, 1, 2, 2, 2, 2});
  const Estimate estimate = measure("balanced_accuracy", outputs);
  EXPECT_NEAR(estimate.value, 0.5833333333333334, 1e-15);  // balanced_accuracy_score; class 3 does not occur
  EXPECT_THAT(estimate.curves.at("confusion"),             // confusion_matrix, and a column of undecided ones
              testing::ElementsAre(3, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0));
}

TEST(BalancedAccuracy, CountsUndecidedSamplesAsWrong) {
  const Estimate estimate = measure("balanced_accuracy", predicted(2, {0, -1, 1}, {0, 0, 1}));
  EXPECT_EQ(estimate.value, .75);
  EXPECT_THAT(estimate.curves.at("confusion"), testing::ElementsAre(1, 0, 1, 0, 1, 0));
}

TEST(BalancedAccuracy, ListsWhatIsNotZeroOfManyClasses) {
  const Estimate estimate = measure("balanced_accuracy", predicted(101, {100, 7, -1, 7}, {100, 100, 3, 100}));
  EXPECT_NEAR(estimate.value, 1. / 6, 1e-15);
  EXPECT_FALSE(estimate.curves.contains("confusion"));
  EXPECT_THAT(estimate.curves.at("confusion_label"), testing::ElementsAre(3, 100, 100));
  EXPECT_THAT(estimate.curves.at("confusion_prediction"), testing::ElementsAre(101, 7, 100));
  EXPECT_THAT(estimate.curves.at("confusion_count"), testing::ElementsAre(1, 2, 1));
  EXPECT_EQ(measure("balanced_accuracy", predicted(100, {7}, {7})).curves.at("confusion").size(), 10100u);
}

TEST(BalancedAccuracy, RefusesAMatrixThatFillsTheMemory) {
  const OutputMetric& metric = *Registry<OutputMetric>::find("balanced_accuracy");
  EXPECT_EQ(metric.words(4096), 4096 * 4097);
  EXPECT_ERROR(metric.words(21843), ExitCode::usage, testing::HasSubstr("21843 classes, expected at most 4096"));
}

}  // namespace
}  // namespace assay
