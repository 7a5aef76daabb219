#include "core/cuda_survey.hpp"

#include <cstdio>

namespace assay {
namespace {

// As CUDA numbers its errors; here too, so that what they mean is tested in a build without CUDA.
constexpr int kInsufficientDriver = 35, kNoDevice = 100;
constexpr int kOldest = 8;  // compute capability; what the kernels are compiled for begins there

}  // namespace

std::string cuda_version(int version) {
  return std::to_string(version / 1000) + '.' + std::to_string(version % 1000 / 10);
}

std::string explain_cuda(int code, const std::string& text, int driver, int runtime) {
  if ((code == kInsufficientDriver || code == kNoDevice) && driver == 0) return "no NVIDIA driver was found";
  if (code == kInsufficientDriver) {
    return "the NVIDIA driver is too old: found one for CUDA " + cuda_version(driver) + ", expected " +
           cuda_version(runtime / 1000 * 1000) + " or later";
  }
  if (code == kNoDevice || code == 0) return "the NVIDIA driver sees no device";
  return "CUDA does not start: " + text + " (error " + std::to_string(code) + ")";
}

std::string CudaDeviceInfo::capability() const {
  return std::to_string(major) + '.' + std::to_string(minor);
}

std::string CudaDeviceInfo::describe(int index) const {
  char gib[32];
  std::snprintf(gib, sizeof gib, "%.1f GiB", static_cast<double>(memory) / (1 << 30));
  return "cuda:" + std::to_string(index) + " (" + name + ", compute capability " + capability() + ", " + gib + ")";
}

std::string CudaSurvey::why_not(int index) const {
  if (devices.empty()) return why_none;
  const auto count = static_cast<int>(devices.size());
  if (index < 0 || index >= count) {
    return count == 1
               ? "there is one CUDA device, cuda:0"
               : "there are " + std::to_string(count) + " CUDA devices, cuda:0 to cuda:" + std::to_string(count - 1);
  }
  const CudaDeviceInfo& device = devices[static_cast<std::size_t>(index)];
  if (device.major >= kOldest) return {};
  return "cuda:" + std::to_string(index) + " (" + device.name + ") has compute capability " + device.capability() +
         ", expected " + std::to_string(kOldest) + ".0 or above";
}

}  // namespace assay
