#include "assay/core/error.hpp"

#include <new>
#include <utility>

#include "assay/core/device.hpp"

namespace assay {

Error::Error(ExitCode code, std::string what, std::string hint)
    : std::runtime_error(what), code_(code), hint_(std::move(hint)) {}

void require_cpu(const Exec& exec) {
  if (exec.backend == Backend::cpu) return;
  throw Error(ExitCode::device, "CUDA was asked for, but this build of assay has the CPU backend only",
              "use --device cpu or --device auto");
}

void throw_cuda_error(int code, const char* call, const char* file, int line) {
  // By number, so that a build without CUDA's headers has them too (driver_types.h).
  const auto named = [code]() -> const char* {
    switch (code) {
      case 2:
        return " (out of memory)";
      case 35:
        return " (the driver is missing or too old)";
      case 46:
        return " (the device is busy or unavailable)";
      case 100:
        return " (no device)";
      case 214:
        return " (uncorrectable ECC error)";
      case 700:
        return " (illegal address)";
      case 719:
        return " (launch failure)";
      default:
        return "";
    }
  };
  throw Error(ExitCode::device,
              std::string(call) + " failed with CUDA error " + std::to_string(code) + named() + " at " + file + ":" +
                  std::to_string(line),
              code == 2 ? "use a smaller batch" : "what is finished is kept; run the same command again");
}

namespace {
class HostMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override {
    try {
      return ::operator new(bytes, kAlign);
    } catch (const std::bad_alloc&) {
      throw Error(ExitCode::internal, "out of memory: " + std::to_string(bytes) + " bytes asked for",
                  "use a smaller batch");
    }
  }
  void deallocate(void* data) noexcept override { ::operator delete(data, kAlign); }

 private:
  static constexpr std::align_val_t kAlign{64};
};
}  // namespace

Memory& host_memory() {
  static HostMemory memory;
  return memory;
}

}  // namespace assay
