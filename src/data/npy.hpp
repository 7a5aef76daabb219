#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

// NumPy's .npy: numpy/lib/_format_impl.py ("NumPy format specification", NEP 1).
namespace assay {

/// "<f4" and the like for a number type, as NumPy spells it on a little-endian machine.
template <class T>
std::string npy_dtype() {
  static_assert(std::is_arithmetic_v<T>);
  const char kind = std::is_same_v<T, bool> ? 'b' : std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
  return std::string{sizeof(T) == 1 ? '|' : '<', kind} + std::to_string(sizeof(T));
}

struct NpyArray {
  std::string dtype;                ///< "|b1", "|u1", "|i1", or "<" and one of u2 u4 u8 i2 i4 i8 f2 f4 f8
  std::vector<std::int64_t> shape;  ///< empty for a scalar
  std::vector<std::uint8_t> bytes;  ///< C order, little-endian; exactly the shape's elements

  std::int64_t size() const;
  /// The elements; T must be the dtype's own type.
  template <class T>
  std::vector<T> values() const {
    require_dtype(npy_dtype<T>());
    std::vector<T> numbers(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(numbers.data(), bytes.data(), bytes.size());
    return numbers;
  }

 private:
  void require_dtype(const std::string& expected) const;
};

/// "(10, 28, 28)", as Python prints it.
std::string shape_text(const std::vector<std::int64_t>& shape);

/// Reads versions 1 to 3, little-endian, C order. Throws assay::Error (exit 65) for anything else, and for a file that
/// is longer or shorter than its header says.
NpyArray read_npy(const std::filesystem::path& file);

/// A file mapped into memory, for arrays that may be larger than it: what is touched is read. Throws as read_npy.
class MappedNpy {
 public:
  explicit MappedNpy(const std::filesystem::path& file);
  ~MappedNpy();
  MappedNpy(const MappedNpy&) = delete;
  MappedNpy& operator=(const MappedNpy&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const std::string& dtype() const { return dtype_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  const std::uint8_t* bytes() const { return bytes_; }  ///< C order, little-endian, aligned to nothing

 private:
  std::filesystem::path path_;
  std::string dtype_;
  std::vector<std::int64_t> shape_;
  void* map_ = nullptr;
  std::size_t map_size_ = 0;
  const std::uint8_t* bytes_ = nullptr;
};

/// Labels of any integer type, one-dimensional, 0..65535. Throws assay::Error (exit 65) naming the first that is not.
std::vector<std::uint16_t> read_labels(const std::filesystem::path& file);
/// Into `labels`, those from `first` on; returns the largest.
std::uint16_t read_labels(const MappedNpy& array, std::int64_t first, std::span<std::uint16_t> labels,
                          const char* what = "label");

/// The first n images of a file of at least as many: float32, (n, c, h, w) = shape, in [0, 1]. Throws assay::Error
/// (exit 65) with what was found and what is expected.
std::vector<float> read_images(const std::filesystem::path& file, const std::vector<std::int64_t>& shape);

/// What numpy.save writes before the data, version 1. `descr` is a type string (<f4) or, for records, the Python list
/// that numpy.dtype takes: [('index', '<i8'), ('label', '<i4')].
std::string npy_header(const std::string& descr, const std::vector<std::int64_t>& shape);

/// A whole file in memory: header and C-order little-endian `data`. Throws assay::Error (exit 70) when `bytes` is not a
/// whole number of bytes an element, or not the type string's.
std::string npy_bytes(const std::string& descr, const std::vector<std::int64_t>& shape, const void* data,
                      std::size_t bytes);

/// The same, into a file that is created or overwritten. Throws assay::Error (exit 73) when it can't be written.
void write_npy(const std::filesystem::path& file, const std::string& descr, const std::vector<std::int64_t>& shape,
               const void* data, std::size_t bytes);

}  // namespace assay
