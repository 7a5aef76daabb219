#pragma once
#include <cstdint>
#include <string>
#include <vector>

// What was found of CUDA on a machine, and how a user is told. src/torch looks.
namespace assay {

struct CudaDeviceInfo {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  std::uint64_t memory = 0;  ///< bytes
  std::string capability() const;
  /// "cuda:0 (NVIDIA H200, compute capability 9.0, 139.8 GiB)"
  std::string describe(int index) const;
};

/// CUDA on this machine.
struct CudaSurvey {
  bool built = false;           ///< this program has the CUDA backend
  int runtime = 0, driver = 0;  ///< 13000 is CUDA 13.0; 0: none
  std::vector<CudaDeviceInfo> devices;
  std::string why_none;  ///< why `devices` is empty
  /// Why the device with this index cannot be used; empty: it can.
  std::string why_not(int index) const;
};

/// 13000 as 13.0.
std::string cuda_version(int version);

/// What CUDA's code for "no device", given these versions, means to a user: the driver is missing or too old, or there
/// is no device.
std::string explain_cuda(int code, const std::string& text, int driver, int runtime);

}  // namespace assay
