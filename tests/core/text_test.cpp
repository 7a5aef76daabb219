#include "core/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace assay {
namespace {

const std::vector<std::string> kNames = {"epsilon", "steps", "step", "random_start", "loss"};

TEST(Nearest, ForgivesAChangeALossAndAnAddition) {
  EXPECT_EQ(nearest("epsilom", kNames), "epsilon");
  EXPECT_EQ(nearest("epsilo", kNames), "epsilon");
  EXPECT_EQ(nearest("eepsilon", kNames), "epsilon");
  EXPECT_EQ(nearest("randomstart", kNames), "random_start");
}

TEST(Nearest, PrefersTheNameItself) {
  EXPECT_EQ(nearest("step", kNames), "step");
}

TEST(Nearest, PrefersTheFirstOfEquallyNearNames) {
  EXPECT_EQ(nearest("ab", {"ax", "ay"}), "ax");
}

TEST(Nearest, AllowsHalfOfTheNameToDifferAndNoMore) {
  EXPECT_EQ(nearest("abcd", {"abxy"}), "abxy");
  EXPECT_EQ(nearest("abcd", {"axyz"}), "");
  EXPECT_EQ(nearest("a", {"b"}), "b");  // one change is always allowed
  EXPECT_EQ(nearest("a", {"bc"}), "");
}

TEST(Nearest, HasNothingToSayWithoutCandidates) {
  EXPECT_EQ(nearest("epsilon", {}), "");
}

TEST(DidYouMean, NamesTheNearestOrElseAll) {
  EXPECT_EQ(did_you_mean("epsilom", kNames), "did you mean 'epsilon'?");
  EXPECT_EQ(did_you_mean("zzzzzz", {"a", "b"}), "one of: a, b");
}

TEST(Join, PutsTheSeparatorBetweenParts) {
  EXPECT_EQ(join({}), "");
  EXPECT_EQ(join({"a"}), "a");
  EXPECT_EQ(join({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(join({"a", "b"}, "/"), "a/b");
}

TEST(Keys, AreSorted) {
  EXPECT_THAT(keys(std::map<std::string, int>{{"b", 1}, {"a", 2}}), testing::ElementsAre("a", "b"));
}

}  // namespace
}  // namespace assay
