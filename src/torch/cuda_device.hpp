#pragma once
#include <map>
#include <memory>
#include <string>

#include "assay/core/device.hpp"
#include "core/cuda_survey.hpp"

// CUDA devices: what is there, and one that is open. Includes neither torch nor CUDA; a build without CUDA finds none.
namespace assay {

/// Looks once a process; later calls give the same answer.
const CudaSurvey& cuda_survey();

/// An open device. Its stream is also LibTorch's current one on the thread that opened it, so that our launches and
/// LibTorch's are ordered on one stream, and its memory comes from LibTorch's caching allocator. Outlives all that is
/// computed there; is destroyed on that thread.
class CudaDevice {
 public:
  virtual ~CudaDevice() = default;
  virtual Exec exec() const = 0;
  virtual std::string describe() const = 0;
  /// What decides a model's bits on this device besides the model.
  virtual std::map<std::string, std::string> numerics() const = 0;
};

/// Also tells LibTorch, for the whole process, to compute in float32 proper and the same way each time. Throws
/// assay::Error (exit 69) where the device cannot be used.
std::unique_ptr<CudaDevice> open_cuda(int index);

/// After `why` went wrong on exec's device: throws assay::Error (exit 69) where that device does not answer any more,
/// as after an illegal access or an ECC error. Returns where only the call failed, which is then forgotten.
void throw_if_lost(const Exec& exec, const std::string& why);

}  // namespace assay
