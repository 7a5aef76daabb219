// max over k != label of z[k] - z[label].
#include <gtest/gtest.h>

#include <cfloat>

#include "cuda/loss_run.hpp"

namespace assay {
namespace {

using Row = std::vector<float>;

TEST(Margin, IsTheBestOtherLogitLessTheLabels) {
  const Row logits = {1.f, 4.f, 2.5f, -3.f};
  EXPECT_EQ(evaluate("margin", logits, {0}).value[0], 3.f);
  EXPECT_EQ(evaluate("margin", logits, {1}).value[0], -1.5f);
  EXPECT_EQ(evaluate("margin", logits, {3}).value[0], 7.f);
  EXPECT_EQ(evaluate("margin", logits, {0}).cotangent, (Row{-1, 1, 0, 0}));
  EXPECT_EQ(evaluate("margin", logits, {1}).cotangent, (Row{0, -1, 1, 0}));
  EXPECT_EQ(evaluate("margin", logits, {3}).cotangent, (Row{0, 1, 0, -1}));
}

TEST(Margin, GivesTiesToTheLowestIndex) {
  EXPECT_EQ(evaluate("margin", {2, 2, 2, 2}, {0}).cotangent, (Row{-1, 1, 0, 0}));
  EXPECT_EQ(evaluate("margin", {2, 2, 2, 2}, {3}).cotangent, (Row{1, 0, 0, -1}));
  EXPECT_EQ(evaluate("margin", {0, 5, 0, 5}, {2}).cotangent, (Row{0, 1, -1, 0}));
  EXPECT_EQ(evaluate("margin", {2, 2, 2, 2}, {0}).value[0], 0.f);
}

TEST(Margin, FindsARivalAmongTheLowestLogitsThereAre) {
  EXPECT_EQ(evaluate("margin", {0.f, -FLT_MAX, -FLT_MAX}, {0}).cotangent, (Row{-1, 1, 0}));
  EXPECT_EQ(evaluate("margin", {0.f, -FLT_MAX, -FLT_MAX}, {0}).value[0], -FLT_MAX);
}

}  // namespace
}  // namespace assay
