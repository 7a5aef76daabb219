#pragma once
#include <filesystem>

#include "assay/source.hpp"

namespace assay {

/// Reads one pair of idx files, plain or gzip by content: unsigned bytes of 3 dimensions (N x H x W) and of 1 (labels).
/// Throws assay::Error (exit 65) for a wrong magic number, and for files that are longer or shorter than they say.
DataSet read_idx(const std::filesystem::path& images, const std::filesystem::path& labels);

}  // namespace assay
