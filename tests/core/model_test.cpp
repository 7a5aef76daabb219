#include "assay/model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::HasSubstr;

class SlowModel final : public Model {
 public:
  bool fails = false;
  int classes() const override { return 1; }

 protected:
  const float* do_forward(const Exec&, Images<const float>, bool) override {
    if (fails) throw Error(ExitCode::internal, "failed on purpose");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return &value_;
  }
  const float* do_vjp(const Exec&, const float*, bool) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return &value_;
  }

 private:
  float value_ = 0;
};

Images<const float> rows(std::int64_t n) {
  return {nullptr, n, 1, 1, 1};
}

TEST(Model, CountsAPassForEveryRow) {
  SlowModel model;
  model.forward({}, rows(5), false);
  model.forward({}, rows(3), true);
  model.vjp({}, nullptr);
  EXPECT_EQ(model.passes().forward, 8u);
  EXPECT_EQ(model.passes().backward, 3u);
}

TEST(Model, TimesBothPasses) {
  SlowModel model;
  model.forward({}, rows(1), true);
  const double forward = model.seconds();
  model.vjp({}, nullptr);
  EXPECT_GE(forward, 0.002);
  EXPECT_GE(model.seconds(), forward + 0.002);
}

TEST(Model, AnswersOneVjpAForward) {
  SlowModel model;
  model.forward({}, rows(1), true);
  model.vjp({}, nullptr);
  EXPECT_ERROR(model.vjp({}, nullptr), ExitCode::internal, HasSubstr("vjp"));
}

TEST(Model, RefusesAVjpAfterAForwardWithoutGradients) {
  SlowModel model;
  model.forward({}, rows(1), true);
  model.forward({}, rows(1), false);
  EXPECT_ERROR(model.vjp({}, nullptr), ExitCode::internal, HasSubstr("differentiable forward"));
}

TEST(Model, RefusesAVjpAfterAForwardThatFailed) {
  SlowModel model;
  model.forward({}, rows(1), true);
  model.fails = true;
  EXPECT_ERROR(model.forward({}, rows(1), true), ExitCode::internal, HasSubstr("on purpose"));
  EXPECT_ERROR(model.vjp({}, nullptr), ExitCode::internal, HasSubstr("vjp"));
}

TEST(Model, CountsNothingForAForwardThatFailed) {
  SlowModel model;
  model.fails = true;
  EXPECT_ERROR(model.forward({}, rows(4), true), ExitCode::internal, HasSubstr("on purpose"));
  EXPECT_EQ(model.passes().forward, 0u);
}

TEST(Model, RefusesAnEmptyBatch) {
  SlowModel model;
  EXPECT_ERROR(model.forward({}, rows(0), false), ExitCode::internal, HasSubstr("0 images"));
}

}  // namespace
}  // namespace assay
