#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "assay/core/device.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// Constants of a corruption by image size: those of ImageNet-C (224), Tiny-ImageNet-C (64) and CIFAR-10-C (32). The
/// fourth are those of 224, and the corruptions what the Python package imagecorruptions 1.1.2 makes of them.
enum class Table { c32 = 32, c64 = 64, c224 = 224, imagecorruptions };

/// One batch to corrupt. Images are uint8, N x C x H x W with C = 1 or 3; a single channel is read as three equal ones.
/// `out` is N x 3 x H x W float in [0, 1], not yet quantised.
struct CorruptionBatch {
  Images<const std::uint8_t> images;
  float* out = nullptr;
  const std::uint32_t* sample = nullptr;     ///< n data-set indices, on the device
  const std::uint32_t* constants = nullptr;  ///< what `constants` below returned, on the device
  float* draws = nullptr;                    ///< optional: n x draw_count, what was drawn, one kind after the other
  std::int64_t draw_count = 0;
  float* scratch = nullptr;  ///< scratch_slots x scratch_count, 64-byte aligned
  std::int64_t scratch_count = 0;
  std::uint64_t seed = 0;
};

/// Pictures that a corruption lays over images.
struct Textures {
  struct Picture {
    std::int64_t h = 0, w = 0;
    std::vector<std::uint8_t> pixels;  ///< 3 x H x W
  };
  std::string sha256;  ///< of the files that they were read from
  std::vector<Picture> pictures;
};

struct CorruptionArgs {
  int severity = 1;  ///< 1 (mild) .. 5 (severe)
  Table table = Table::c224;
  std::shared_ptr<const Textures> textures = {};  ///< of a corruption that needs_textures
  bool operator==(const CorruptionArgs&) const = default;
};

/// What a corruption's helpers for one severity go by: its constants and the size of the images.
struct CorruptionShape {
  CorruptionArgs args;
  std::int64_t h = 0, w = 0;
  bool operator==(const CorruptionShape&) const = default;
};

/// One kind of random value that a corruption draws: "normal", "uniform" ...
struct DrawKind {
  std::string name;
  /// The shape of an image's values; null: 3 x H x W.
  std::vector<std::int64_t> (*shape)(const CorruptionShape&) = nullptr;

  std::vector<std::int64_t> shape_of(const CorruptionShape& of) const {
    return shape == nullptr ? std::vector<std::int64_t>{3, of.h, of.w} : shape(of);
  }
  std::int64_t count(const CorruptionShape& of) const {
    std::int64_t values = 1;
    for (const std::int64_t side : shape_of(of)) values *= side;
    return values;
  }
};

/// One ImageNet-C corruption (Hendrycks & Dietterich 2019, arXiv:1903.12261).
struct Corruption {
  std::string about;
  /// What `draws` holds; empty: deterministic.
  std::vector<DrawKind> draws;
  /// Queues the corruption of one batch on exec; allocates nothing, waits for nothing.
  void (*apply)(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) = nullptr;
  /// Optional lookup table, computed once on the host.
  std::vector<std::uint32_t> (*constants)(const CorruptionShape& of) = nullptr;
  /// Floats of working memory that an image needs while it is corrupted; null: none.
  std::int64_t (*scratch)(const CorruptionShape& of) = nullptr;
  int min_side = 1;          ///< smaller images are refused, see least_side
  bool needs_color = false;  ///< images of one channel are refused
  /// Takes the parameter "textures", a folder of pictures. Its args have them wherever helpers or apply get them.
  bool needs_textures = false;
  /// Optional: throws assay::Error (exit 65) where images of that size cannot be corrupted, though min_side is kept.
  void (*check)(const CorruptionShape& of) = nullptr;
  std::string source = "Hendrycks & Dietterich 2019, arXiv:1903.12261";
  bool in_imagecorruptions = true;  ///< the Python package has it too, so it takes that table

  /// Images with a shorter side are refused.
  int least_side(Table table) const {
    constexpr int kPackage = 32;  // so does the package
    return table == Table::imagecorruptions && min_side < kPackage ? kPackage : min_side;
  }
  std::int64_t draw_count(const CorruptionShape& of) const {
    std::int64_t values = 0;
    for (const DrawKind& kind : draws) values += kind.count(of);
    return values;
  }
  /// Rounded up to whole cache lines.
  std::int64_t scratch_count(const CorruptionShape& of) const {
    return scratch == nullptr ? 0 : (scratch(of) + 15) / 16 * 16;
  }
};
/// The pass through a JPEG of quality 85, colours at half the resolution, that the published files of ImageNet-C and
/// Tiny-ImageNet-C have behind them: what the pipeline "stored" adds to every corruption. Not registered.
const Corruption& stored_pass();
/// How many images are worked on at once: those of the batch, on the CPU one a thread.
std::int64_t scratch_slots(const Exec& exec, std::int64_t n);
#define ASSAY_CORRUPTION(name, ...)                                     \
  const ::assay::Registry<::assay::Corruption>::Add assay_corruption_ { \
    name, ::assay::Corruption {                                         \
      __VA_ARGS__                                                       \
    }                                                                   \
  }

/// "auto" goes by the longer side: up to 48, up to 144, longer; else the table of that name. Throws assay::Error (exit
/// 2) for another one.
Table choose_table(const std::string& name, std::int64_t side);
/// "32", "64", "224" or "imagecorruptions-1.1.2".
std::string table_name(Table table);

}  // namespace assay
