#include "torch/cuda_device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "thrown.hpp"

// What holds with and without a device, in builds with and without CUDA.
namespace assay {
namespace {
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(CudaSurvey, IsMadeOnceAndGivesDevicesOrAReason) {
  EXPECT_EQ(&cuda_survey(), &cuda_survey());
  EXPECT_EQ(cuda_survey().devices.empty(), !cuda_survey().why_none.empty());
}

TEST(CudaDevice, ThatIsNotThereCannotBeOpened) {
  const int beyond = static_cast<int>(cuda_survey().devices.size());
  EXPECT_ERROR(open_cuda(beyond), ExitCode::device, HasSubstr(cuda_survey().why_not(beyond)));
}

TEST(ThrowIfLost, LeavesTheCpuAlone) {
  throw_if_lost({}, "a layer failed");
}

TEST(ThrowIfLost, EndsARunWhoseDeviceDoesNotAnswer) {
  if (!cuda_survey().devices.empty()) GTEST_SKIP() << "this machine's device answers";
  EXPECT_ERROR(throw_if_lost({.backend = Backend::cuda}, "a layer failed"), ExitCode::device, Not(IsEmpty()));
}

}  // namespace
}  // namespace assay
