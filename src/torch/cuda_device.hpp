#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "assay/core/device.hpp"

// CUDA devices: what is there, and one that is open. Includes neither torch nor CUDA; a build without CUDA finds none.
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

/// Looks once a process; later calls give the same answer.
const CudaSurvey& cuda_survey();

/// What CUDA's code for "no device", given these versions, means to a user: the driver is missing or too old, or there
/// is no device.
std::string explain_cuda(int code, const std::string& text, int driver, int runtime);

/// An open device. Its stream is also LibTorch's current one on this thread, so that our launches and LibTorch's are
/// ordered on one stream, and its memory comes from LibTorch's caching allocator. Outlives all that is computed there;
/// is destroyed on the thread that made it.
class CudaDevice {
 public:
  /// Also tells LibTorch, for the whole process, to compute in float32 proper and the same way each time. Throws
  /// assay::Error (exit 69) where the device cannot be used.
  explicit CudaDevice(int index);
  ~CudaDevice();
  Exec exec() const;
  std::string describe() const;
  /// What decides a model's bits on this device besides the model.
  std::map<std::string, std::string> numerics() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// After `why` went wrong on exec's device: throws assay::Error (exit 69) where that device does not answer any more,
/// as after an illegal access or an ECC error. Returns where only the call failed, which is then forgotten.
void throw_if_lost(const Exec& exec, const std::string& why);

}  // namespace assay
