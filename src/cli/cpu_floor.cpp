// Built for any x86-64 and run before every other constructor of the program: the rest needs AVX2, and would die of an
// illegal instruction where there is none.
#include <unistd.h>

#include <cstring>

namespace {

__attribute__((constructor(101))) void check_cpu() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return;
  constexpr char kMessage[] =
      "error: this processor has no AVX2; assay needs an x86-64-v3 processor (Intel Haswell, AMD Zen, or newer)\n";
  (void)!write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  _exit(69);
}

}  // namespace
