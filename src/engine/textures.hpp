#pragma once
#include <filesystem>
#include <memory>

#include "assay/corruption.hpp"

namespace assay {

/// The five pictures that ImageNet-C's frost draws from, in `folder` or in its folder "frost", where the Python package
/// imagecorruptions has them. Throws assay::Error (exit 65) where one is missing or damaged.
std::shared_ptr<const Textures> load_textures(const std::filesystem::path& folder);

/// Five pictures of noise that images of up to `side` pixels a side can be cut out of at every table: for benchmarks,
/// which have no others.
std::shared_ptr<const Textures> noise_textures(std::int64_t side);

}  // namespace assay
