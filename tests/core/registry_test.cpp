#include "assay/core/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay {
namespace {

struct Fruit {
  int weight;
};
const Registry<Fruit>::Add kPear{"pear", {180}};
const Registry<Fruit>::Add kApple{"apple", {200}};

TEST(Registry, FindsByNameWhatWasAdded) {
  ASSERT_NE(Registry<Fruit>::find("pear"), nullptr);
  EXPECT_EQ(Registry<Fruit>::find("pear")->weight, 180);
  EXPECT_EQ(Registry<Fruit>::find("apple")->weight, 200);
}

TEST(Registry, FindsNothingUnderAnotherName) {
  EXPECT_EQ(Registry<Fruit>::find("Pear"), nullptr);
  EXPECT_EQ(Registry<Fruit>::find(""), nullptr);
}

TEST(Registry, ListsByName) {
  std::vector<std::string> names;
  for (const auto& [name, fruit] : Registry<Fruit>::all()) names.push_back(name);
  EXPECT_THAT(names, testing::ElementsAre("apple", "pear"));
}

TEST(Registry, RefusesANameTwiceAndKeepsTheFirst) {
  try {
    const Registry<Fruit>::Add again{"pear", {1}};
    FAIL() << "registered twice";
  } catch (const std::logic_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("pear"));
  }
  EXPECT_EQ(Registry<Fruit>::find("pear")->weight, 180);
}

}  // namespace
}  // namespace assay
