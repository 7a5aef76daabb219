#pragma once
#include <stdexcept>
#include <string>

namespace assay {

/// What the process exits with; stable, part of the interface.
enum class ExitCode : int {
  done = 0,
  gate_failed = 1,
  usage = 2,         ///< command line or config
  units_failed = 3,  ///< results are written, but some units failed for good
  merge_incomplete = 4,
  input = 65,     ///< model, data or plan missing, unreadable or not matching
  device = 69,    ///< device asked for and not there, or lost
  internal = 70,  ///< internal error or nondeterminism
  cannot_write = 73,
  interrupted = 75,  ///< run the same command again
};

/// What was found and what was expected (`what`), what to do about it (`hint`, may be empty), and how the program
/// should exit. Library code throws it and never prints or exits.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string what, std::string hint = {});
  ExitCode code() const noexcept { return code_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  ExitCode code_;
  std::string hint_;
};

struct Exec;
/// Throws exit 69 when `exec` asks for CUDA: a CPU-only build must not quietly run there what was asked of a GPU.
void require_cpu(const Exec& exec);
[[noreturn]] void throw_cuda_error(int code, const char* call, const char* file, int line);

}  // namespace assay

#define ASSAY_CUDA_CHECK(call)                                            \
  do {                                                                    \
    if (const int assay_code_ = static_cast<int>(call); assay_code_ != 0) \
      ::assay::throw_cuda_error(assay_code_, #call, __FILE__, __LINE__);  \
  } while (false)
