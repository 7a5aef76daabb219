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
  throw Error(ExitCode::device, std::string(file) + ":" + std::to_string(line) + ": " + call +
                                    " failed with CUDA error " + std::to_string(code));
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
