#include "core/cuda_survey.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay {
namespace {
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kInsufficientDriver = 35, kNoDevice = 100, kSystemNotReady = 802, kRuntime = 13020;

CudaSurvey survey_of(std::vector<CudaDeviceInfo> devices) {
  CudaSurvey survey;
  survey.devices = std::move(devices);
  survey.why_none = "none was looked for";
  return survey;
}

const CudaDeviceInfo kOld{"Tesla T4", 7, 5, std::uint64_t{16} << 30};
const CudaDeviceInfo kNew{"NVIDIA H200", 9, 0, std::uint64_t{139} << 30};

TEST(ExplainCuda, TellsAMissingDriverFromAnOldOneAndFromNoDevice) {
  EXPECT_EQ(explain_cuda(kInsufficientDriver, "", 0, kRuntime), "no NVIDIA driver was found");
  EXPECT_EQ(explain_cuda(kNoDevice, "", 0, kRuntime), "no NVIDIA driver was found");
  // A driver runs every runtime of its major version.
  EXPECT_EQ(explain_cuda(kInsufficientDriver, "", 12080, kRuntime),
            "the NVIDIA driver is too old: found one for CUDA 12.8, expected 13.0 or later");
  EXPECT_EQ(explain_cuda(kNoDevice, "", 13000, kRuntime), "the NVIDIA driver sees no device");
  EXPECT_EQ(explain_cuda(0, "no error", 13000, kRuntime), "the NVIDIA driver sees no device");
  EXPECT_EQ(explain_cuda(kSystemNotReady, "system not yet initialized", 13000, kRuntime),
            "CUDA does not start: system not yet initialized (error 802)");
}

TEST(CudaSurvey, SaysWhyADeviceCannotBeUsed) {
  EXPECT_EQ(survey_of({}).why_not(0), "none was looked for");
  EXPECT_THAT(survey_of({kNew, kOld}).why_not(0), IsEmpty());
  EXPECT_EQ(survey_of({kNew, kOld}).why_not(1), "cuda:1 (Tesla T4) has compute capability 7.5, expected 8.0 or above");
  EXPECT_EQ(survey_of({kNew}).why_not(1), "there is one CUDA device, cuda:0");
  EXPECT_EQ(survey_of({kNew, kNew}).why_not(2), "there are 2 CUDA devices, cuda:0 to cuda:1");
  EXPECT_THAT(survey_of({kNew}).why_not(-1), Not(IsEmpty()));
}

TEST(CudaDeviceInfo, IsDescribedInOneLine) {
  EXPECT_EQ(kNew.describe(3), "cuda:3 (NVIDIA H200, compute capability 9.0, 139.0 GiB)");
  EXPECT_EQ(cuda_version(13000), "13.0");
  EXPECT_EQ(cuda_version(12080), "12.8");
}

}  // namespace
}  // namespace assay
