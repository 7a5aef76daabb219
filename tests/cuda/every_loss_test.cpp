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
  const Loss& entry() const { return *Registry<Loss>::find(GetParam()); }
  /// DLR is constant where the label ranks third, and log p[target] where p[target] rounds to 1.
  bool flat() const { return entry().targeted || entry().scale_free; }
  bool defined_for(std::size_t classes) const { return classes >= static_cast<std::size_t>(entry().min_classes); }
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
  for (const std::size_t classes : {2u, 3u, 4u, 10u, 100u}) {
    if (!defined_for(classes)) continue;
    const std::vector<float> logits = logits_of(6, classes);
    const std::vector<std::uint16_t> label = labels_of(6, classes);
    const Evaluated here = loss(logits, label);
    // Ratios of logits bend as strongly as their denominator is small.
    const float step = entry().scale_free ? 1.f / 1024 : 1.f / 64;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      std::vector<float> up = logits, down = logits;
      up[i] += step;
      down[i] -= step;
      const double slope = (static_cast<double>(loss(up, label).value[i / classes]) -
                            static_cast<double>(loss(down, label).value[i / classes])) /
                           (2 * static_cast<double>(step));
      float steepest = 0;
      for (std::size_t k = 0; k < classes; ++k)
        steepest = std::max(steepest, std::abs(here.cotangent[i / classes * classes + k]));
      ASSERT_NEAR(here.cotangent[i], slope, entry().scale_free ? 1e-3 * static_cast<double>(steepest) : 1e-4)
          << classes << " classes, entry " << i;
    }
  }
}

TEST_P(EveryLoss, IgnoresAConstantAddedToAllLogits) {
  for (const std::size_t classes : {2u, 10u, 200u}) {
    if (!defined_for(classes)) continue;
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

/// Each row's cotangent sums to 0, as it must for a loss that ignores shifts, and holds finite numbers. There is always
/// a direction, unless `flat` ones may be.
void expect_balanced(const std::vector<float>& cotangent, std::size_t classes, bool flat) {
  for (std::size_t at = 0; at < cotangent.size(); at += classes) {
    double sum = 0, size = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      sum += static_cast<double>(cotangent[at + k]);
      size += std::abs(static_cast<double>(cotangent[at + k]));
    }
    EXPECT_NEAR(sum, 0, 2e-6 * std::max(size, 1.0));  // float32 softmax over up to 100 classes
    EXPECT_TRUE(std::isfinite(size));
    EXPECT_TRUE(flat || size > 0);
  }
}

TEST_P(EveryLoss, PullsTheLabelDownByWhatItPushesTheOthersUp) {
  for (const std::size_t classes : {2u, 3u, 4u, 10u, 100u}) {
    if (!defined_for(classes)) continue;
    const Evaluated result = loss(logits_of(7, classes), labels_of(7, classes));
    expect_balanced(result.cotangent, classes, flat());
    if (entry().targeted || entry().scale_free) continue;
    for (std::size_t r = 0; r < 7; ++r)
      for (std::size_t k = 0; k < classes; ++k) {
        const float slope = result.cotangent[r * classes + k];
        EXPECT_TRUE(k == r % classes ? slope < 0.f : slope >= 0.f) << slope;
      }
  }
}

TEST_P(EveryLoss, SaysWhetherItDependsOnTheLogitsScale) {
  const std::vector<float> logits = logits_of(6, 10);
  std::vector<float> doubled = logits;
  for (float& z : doubled) z *= 2;  // exact; 1e-12 is lost in any spread of logits of this size
  EXPECT_EQ(loss(logits, labels_of(6, 10)).value == loss(doubled, labels_of(6, 10)).value, entry().scale_free);
}

TEST_P(EveryLoss, IsZeroTowardsNoClassOrTheLabelItself) {
  if (!entry().targeted) {
    const Evaluated one = evaluate(GetParam(), logits_of(2, 10), {3, 4}, {5, 6}),
                    other = evaluate(GetParam(), logits_of(2, 10), {3, 4}, {0xFFFF, 3});
    EXPECT_EQ(one.value, other.value) << "an untargeted loss reads no target";
    return;
  }
  const Evaluated none = evaluate(GetParam(), logits_of(3, 10), {3, 4, 5}, {3, 0xFFFF, 10});
  for (const float v : none.value) EXPECT_EQ(v, 0.f);
  for (const float v : none.cotangent) EXPECT_EQ(v, 0.f);
}

TEST_P(EveryLoss, HasADirectionOnTies) {
  for (const std::uint16_t label : std::vector<std::uint16_t>{0, 1, 4}) {
    expect_balanced(loss({1, 1, 1, 1, 1}, {label}).cotangent, 5, flat());
    expect_balanced(loss({2, 1, 2, 1, 2}, {label}).cotangent, 5, flat());
  }
}

TEST_P(EveryLoss, HasADirectionOnExtremeLogits) {
  expect_balanced(loss({1e30f, -1e30f, 0.f, 0.f}, {1}).cotangent, 4, flat());
  expect_balanced(loss({-FLT_MAX, -FLT_MAX, -FLT_MAX, -FLT_MAX}, {1}).cotangent, 4, flat());
  expect_balanced(loss({FLT_MAX, FLT_MAX, FLT_MAX, FLT_MAX}, {2}).cotangent, 4, flat());
  expect_balanced(loss({-FLT_MAX, 0.f, -FLT_MAX, -FLT_MAX}, {0}).cotangent, 4, flat());
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
    const Evaluated result =
        loss({broken, broken, broken, broken, 1.f, 2.f, 3.f, 0.f, broken, 2.f, 3.f, 0.f}, {0, 0, 1});
    const Evaluated sound = loss({1.f, 2.f, 3.f, 0.f}, {0});
    EXPECT_EQ(result.value[1], sound.value[0]);
    for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(result.cotangent[4 + k], sound.cotangent[k]);
  }
}

TEST_P(EveryLoss, SaysWhatItIs) {
  const Loss& entry = *Registry<Loss>::find(GetParam());
  EXPECT_FALSE(entry.about.empty());
  EXPECT_GE(entry.min_classes, 2);
}

}  // namespace
}  // namespace assay
