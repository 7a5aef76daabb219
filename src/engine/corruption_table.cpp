#include "assay/core/error.hpp"
#include "assay/corruption.hpp"

namespace assay {

Table choose_table(const std::string& name, std::int64_t side) {
  if (name == "32" || (name == "auto" && side <= 48)) return Table::c32;
  if (name == "224" || (name == "auto" && side > 144)) return Table::c224;
  if (name != "auto") throw Error(ExitCode::usage, "unknown corruption table '" + name + "'; expected auto, 32 or 224");
  throw Error(ExitCode::usage,
              "images of side " + std::to_string(side) +
                  " would take Tiny-ImageNet-C's constants (side 49 to 144), which this version does not have",
              "choose a table yourself: table = \"32\" (CIFAR-10-C) or table = \"224\" (ImageNet-C)");
}

}  // namespace assay
