#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "assay/core/params.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// Images in host memory, N x C x H x W: those of the one that is not null.
struct Pixels {
  const std::uint8_t* bytes = nullptr;       ///< 0..255
  const float* floats = nullptr;             ///< [0, 1]
  std::unique_ptr<std::uint8_t[]> own = {};  ///< where they are, if they were read for this
};

/// A labelled image data set. One of `bytes`, `floats` and `read` is there.
struct DataSet {
  std::string name;  ///< the source as the user wrote it, without folders: "npy:images", "folder:val,crop=224"
  std::string path;  ///< the source with absolute paths, for load_data: "npy:/data/images"
  std::int64_t n = 0, c = 0, h = 0, w = 0;
  std::vector<std::uint8_t> bytes;  ///< N x C x H x W, 0..255
  std::vector<float> floats;        ///< N x C x H x W, [0, 1]
  /// Writes the bytes of images [lo, hi); throws assay::Error (exit 65) where a file cannot be read or is damaged.
  std::function<void(std::int64_t lo, std::int64_t hi, std::uint8_t* out)> read;
  std::vector<std::uint16_t> labels;  ///< n
  int classes = 0;                    ///< number of classes; where the format doesn't say, the largest label + 1
  bool classes_known = false;         ///< true where the format or the data set itself fixes `classes`
  std::string sha256;                 ///< of shape, pixels (or their files) and labels of all samples, before any limit
  /// What is wrong with each file that the user asked to leave out: "'/data/cat/7.jpg' is damaged: ..."
  std::vector<std::string> left_out;

  std::int64_t dim() const { return c * h * w; }
  bool is_float() const { return !floats.empty(); }
  /// Images [lo, hi) of 0..n: the data set's own where it holds them, else read for this call. Throws what `read` does,
  /// and exit 65 where they do not fit into memory.
  Pixels pixels(std::int64_t lo, std::int64_t hi) const;
};

/// One way to read a data set. `load` gets the folder of `kind:folder,option=value...` (empty if there is none),
/// resolved against the config's, and every option, those not given by their fallback; throws assay::Error, exit 65. It
/// fills `sha256` only where it fills `read`, and then all but the names.
struct Source {
  std::string about;
  bool takes_path = true;
  std::vector<ParamSpec> options = {};  ///< a text with `file` is a path, resolved as the folder is
  DataSet (*load)(const std::filesystem::path& folder, const Params& options) = nullptr;
};
#define ASSAY_SOURCE(name, ...)                                 \
  const ::assay::Registry<::assay::Source>::Add assay_source_ { \
    name, ::assay::Source {                                     \
      __VA_ARGS__                                               \
    }                                                           \
  }

/// Throws assay::Error (exit 2) for what load_data refuses without a look at files: an unknown kind or option.
void check_source(const std::string& source);

/// Loads `kind` or `kind:folder`, of a source with options `kind:folder,option=value...`; relative paths are relative
/// to `base`. Checks labels and sizes, fills `sha256` and `name`. Throws assay::Error: unknown kind or option (exit 2),
/// anything wrong with the files (exit 65).
DataSet load_data(const std::string& source, const std::filesystem::path& base);

}  // namespace assay
