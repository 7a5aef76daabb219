#include "torch/cuda_device.hpp"

#include "assay/core/error.hpp"

#if ASSAY_WITH_CUDA
#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <torch/headeronly/version.h>

#include <cstdlib>

#include "torch/script_module.hpp"
#endif

namespace assay {

#if ASSAY_WITH_CUDA

namespace {

constexpr std::size_t kWorkspace = std::size_t{8} << 20;

/// LibTorch's caching allocator, for one stream of the current device.
class CudaMemory final : public Memory {
 public:
  explicit CudaMemory(cudaStream_t stream) : stream_(stream) {}

  void* allocate(std::size_t bytes) override {
    try {
      return c10::cuda::CUDACachingAllocator::raw_alloc_with_stream(bytes, stream_);
    } catch (const c10::OutOfMemoryError&) {
      std::size_t left = 0, total = 0;
      cudaMemGetInfo(&left, &total);
      throw Error(ExitCode::device,
                  "the CUDA device is out of memory: " + std::to_string(bytes) + " bytes asked for, " +
                      std::to_string(left) + " free of " + std::to_string(total),
                  "use a smaller batch");
    } catch (const std::exception& e) {
      throw Error(ExitCode::device, "the CUDA device gives no memory: " + useful_line(e));
    }
  }

  void deallocate(void* data) noexcept override {
    try {
      c10::cuda::CUDACachingAllocator::raw_delete(data);
    } catch (const std::exception&) {
      cudaGetLastError();  // of a device that was lost, which has been said by then
    }
  }

  std::size_t available() const override {
    std::size_t left = 0, total = 0;
    ASSAY_CUDA_CHECK(cudaMemGetInfo(&left, &total));
    return left;
  }

 private:
  cudaStream_t stream_;
};

CudaSurvey look() {
  CudaSurvey survey;
  survey.built = true;
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  cudaRuntimeGetVersion(&survey.runtime);
  cudaDriverGetVersion(&survey.driver);
  if (code != cudaSuccess || count < 1) {
    survey.why_none = explain_cuda(code, cudaGetErrorString(code), survey.driver, survey.runtime);
    // LibTorch counts devices too, once, when it first differentiates, and would warn then.
    Warnings unheard;
    const c10::WarningUtils::WarningHandlerGuard quiet(&unheard);
    c10::cuda::device_count();
    return survey;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp found{};
    const cudaError_t failed = cudaGetDeviceProperties(&found, i);
    if (failed != cudaSuccess) {
      survey.devices.clear();
      survey.why_none = "cuda:" + std::to_string(i) + " does not answer: " + cudaGetErrorString(failed) + " (error " +
                        std::to_string(failed) + ")";
      break;
    }
    survey.devices.push_back({found.name, found.major, found.minor, found.totalGlobalMem});
  }
  return survey;
}

/// Process-wide, before the first call of a CUDA library, which reads its environment then: no reduced precision, and
/// no algorithm that is chosen by timing or gives other bits the next time.
void ask_for_same_bits() {
  // Both would else let the environment decide what the plan does not name.
  setenv("NVIDIA_TF32_OVERRIDE", "0", 1);
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 1);
  Warnings unheard;  // that there is a newer interface, which some operators do not read yet
  const c10::WarningUtils::WarningHandlerGuard quiet(&unheard);
  at::Context& context = at::globalContext();
  context.setFloat32MatmulPrecision("highest");
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(false);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
  // The gradients of fused attentions add up in an order that changes from run to run.
  context.setSDPUseFlash(false);
  context.setSDPUseMemEfficient(false);
  context.setSDPUseCuDNN(false);
  context.setSDPUseMath(true);
}

std::string dotted(long major, long minor, long patch) {
  return std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(patch);
}

std::string cublas_version() {
  int part[3] = {};
  cublasGetProperty(MAJOR_VERSION, &part[0]);
  cublasGetProperty(MINOR_VERSION, &part[1]);
  cublasGetProperty(PATCH_LEVEL, &part[2]);
  return dotted(part[0], part[1], part[2]);
}

}  // namespace

const CudaSurvey& cuda_survey() {
  static const CudaSurvey survey = look();
  return survey;
}

namespace {

class OpenDevice final : public CudaDevice {
 public:
  explicit OpenDevice(int index)
      : index_(index), stream_(c10::cuda::getStreamFromPool(false, static_cast<c10::DeviceIndex>(index))) {}
  ~OpenDevice() override { memory_.deallocate(workspace_); }

  Exec exec() const override {
    return {.backend = Backend::cuda,
            .stream = stream_.stream(),
            .memory = &memory_,
            .workspace = static_cast<std::byte*>(workspace_),
            .workspace_bytes = kWorkspace};
  }

  std::string describe() const override { return info().describe(index_); }

  std::map<std::string, std::string> numerics() const override {
    const CudaDeviceInfo& device = info();
    const long cudnn = at::Context::versionRuntimeCuDNN();
    return {{"device", "cuda"},
            {"torch", TORCH_VERSION},
            {"gpu", device.name},  // of one architecture too: heuristics look at the number of processors
            {"sm", "sm_" + std::to_string(device.major) + std::to_string(device.minor)},
            {"cuda", cuda_version(cuda_survey().runtime)},
            {"cudnn", dotted(cudnn / 10000, cudnn / 100 % 100, cudnn % 100)},
            {"cublas", cublas_version()},
            {"float32", "ieee"},
            {"algorithms", "deterministic"}};
  }

 private:
  const CudaDeviceInfo& info() const { return cuda_survey().devices[static_cast<std::size_t>(index_)]; }

  int index_;
  c10::cuda::CUDAStream stream_;
  c10::cuda::CUDAStreamGuard current_{stream_};
  mutable CudaMemory memory_{stream_.stream()};
  void* workspace_ = memory_.allocate(kWorkspace);
};

}  // namespace

std::unique_ptr<CudaDevice> open_cuda(int index) {
  if (const std::string why_not = cuda_survey().why_not(index); !why_not.empty())
    throw Error(ExitCode::device, why_not);
  ask_for_same_bits();
  try {
    at::globalContext().lazyInitDevice(at::kCUDA);
    return std::make_unique<OpenDevice>(index);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(
        ExitCode::device,
        cuda_survey().devices[static_cast<std::size_t>(index)].describe(index) + " cannot be opened: " + useful_line(e),
        "`nvidia-smi` shows its state; --device cpu works without it");
  }
}

void throw_if_lost(const Exec& exec, const std::string& why) {
  if (exec.backend == Backend::cpu) return;
  cudaGetLastError();
  const cudaError_t state = cudaStreamQuery(exec.stream);
  if (state == cudaSuccess || state == cudaErrorNotReady) return;
  throw Error(ExitCode::device, "the CUDA device was lost: " + why,
              "run the same command again: what is finished is kept; `nvidia-smi` and the kernel's log say more");
}

#else

const CudaSurvey& cuda_survey() {
  static const CudaSurvey survey = [] {
    CudaSurvey none;
    none.why_none = "this build of assay has the CPU backend only";
    return none;
  }();
  return survey;
}

std::unique_ptr<CudaDevice> open_cuda(int index) {
  throw Error(ExitCode::device, cuda_survey().why_not(index));
}
void throw_if_lost(const Exec& exec, const std::string& /*why*/) {
  require_cpu(exec);
}

#endif

}  // namespace assay
