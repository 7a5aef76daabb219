#if defined(_OPENMP)
#include <omp.h>
#endif

#include "assay/core/error.hpp"
#include "assay/corruption.hpp"

namespace assay {
namespace {

constexpr const char* kImagecorruptions = "imagecorruptions-1.1.2";

}  // namespace

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
  if (name == kImagecorruptions) return Table::imagecorruptions;
  throw Error(ExitCode::usage,
              "unknown corruption table '" + name + "'; expected auto, 32, 64, 224 or " + kImagecorruptions);
}
std::string table_name(Table table) {
  return table == Table::imagecorruptions ? kImagecorruptions : std::to_string(static_cast<int>(table));
}

}  // namespace assay
