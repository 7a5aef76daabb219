// CIFAR-10, binary version: Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <filesystem>

#include "assay/source.hpp"
#include "data/file.hpp"

namespace assay {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t kSide = 32, kChannels = 3, kPixels = kChannels * kSide * kSide;
constexpr std::int64_t kRecord = 1 + kPixels;  // a label, then the planes red, green, blue
constexpr int kClasses = 10;

DataSet load_cifar10(const fs::path& folder, const Params&) {
  require_folder(folder, "test_batch.bin");
  InputFile file(folder / "test_batch.bin");
  if (file.size() == 0 || file.size() % kRecord != 0) {
    file.fail(fmt::format("has {} bytes; expected a multiple of {}, one record an image", file.size(), kRecord),
              "cifar10:DIR reads CIFAR-10's binary version (cifar-10-binary.tar.gz)");
  }
  DataSet data;
  data.n = static_cast<std::int64_t>(file.size()) / kRecord;
  data.c = kChannels;
  data.h = data.w = kSide;
  data.classes = kClasses;
  data.classes_known = true;
  data.labels.reserve(static_cast<std::size_t>(data.n));
  data.bytes.reserve(static_cast<std::size_t>(data.n * kPixels));
  std::array<std::uint8_t, kRecord> record{};
  for (std::int64_t i = 0; i < data.n; ++i) {
    file.read_exactly(record.data(), record.size());
    if (record[0] >= kClasses) {
      file.fail(fmt::format("has label {} in record {}; expected 0..{}", record[0], i, kClasses - 1),
                "cifar10:DIR reads CIFAR-10's binary version (cifar-10-binary.tar.gz)");
    }
    data.labels.push_back(record[0]);
    data.bytes.insert(data.bytes.end(), record.begin() + 1, record.end());
  }
  return data;
}

}  // namespace

ASSAY_SOURCE("cifar10", .about = "cifar10:DIR, CIFAR-10's 10,000 test images: test_batch.bin of the binary version",
             .load = load_cifar10);

}  // namespace assay
