#include "cli/saved_outputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "assay/core/error.hpp"
#include "assay/core/math.hpp"

namespace assay::cli {
namespace {

/// float16.
float half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, magnitude = bits & 0x7FFFu;
  if (magnitude >= 0x7C00u) return bits_to_float(sign | 0x7F800000u | magnitude << 13);
  if (magnitude < 0x0400u) return bits_to_float(sign | float_to_bits(static_cast<float>(magnitude) * 0x1p-24f));
  return bits_to_float(sign | ((magnitude << 13) + ((127u - 15u) << 23)));
}
float bfloat16(std::uint16_t bits) {
  return bits_to_float(static_cast<std::uint32_t>(bits) << 16);
}

void check_column(const MappedNpy& array, std::int64_t n, const std::string& what) {
  if (array.shape().size() != 1 || array.shape()[0] != n)
    throw Error(ExitCode::input, fmt::format("'{}' has shape {}, expected ({},), {}", array.path().string(),
                                             shape_text(array.shape()), n, what));
}

}  // namespace

SavedFiles::SavedFiles(const std::string& file, const std::string& labels, bool logits, bool bf16)
    : file_(file), array_(file), label_array_(labels), logits_(logits), bf16_(bf16) {
  const std::vector<std::int64_t>& shape = array_.shape();
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 2)
    throw Error(ExitCode::input,
                "'" + file + "' has shape " + shape_text(shape) + ", expected N x K with K >= 2 classes");
  if (shape[1] > 65535)
    throw Error(ExitCode::input, fmt::format("'{}' has {} classes, expected at most 65535", file, shape[1]));
  const std::string& dtype = array_.dtype();
  if (bf16 ? dtype != "<u2" : dtype != "<f2" && dtype != "<f4" && dtype != "<f8")
    throw Error(
        ExitCode::input,
        "'" + file + "' holds " + dtype + ", expected " + (bf16 ? "bfloat16 as uint16" : "float16, float32 or float64"),
        dtype == "<u2" ? "bfloat16 saved as uint16 needs --dtype bf16" : "");
  check_column(label_array_, n(), "a label a row");
}

std::int64_t SavedFiles::at_once() const {
  constexpr std::int64_t kValues = std::int64_t{1} << 20;
  return std::max<std::int64_t>(1, kValues / classes());
}

template <class T, class F>
const float* SavedFiles::converted(std::int64_t begin, std::int64_t n, const F& f) {
  const std::uint8_t* from = array_.bytes() + begin * static_cast<std::int64_t>(sizeof(T));
  values_.resize(static_cast<std::size_t>(n));
  for (float& value : values_) {
    T one;
    std::memcpy(&one, from, sizeof one);
    from += sizeof one;
    value = f(one);
  }
  return values_.data();
}

const float* SavedFiles::values(std::int64_t first, std::int64_t rows) {
  const std::int64_t begin = first * classes(), n = rows * classes();
  if (bf16_) return converted<std::uint16_t>(begin, n, bfloat16);
  if (array_.dtype() == "<f2") return converted<std::uint16_t>(begin, n, half);
  if (array_.dtype() == "<f8") return converted<double>(begin, n, [](double v) { return static_cast<float>(v); });
  const std::uint8_t* from = array_.bytes() + begin * static_cast<std::int64_t>(sizeof(float));
  if (reinterpret_cast<std::uintptr_t>(from) % alignof(float) == 0) return reinterpret_cast<const float*>(from);
  return converted<float>(begin, n, [](float v) { return v; });
}

std::span<const std::uint16_t> SavedFiles::labels(std::int64_t first, std::int64_t rows) {
  labels_.resize(static_cast<std::size_t>(rows));
  if (read_labels(label_array_, first, labels_) < classes()) return labels_;
  const auto wrong = std::ranges::find_if(labels_, [&](std::uint16_t label) { return label >= classes(); });
  throw Error(ExitCode::input, fmt::format("'{}': label {} at index {}, expected 0..{}", label_array_.path().string(),
                                           *wrong, first + (wrong - labels_.begin()), classes() - 1));
}

void SavedOutputs::check_probabilities(const float* values, std::int64_t first, std::int64_t rows) const {
  const std::int64_t width = classes();
  for (std::int64_t i = 0; i < rows; ++i) {
    double sum = 0;
    for (std::int64_t k = 0; k < width; ++k) {
      const auto p = static_cast<double>(values[i * width + k]);
      if (p < 0)
        throw Error(ExitCode::input, fmt::format("'{}': row {} has {}, expected probabilities", name(), first + i, p),
                    "give logits with --logits");
      sum += p;
    }
    if (!(std::abs(sum - 1) < rounding()))
      throw Error(ExitCode::input,
                  fmt::format("'{}': row {} sums to {}, expected probabilities that sum to 1", name(), first + i, sum),
                  "give logits with --logits");
  }
}

std::vector<std::uint16_t> read_column(const std::string& file, std::int64_t n, const std::string& what) {
  const MappedNpy array(file);
  check_column(array, n, what);
  std::vector<std::uint16_t> numbers(static_cast<std::size_t>(n));
  read_labels(array, 0, numbers, "group");
  return numbers;
}

}  // namespace assay::cli
