#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "assay/core/registry.hpp"

namespace assay {

/// A labelled image data set in host memory. Exactly one of `bytes` and `floats` is filled, N x C x H x W.
struct DataSet {
  std::string name;  ///< the source as the user wrote it, without folders: "npy:images"
  std::string path;  ///< the source with its absolute folder, for load_data: "npy:/data/images"
  std::int64_t n = 0, c = 0, h = 0, w = 0;
  std::vector<std::uint8_t> bytes;    ///< 0..255
  std::vector<float> floats;          ///< [0, 1]
  std::vector<std::uint16_t> labels;  ///< n
  int classes = 0;                    ///< number of classes; where the format doesn't say, the largest label + 1
  bool classes_known = false;         ///< true where the format or the data set itself fixes `classes`
  std::string sha256;                 ///< of shape, pixels and labels of all samples, before any limit

  std::int64_t dim() const { return c * h * w; }
};

/// One way to read a data set. `load` gets what stands after the colon of `kind:argument` (empty if nothing does),
/// resolved against the config's folder; throws assay::Error, exit 65.
struct Source {
  std::string about;
  bool takes_path = true;
  DataSet (*load)(const std::filesystem::path& argument) = nullptr;
};
#define ASSAY_SOURCE(name, ...)                                 \
  const ::assay::Registry<::assay::Source>::Add assay_source_ { \
    name, ::assay::Source {                                     \
      __VA_ARGS__                                               \
    }                                                           \
  }

/// Loads `kind` or `kind:path`; relative paths are relative to `base`. Checks labels and sizes, fills `sha256` and
/// `name`. Throws assay::Error: unknown kind (exit 2), anything wrong with the files (exit 65).
DataSet load_data(const std::string& source, const std::filesystem::path& base);

}  // namespace assay
