// Confidence as a score of being right. Goldens: scikit-learn 1.9.1, with ties.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "assay/rank.hpp"
#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

TEST(Misclassification, IsJudgedAsByScikitLearn) {
  const auto value = [](const char* name) { return measure(name, many_bins(90)).value; };
  EXPECT_NEAR(value("misclassification_auroc"), 0.7812187812187812, 1e-15);         // roc_auc_score
  EXPECT_NEAR(value("misclassification_aupr_success"), 0.9451731688350903, 1e-15);  // average_precision_score
  EXPECT_NEAR(value("misclassification_aupr_error"), 0.42424491932614894, 1e-15);   // of -score and 1 - right
  EXPECT_NEAR(value("misclassification_fpr95"), 0.6923076923076923, 1e-15);         // roc_curve, first tpr >= .95
  EXPECT_NEAR(value("misclassification_fpr95_error"), 0.8701298701298701, 1e-15);
}

TEST(Misclassification, AreaByTrapezoidsIsScikitLearnsToo) {
  const auto value = [](const char* name) { return measure(name, many_bins(90)).value; };
  EXPECT_NEAR(value("misclassification_aupr_success_trapezoid"), 0.9484270819063308, 1e-15);  // auc of
  EXPECT_NEAR(value("misclassification_aupr_error_trapezoid"), 0.48175625223424445, 1e-15);   // precision_recall_curve
}

TEST(Misclassification, IsPerfectWhereAllRightSamplesAreTheSurest) {
  const std::vector<SampleRow> rows = {sample(.9f, true), sample(.8f, true), sample(.7f, false)};
  for (const char* name : {"misclassification_auroc", "misclassification_aupr_success", "misclassification_aupr_error",
                           "misclassification_aupr_success_trapezoid", "misclassification_aupr_error_trapezoid"})
    EXPECT_EQ(measure(name, rows).value, 1) << name;
  for (const char* name : {"misclassification_fpr95", "misclassification_fpr95_error"})
    EXPECT_EQ(measure(name, rows).value, 0) << name;
}

TEST(Misclassification, CountsATieHalf) {
  const std::vector<SampleRow> rows = {sample(.5f, true), sample(.5f, false), sample(.5f, false), sample(.5f, true)};
  EXPECT_EQ(measure("misclassification_auroc", rows).value, .5);
  EXPECT_EQ(measure("misclassification_aupr_success", rows).value, .5);
  EXPECT_EQ(measure("misclassification_fpr95", rows).value, 1);
}

TEST(Misclassification, IsUndefinedForAReasonWithOneKindOfSample) {
  for (const char* name : {"misclassification_auroc", "misclassification_aupr_success", "misclassification_aupr_error",
                           "misclassification_aupr_success_trapezoid", "misclassification_aupr_error_trapezoid",
                           "misclassification_fpr95", "misclassification_fpr95_error"}) {
    EXPECT_TRUE(std::isnan(measure(name, {sample(.5f, true)}).value));
    EXPECT_EQ(measure(name, {sample(.5f, true)}).undefined, "no sample is wrong");
    EXPECT_EQ(measure(name, {sample(.5f, false)}).undefined, "no sample is right");
  }
}

// Beyond 2^24, where a float32 loses count, and 2^64, where a product of counts does not fit.
TEST(Misclassification, CountsExactly) {
  constexpr std::uint64_t kMany = std::uint64_t{1} << 40;
  const Ranking ranking = {{.25f, kMany, 0}, {.5f, 2 * kMany, kMany}, {.75f, kMany + 1, kMany + 1}};
  const double hits = 2.0 * static_cast<double>(kMany) + 1, others = 2.0 * static_cast<double>(kMany);
  const double above = static_cast<double>(kMany) * 1.5 + (static_cast<double>(kMany) + 1) * 2;
  EXPECT_NEAR(auroc(ranking), above / others / hits * static_cast<double>(kMany), 1e-12);
  const std::vector<SampleRow> rows(((1u << 24) + 1), sample(.5f, true));
  EXPECT_EQ(count(by_confidence(rows)).hits, (1u << 24) + 1);
}

TEST(Misclassification, RanksEveryFloat) {
  std::vector<SampleRow> rows;
  float confidence = 1.f;
  for (int i = 0; i < 200; ++i, confidence = std::nextafter(confidence, 0.f) * (i % 7 == 0 ? .5f : 1.f))
    rows.push_back(sample(confidence, i % 2 == 0));
  rows.push_back(sample(0.f, true));
  rows.push_back(sample(std::numeric_limits<float>::denorm_min(), true));
  const Ranking ranking = by_confidence(rows);
  ASSERT_EQ(ranking.size(), rows.size());
  EXPECT_TRUE(std::ranges::is_sorted(ranking, {}, &Ties::score));
  EXPECT_EQ(ranking.front().score, 0.f);
  EXPECT_EQ(ranking.back().score, 1.f);
}

}  // namespace
}  // namespace assay
