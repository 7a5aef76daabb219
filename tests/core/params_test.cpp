#include "assay/core/params.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::HasSubstr;

const Params kParams = {
    {"steps", std::int64_t{20}}, {"epsilon", 0.25}, {"random_start", true}, {"loss", std::string("margin")}};

TEST(Params, AreReadInTheirType) {
  EXPECT_EQ(integer_param(kParams, "steps"), 20);
  EXPECT_EQ(real_param(kParams, "epsilon"), 0.25);
  EXPECT_TRUE(bool_param(kParams, "random_start"));
  EXPECT_EQ(text_param(kParams, "loss"), "margin");
}

TEST(Params, TakeAWholeNumberForARealOne) {
  EXPECT_EQ(real_param(kParams, "steps"), 20.0);
}

TEST(Params, RefuseAnotherTypeOrName) {
  EXPECT_ERROR(integer_param(kParams, "epsilon"), ExitCode::internal, HasSubstr("epsilon"));
  EXPECT_ERROR(real_param(kParams, "random_start"), ExitCode::internal, HasSubstr("random_start"));
  EXPECT_ERROR(text_param(kParams, "steps"), ExitCode::internal, HasSubstr("steps"));
  EXPECT_ERROR(bool_param(kParams, "loss"), ExitCode::internal, HasSubstr("loss"));
  EXPECT_ERROR(real_param(kParams, "step"), ExitCode::internal, HasSubstr("'step' was not filled in"));
}

TEST(ChoicesOf, AreTheSpecsOwnOrThoseOfARegistry) {
  ParamSpec spec{"table", ParamType::text, "which constants", "auto"};
  spec.choices = {"auto", "32"};
  EXPECT_THAT(choices_of(spec), testing::ElementsAre("auto", "32"));
  spec.registered = [] { return std::vector<std::string>{"margin"}; };
  EXPECT_THAT(choices_of(spec), testing::ElementsAre("margin"));
}

}  // namespace
}  // namespace assay
