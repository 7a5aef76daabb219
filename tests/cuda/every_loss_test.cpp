// What holds for every loss that an attack may maximise, over the registry.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "cuda/loss_run.hpp"
#include "data/mutate.hpp"
#include "registered.hpp"

namespace assay {
namespace {

class EveryLoss : public testing::TestWithParam<std::string> {
 protected:
  Evaluated loss(const std::vector<float>& logits, const std::vector<std::uint16_t>& label) const {
    return evaluate(GetParam(), logits, label);
  }
};
INSTANTIATE_TEST_SUITE_P(Registered, EveryLoss, testing::ValuesIn(registered_names<Loss>()), by_name);

/// Multiples of 1/32 in (-4, 4), no two of a row closer than 1/32: away from ties, and exact when shifted.
std::vector<float> logits_of(std::size_t rows, std::size_t classes) {
  Lcg random(31);
  std::vector<float> logits;
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<float> row;
    while (row.size() < classes) {
      const float z = static_cast<float>(random.below(255)) / 32.f - 4.f;
      if (std::ranges::find(row, z) == row.end()) row.push_back(z);
    }
    logits.insert(logits.end(), row.begin(), row.end());
  }
  return logits;
}
std::vector<std::uint16_t> labels_of(std::size_t rows, std::size_t classes) {
  std::vector<std::uint16_t> label;
  for (std::size_t r = 0; r < rows; ++r) label.push_back(static_cast<std::uint16_t>(r % classes));
  return label;
}

// Central differences of step 1/64: h^2 / 6 of a third derivative below 1 is 4e-5; float32 values add 1e-7 / h = 3e-5.
TEST_P(EveryLoss, HasTheCotangentThatDifferencesGive) {
  for (const std::size_t classes : {2u, 3u, 10u, 100u}) {
    const std::vector<float> logits = logits_of(6, classes);
    const std::vector<std::uint16_t> label = labels_of(6, classes);
    const Evaluated here = loss(logits, label);
    constexpr float kStep = 1.f / 64;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      std::vector<float> up = logits, down = logits;
      up[i] += kStep;
      down[i] -= kStep;
      const double slope = (static_cast<double>(loss(up, label).value[i / classes]) -
                            static_cast<double>(loss(down, label).value[i / classes])) /
                           (2 * static_cast<double>(kStep));
      ASSERT_NEAR(here.cotangent[i], slope, 1e-4) << classes << " classes, entry " << i;
    }
  }
}

TEST_P(EveryLoss, IgnoresAConstantAddedToAllLogits) {
  for (const std::size_t classes : {2u, 10u, 200u}) {
    const std::vector<float> logits = logits_of(5, classes);
    const std::vector<std::uint16_t> label = labels_of(5, classes);
    const Evaluated here = loss(logits, label);
    for (const float shift : {-65536.f, 1024.f, 65536.f}) {  // exact: multiples of 1/32 below 2^17
      std::vector<float> shifted = logits;
      for (float& z : shifted) z += shift;
      const Evaluated there = loss(shifted, label);
      EXPECT_EQ(there.value, here.value) << shift;
      EXPECT_EQ(there.cotangent, here.cotangent) << shift;
    }
  }
}

/// Each row's cotangent sums to 0, as it must for a loss that ignores shifts, and holds finite numbers.
void expect_balanced(const std::vector<float>& cotangent, std::size_t classes) {
  for (std::size_t at = 0; at < cotangent.size(); at += classes) {
    double sum = 0, size = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      sum += static_cast<double>(cotangent[at + k]);
      size += std::abs(static_cast<double>(cotangent[at + k]));
    }
    EXPECT_NEAR(sum, 0, 2e-6);  // float32 softmax over up to 100 classes
    EXPECT_TRUE(std::isfinite(size));
    EXPECT_GT(size, 0);  // there is always a direction
  }
}

TEST_P(EveryLoss, PullsTheLabelDownByWhatItPushesTheOthersUp) {
  for (const std::size_t classes : {2u, 3u, 10u, 100u}) {
    const Evaluated result = loss(logits_of(7, classes), labels_of(7, classes));
    expect_balanced(result.cotangent, classes);
    for (std::size_t r = 0; r < 7; ++r)
      for (std::size_t k = 0; k < classes; ++k) {
        const float slope = result.cotangent[r * classes + k];
        EXPECT_TRUE(k == r % classes ? slope < 0.f : slope >= 0.f) << slope;
      }
  }
}

TEST_P(EveryLoss, HasADirectionOnTies) {
  for (const std::uint16_t label : std::vector<std::uint16_t>{0, 1, 4}) {
    expect_balanced(loss({1, 1, 1, 1, 1}, {label}).cotangent, 5);
    expect_balanced(loss({2, 1, 2, 1, 2}, {label}).cotangent, 5);
  }
}

TEST_P(EveryLoss, HasADirectionOnExtremeLogits) {
  expect_balanced(loss({1e30f, -1e30f, 0.f}, {1}).cotangent, 3);
  expect_balanced(loss({-FLT_MAX, -FLT_MAX, -FLT_MAX}, {1}).cotangent, 3);
  expect_balanced(loss({FLT_MAX, FLT_MAX, FLT_MAX}, {2}).cotangent, 3);
  expect_balanced(loss({-FLT_MAX, 0.f, -FLT_MAX}, {0}).cotangent, 3);
}

TEST_P(EveryLoss, TreatsEachRowAlone) {
  constexpr std::size_t kClasses = 10;
  const std::vector<float> logits = logits_of(40, kClasses);
  const std::vector<std::uint16_t> label = labels_of(40, kClasses);
  const Evaluated together = loss(logits, label);
  for (std::size_t r = 0; r < label.size(); ++r) {
    const auto at = static_cast<std::ptrdiff_t>(r * kClasses);
    const Evaluated alone = loss({logits.begin() + at, logits.begin() + at + kClasses}, {label[r]});
    EXPECT_EQ(alone.value[0], together.value[r]);
    EXPECT_EQ(alone.cotangent,
              (std::vector<float>{together.cotangent.begin() + at, together.cotangent.begin() + at + kClasses}));
  }
}

// A broken row must not break its neighbours or write outside its own memory (what the sanitizer sees).
TEST_P(EveryLoss, SurvivesNonFiniteLogits) {
  for (const float broken : {std::nanf(""), INFINITY, -INFINITY}) {
    const Evaluated result = loss({broken, broken, broken, 1.f, 2.f, 3.f, broken, 2.f, 3.f}, {0, 0, 1});
    const Evaluated sound = loss({1.f, 2.f, 3.f}, {0});
    EXPECT_EQ(result.value[1], sound.value[0]);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(result.cotangent[3 + k], sound.cotangent[k]);
  }
}

TEST_P(EveryLoss, SaysWhatItIs) {
  const Loss& entry = *Registry<Loss>::find(GetParam());
  EXPECT_FALSE(entry.about.empty());
  EXPECT_GE(entry.min_classes, 2);
}

}  // namespace
}  // namespace assay
