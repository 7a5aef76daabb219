#include <dlfcn.h>
#include <fmt/format.h>

#include "cli/cli.hpp"

namespace assay::cli {

const TorchLibrary& torch() {
  static const TorchLibrary& library = []() -> const TorchLibrary& {
    const auto file = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libassay_torch.so";
    const char* const hint = "the program needs this file beside it, and LibTorch where it was built: ./run build";
    void* const opened = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (opened == nullptr) throw Error(ExitCode::internal, fmt::format("LibTorch does not load: {}", dlerror()), hint);
    const auto entry = reinterpret_cast<decltype(&assay_torch_library)>(dlsym(opened, "assay_torch_library"));
    if (entry == nullptr)
      throw Error(ExitCode::internal, fmt::format("'{}' is not this program's: {}", file.string(), dlerror()), hint);
    return *entry();
  }();
  return library;
}

}  // namespace assay::cli
