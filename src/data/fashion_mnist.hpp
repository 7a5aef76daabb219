#pragma once
#include <filesystem>
#include <vector>

namespace assay {

/// Where the two files may be, in order: under `assay_data` alone when it is set (neither null nor empty), else beside
/// the program as installed or as built, then where Debian puts them.
std::vector<std::filesystem::path> fashion_mnist_folders(const char* assay_data,
                                                         const std::filesystem::path& executable);

}  // namespace assay
