// Fashion-MNIST: Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.
#include "data/fashion_mnist.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <system_error>

#include "assay/core/error.hpp"
#include "assay/source.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "data/idx.hpp"

namespace assay {
namespace {
namespace fs = std::filesystem;

struct KnownFile {
  const char* name;
  const char* sha256;
};
// As published at github.com/zalandoresearch/fashion-mnist, data/fashion.
constexpr KnownFile kImages = {"t10k-images-idx3-ubyte.gz",
                               "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"};
constexpr KnownFile kLabels = {"t10k-labels-idx1-ubyte.gz",
                               "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"};

fs::path checked(const fs::path& folder, const KnownFile& known) {
  const fs::path file = folder / known.name;
  const std::string found = sha256_file(file);
  if (found != known.sha256) {
    throw Error(ExitCode::input, fmt::format("'{}' has SHA-256 {}; expected {}", file.string(), found, known.sha256),
                "use idx:DIR for another data set in these files' format");
  }
  return file;
}

DataSet load_fashion_mnist(const fs::path&, const Params&) {
  std::error_code error;
  const auto folders = fashion_mnist_folders(std::getenv("ASSAY_DATA"), fs::read_symlink("/proc/self/exe", error));
  std::vector<std::string> looked;
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / kImages.name, error) && fs::exists(folder / kLabels.name, error)) {
      DataSet data = read_idx(checked(folder, kImages), checked(folder, kLabels));
      data.classes = 10;
      data.classes_known = true;
      return data;
    }
    looked.push_back("'" + folder.string() + "'");
  }
  throw Error(
      ExitCode::input,
      fmt::format("found no Fashion-MNIST; expected {} and {} in {}", kImages.name, kLabels.name, join(looked, " or ")),
      "set ASSAY_DATA to a folder that has them in fashion_mnist/, or install Debian's dataset-fashion-mnist");
}

}  // namespace

std::vector<fs::path> fashion_mnist_folders(const char* assay_data, const fs::path& executable) {
  if (assay_data != nullptr && *assay_data != '\0') return {fs::path(assay_data) / "fashion_mnist"};
  std::vector<fs::path> folders;
  if (executable.has_parent_path()) {
    fs::path folder = executable.parent_path();
    folders.push_back(folder.parent_path() / "share/assay/fashion_mnist");
    constexpr int kParents = 4;  // build/<preset>/tests/<program> is the deepest place of a program in the checkout
    for (int i = 0; i <= kParents; ++i, folder = folder.parent_path()) {
      folders.push_back(folder / "data/fashion_mnist");
      if (folder == folder.root_path()) break;
    }
  }
  folders.emplace_back("/usr/share/datasets/fashion-mnist");
  return folders;
}

ASSAY_SOURCE("fashion_mnist", .about = "the 10,000 test images of Fashion-MNIST, gray, 28 x 28, 10 classes",
             .takes_path = false, .load = load_fashion_mnist);

}  // namespace assay
