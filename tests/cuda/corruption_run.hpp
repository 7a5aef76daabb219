#pragma once
#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "assay/core/buffer.hpp"
#include "assay/corruption.hpp"
#include "engine/textures.hpp"
#include "images.hpp"

namespace assay {

struct Corrupted {
  std::vector<float> out;    ///< n x 3 x H x W
  std::vector<float> draws;  ///< n x kinds x values
};

struct CorruptOptions {
  std::uint64_t seed = 3;
  std::vector<std::uint32_t> sample = {};  ///< data-set indices; 0, 1, .. unless given
  bool record = true;
};

/// Calls a registered corruption on one batch. What it doesn't write stays NaN.
inline Corrupted corrupt(const std::string& name, CorruptionArgs args, const ByteImages& images,
                         const CorruptOptions& options = {}) {
  const Corruption& entry = *Registry<Corruption>::find(name);
  if (entry.needs_textures && args.textures == nullptr)
    args.textures = noise_textures(2 * std::max(images.h, images.w));
  std::vector<std::uint32_t> sample = options.sample;
  if (sample.empty()) {
    sample.resize(static_cast<std::size_t>(images.n));
    std::iota(sample.begin(), sample.end(), 0u);
  }
  const CorruptionShape shape{args, images.h, images.w};
  const std::vector<std::uint32_t> constants =
      entry.constants == nullptr ? std::vector<std::uint32_t>{} : entry.constants(shape);
  const auto size = static_cast<std::size_t>(images.n * 3 * images.h * images.w);
  constexpr float kUnwritten = std::numeric_limits<float>::quiet_NaN();
  const auto drawn = static_cast<std::size_t>(entry.draw_count(shape));
  Corrupted result{std::vector<float>(size, kUnwritten),
                   std::vector<float>(options.record ? static_cast<std::size_t>(images.n) * drawn : 0, kUnwritten)};
  const Buffer<float> scratch({}, scratch_slots({}, images.n) * entry.scratch_count(shape));
  std::fill_n(scratch.data(), scratch.size(), kUnwritten);
  entry.apply({}, args,
              {.images = {images.data.data(), images.n, images.c, images.h, images.w},
               .out = result.out.data(),
               .sample = sample.data(),
               .constants = constants.data(),
               .draws = options.record ? result.draws.data() : nullptr,
               .draw_count = static_cast<std::int64_t>(drawn),
               .scratch = scratch.data(),
               .scratch_count = entry.scratch_count(shape),
               .seed = options.seed});
  return result;
}

/// Every severity of imagecorruptions.
inline std::vector<CorruptionArgs> package_args() {
  std::vector<CorruptionArgs> all;
  for (int severity = 1; severity <= 5; ++severity) all.push_back({severity, Table::imagecorruptions});
  return all;
}
/// Every severity of every benchmark's table.
inline std::vector<CorruptionArgs> all_args() {
  std::vector<CorruptionArgs> all;
  for (const Table table : {Table::c32, Table::c64, Table::c224})
    for (int severity = 1; severity <= 5; ++severity) all.push_back({severity, table});
  return all;
}
inline std::string text(const CorruptionArgs& args) {
  return "table " + table_name(args.table) + ", severity " + std::to_string(args.severity);
}

/// A constant for each severity of each table, as published.
struct Published {
  double c32[5], c64[5], c224[5];
  double at(const CorruptionArgs& args) const {
    return (args.table == Table::c32 ? c32 : args.table == Table::c64 ? c64 : c224)[args.severity - 1];
  }
};

}  // namespace assay
