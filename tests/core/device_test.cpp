#include "assay/core/device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfloat>
#include <limits>

#include "thrown.hpp"

namespace assay {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Clamp, KeepsWhatIsInsideAndMovesTheRestToTheEnds) {
  EXPECT_EQ(clamp(0.3f, 0.2f, 0.4f), 0.3f);
  EXPECT_EQ(clamp(0.1f, 0.2f, 0.4f), 0.2f);
  EXPECT_EQ(clamp(0.5f, 0.2f, 0.4f), 0.4f);
  EXPECT_EQ(clamp01(-kInfinity), 0.f);
  EXPECT_EQ(clamp01(kInfinity), 1.f);
}

TEST(Clamp, SendsNanToTheLowEnd) {
  EXPECT_EQ(clamp(kNan, 0.2f, 0.4f), 0.2f);
  EXPECT_EQ(clamp01(kNan), 0.f);
}

TEST(Finite, IsFalseForNanAndInfinitiesOnly) {
  for (const float v : {0.f, -0.f, 1.f, -FLT_MAX, FLT_MAX, FLT_TRUE_MIN}) EXPECT_TRUE(finite(v)) << v;
  for (const float v : {kNan, -kNan, kInfinity, -kInfinity}) EXPECT_FALSE(finite(v)) << v;
}

TEST(Images, CountsItsElements) {
  const Images<const float> images{nullptr, 5, 3, 4, 7};
  EXPECT_EQ(images.plane(), 28);
  EXPECT_EQ(images.dim(), 84);
  EXPECT_EQ(images.size(), 420);
}

TEST(RequireCpu, RefusesCuda) {
  require_cpu({});
  EXPECT_ERROR(require_cpu({.backend = Backend::cuda}), ExitCode::device, testing::HasSubstr("CUDA"));
}

TEST(ThrowCudaError, NamesTheCallAndThePlace) {
  EXPECT_ERROR(throw_cuda_error(2, "cudaMalloc(&p, n)", "buffer.cu", 17), ExitCode::device,
               testing::AllOf(testing::HasSubstr("buffer.cu:17"), testing::HasSubstr("cudaMalloc(&p, n)"),
                              testing::HasSubstr("CUDA error 2 (out of memory)")));
}

}  // namespace
}  // namespace assay
