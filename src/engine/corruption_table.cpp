#if defined(_OPENMP)
#include <omp.h>
#endif

#include "assay/core/error.hpp"
#include "assay/corruption.hpp"

namespace assay {

std::int64_t scratch_slots(const Exec& exec, std::int64_t n) {
  if (exec.backend != Backend::cpu) return n;
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 1;
#endif
}

Table choose_table(const std::string& name, std::int64_t side) {
  if (name == "32" || (name == "auto" && side <= 48)) return Table::c32;
  if (name == "64" || (name == "auto" && side <= 144)) return Table::c64;
  if (name == "224" || name == "auto") return Table::c224;
  throw Error(ExitCode::usage, "unknown corruption table '" + name + "'; expected auto, 32, 64 or 224");
}

}  // namespace assay
