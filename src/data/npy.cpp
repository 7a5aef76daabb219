#include "data/npy.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "assay/core/error.hpp"
#include "assay/source.hpp"
#include "data/file.hpp"

namespace assay {
namespace {
namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr auto kMagic = "\x93NUMPY"sv;

/// The product of the extents with `item`, or nothing where it leaves the range of int64. Extents of 0 count as 1 in
/// the check, so that the product of any part of an accepted shape is in range too.
std::optional<std::int64_t> byte_count(const std::vector<std::int64_t>& shape, std::int64_t item) {
  bool empty = false;
  for (const std::int64_t extent : shape) {
    empty = empty || extent == 0;
    if (extent < 0 || __builtin_mul_overflow(item, std::max<std::int64_t>(extent, 1), &item)) return std::nullopt;
  }
  return empty ? 0 : item;
}

/// Bytes an element of a type string without its byte order ("f4"), or 0 where it is not one that we read.
std::int64_t item_size(std::string_view type) {
  constexpr std::array kTypes = {"b1"sv, "u1"sv, "u2"sv, "u4"sv, "u8"sv, "i1"sv,
                                 "i2"sv, "i4"sv, "i8"sv, "f2"sv, "f4"sv, "f8"sv};
  return std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end() ? 0 : type[1] - '0';
}

struct Header {
  std::string descr;
  bool records = false;  ///< descr is a list of fields
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

/// Parses the Python dict literal that is the header: exactly the three keys, in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const InputFile& file) : text_(text), file_(file) {}

  Header parse() {
    Header header;
    bool descr = false, order = false, shape = false;
    const auto first_time = [&](bool& seen) {
      if (std::exchange(seen, true)) fail("each key once");
    };
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        first_time(descr);
        skip_space();
        header.records = peek() == '[' || peek() == '(';
        header.descr = header.records ? bracketed() : quoted();
      } else if (key == "fortran_order") {
        first_time(order);
        header.fortran_order = boolean();
      } else if (key == "shape") {
        first_time(shape);
        header.shape = extents();
      } else {
        fail("one of the keys descr, fortran_order, shape");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("nothing after the '}'");
    if (!descr || !order || !shape) fail("the keys descr, fortran_order and shape");
    return header;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at_;
  }

  bool take(char c) {
    skip_space();
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(fmt::format("'{}'", c));
  }

  std::string_view quoted() {
    skip_space();
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("a quoted string");
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\\') ++at_;
    if (peek() != quote) fail("the end of a string without escapes");
    return text_.substr(begin, at_++ - begin);
  }

  /// A nested list or tuple as it stands. A count replaces recursion: the nesting of a hostile header has no bound.
  std::string_view bracketed() {
    const std::size_t begin = at_;
    std::int64_t depth = 0;
    do {
      skip_space();
      const char c = peek();
      if (c == '\'' || c == '"') {
        quoted();
        continue;
      }
      if (at_ == text_.size()) fail("a closing bracket");
      depth += c == '[' || c == '(' || c == '{';
      depth -= c == ']' || c == ')' || c == '}';
      ++at_;
    } while (depth > 0);
    return text_.substr(begin, at_ - begin);
  }

  bool boolean() {
    skip_space();
    for (const auto& [word, value] : {std::pair{"True"sv, true}, std::pair{"False"sv, false}}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail("True or False");
  }

  std::vector<std::int64_t> extents() {
    std::vector<std::int64_t> shape;
    bool comma = true;
    expect('(');
    while (!take(')')) {
      if (!comma) fail("',' or ')'");
      shape.push_back(integer());
      comma = take(',');
    }
    if (shape.size() == 1 && !comma) fail("a tuple such as (3,)");
    return shape;
  }

  std::int64_t integer() {
    skip_space();
    const std::size_t begin = at_;
    std::int64_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, peek() - '0', &value)) {
        fail("an integer below 2**63");
      }
    }
    if (at_ == begin) fail("a non-negative integer");
    if (peek() == 'L') ++at_;  // Python 2 wrote long integers so
    return value;
  }

  [[noreturn]] void fail(const std::string& expected) const {
    file_.fail(fmt::format("has an .npy header that cannot be parsed: expected {} at character {}, found '{}'",
                           expected, at_, printable(text_.substr(at_), 20)));
  }

  std::string_view text_;
  const InputFile& file_;
  std::size_t at_ = 0;  ///< at most text_.size()
};

std::string hex_bytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes)
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", static_cast<unsigned char>(byte));
  return text.empty() ? "nothing" : text;
}

Header read_header(InputFile& file) {
  std::array<char, 8> start{};
  const std::string_view found(start.data(), file.read(start.data(), start.size()));
  if (!found.starts_with(kMagic)) {
    file.fail(fmt::format("is not an .npy file: it begins with {}; expected {}", hex_bytes(found.substr(0, 6)),
                          hex_bytes(kMagic)));
  }
  if (found.size() < start.size()) file.fail("is truncated: it ends within the .npy version");
  const int major = static_cast<unsigned char>(start[6]), minor = static_cast<unsigned char>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    file.fail(fmt::format("has .npy version {}.{}; expected 1.0, 2.0 or 3.0", major, minor));
  }
  std::array<unsigned char, 4> length_bytes{};
  file.read_exactly(length_bytes.data(), major == 1 ? 2 : 4);
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_bytes.size(); ++i) length |= std::uint64_t{length_bytes[i]} << (8 * i);
  if (length > file.left()) {
    file.fail(fmt::format("is truncated: {} bytes follow, but its header alone should have {}", file.left(), length));
  }
  std::string text(length, '\0');
  file.read_exactly(text.data(), text.size());
  return HeaderParser(text, file).parse();
}

/// The type string as NumPy writes it, with the size of an element.
std::pair<std::string, std::int64_t> checked_dtype(const Header& header, const InputFile& file) {
  const std::string shown = header.records ? printable(header.descr) : "'" + printable(header.descr) + "'";
  constexpr const char* kExpected = "expected a little-endian boolean, integer or float";
  if (header.records) file.fail(fmt::format("has records of dtype {}; {}", shown, kExpected), "save one field alone");
  std::string_view type = header.descr;
  const char order = type.empty() || "<>|="sv.find(type[0]) == std::string_view::npos ? '=' : type[0];
  if (!type.empty() && type[0] == order) type.remove_prefix(1);
  if (type.starts_with('O')) {
    file.fail(fmt::format("has dtype {}, pickled Python objects; {}", shown, kExpected),
              "convert it first: np.save(file, a.astype(np.float32))");
  }
  const std::int64_t item = item_size(type);
  if (item == 0) file.fail(fmt::format("has dtype {}; {} of 1 to 8 bytes", shown, kExpected));
  if (order == '>' && item > 1) {
    file.fail(fmt::format("has dtype {}, big-endian; {}", shown, kExpected),
              "convert it first: np.save(file, a.astype(a.dtype.newbyteorder('<')))");
  }
  return {(item == 1 ? "|" : "<") + std::string(type), item};
}

/// The index of flat element `at`, as NumPy would print it: "[3, 0, 5, 7]".
std::string index_text(std::int64_t at, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0; at /= shape[axis]) index[axis] = at % shape[axis];
  return fmt::format("[{}]", fmt::join(index, ", "));
}

std::vector<std::uint8_t> planar(const std::vector<std::uint8_t>& nhwc, std::int64_t n, std::int64_t pixels,
                                 std::int64_t channels) {
  std::vector<std::uint8_t> nchw(nhwc.size());
  const auto size = static_cast<std::size_t>(n), plane = static_cast<std::size_t>(pixels),
             c = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t k = 0; k < c; ++k) {
      for (std::size_t p = 0; p < plane; ++p) nchw[(i * c + k) * plane + p] = nhwc[(i * plane + p) * c + k];
    }
  }
  return nchw;
}

void check_channels(std::int64_t channels, const NpyArray& images, const fs::path& file, const char* layout) {
  if (channels == 1 || channels == 3 || channels == 4) return;
  throw Error(ExitCode::input,
              fmt::format("'{}' has {} channels in shape {} of {}; expected 1, 3 or 4 channels", file.string(),
                          channels, shape_text(images.shape), images.dtype),
              fmt::format("{} images are {}", images.dtype == "|u1" ? "uint8" : "float32", layout));
}

void check_pixels(const std::vector<float>& pixels, const std::vector<std::int64_t>& shape, const fs::path& file) {
  // Negated, so that NaN is found too.
  const auto wrong = std::find_if(pixels.begin(), pixels.end(), [](float v) { return !(v >= 0.0f && v <= 1.0f); });
  if (wrong == pixels.end()) return;
  throw Error(ExitCode::input,
              fmt::format("'{}' has value {} at index {}; expected [0, 1]", file.string(), *wrong,
                          index_text(wrong - pixels.begin(), shape)),
              "divide by 255, undo a normalisation: mean and std belong to the model");
}

void take_images(NpyArray images, const fs::path& file, DataSet& data) {
  const std::vector<std::int64_t>& shape = images.shape;
  const auto wrong_shape = [&](const char* expected) {
    throw Error(ExitCode::input, fmt::format("'{}' has {} of shape {}; expected {}", file.string(), images.dtype,
                                             shape_text(shape), expected));
  };
  if (images.dtype == "|u1") {
    if (shape.size() != 3 && shape.size() != 4) wrong_shape("N x H x W or N x H x W x C");
    data.n = shape[0];
    data.h = shape[1];
    data.w = shape[2];
    data.c = shape.size() == 4 ? shape[3] : 1;
    check_channels(data.c, images, file, "N x H x W x C");
    data.bytes = data.c == 1 ? std::move(images.bytes) : planar(images.bytes, data.n, data.h * data.w, data.c);
  } else if (images.dtype == "<f4") {
    if (shape.size() != 4) wrong_shape("N x C x H x W");
    data.n = shape[0];
    data.c = shape[1];
    data.h = shape[2];
    data.w = shape[3];
    check_channels(data.c, images, file, "N x C x H x W");
    data.floats = images.values<float>();
    check_pixels(data.floats, shape, file);
  } else {
    throw Error(ExitCode::input, fmt::format("'{}' has dtype '{}'; expected '|u1' (N x H x W [x C]) or '<f4' "
                                             "(N x C x H x W)",
                                             file.string(), images.dtype));
  }
}

template <class T>
std::uint16_t narrow(const MappedNpy& array, std::int64_t first, std::span<std::uint16_t> numbers, const char* what) {
  const std::uint8_t* from = array.bytes() + first * static_cast<std::int64_t>(sizeof(T));
  const auto value = [from](std::size_t i) {
    T read;
    std::memcpy(&read, from + i * sizeof(T), sizeof(T));
    return read;
  };
  std::uint64_t bits = 0;  // of all of them: no branches, so that the loop is vectorised
  std::uint16_t largest = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    bits |= static_cast<std::uint64_t>(value(i));
    numbers[i] = static_cast<std::uint16_t>(value(i));
    largest = std::max(largest, numbers[i]);
  }
  if (std::in_range<std::uint16_t>(bits)) return largest;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (!std::in_range<std::uint16_t>(value(i)))
      throw Error(ExitCode::input, fmt::format("'{}' has {} {} at index {}; expected 0..65535", array.path().string(),
                                               what, value(i), first + static_cast<std::int64_t>(i)));
  return largest;
}

template <class... T>
std::uint16_t narrow_any(const MappedNpy& array, std::int64_t first, std::span<std::uint16_t> numbers,
                         const char* what) {
  std::uint16_t largest = 0;
  const bool known =
      ((array.dtype() == npy_dtype<T>() ? (largest = narrow<T>(array, first, numbers, what), true) : false) || ...);
  if (!known) {
    throw Error(ExitCode::input,
                fmt::format("'{}' has dtype '{}'; expected an integer type", array.path().string(), array.dtype()));
  }
  return largest;
}

/// Type, shape and number of bytes of the array that begins at the reading position, and ends where the file does.
struct Described {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::size_t bytes;
};
Described describe(InputFile& file) {
  const Header header = read_header(file);
  const auto [dtype, item] = checked_dtype(header, file);
  if (header.fortran_order) {
    file.fail("is in Fortran order; expected C order", "convert it first: np.save(file, np.ascontiguousarray(a))");
  }
  const std::optional<std::int64_t> expected = byte_count(header.shape, item);
  if (!expected) {
    file.fail(fmt::format("has shape {} of '{}'; expected fewer than 2**63 bytes", printable(shape_text(header.shape)),
                          dtype));
  }
  const auto bytes = static_cast<std::uint64_t>(*expected);
  if (file.left() != bytes) {
    file.fail(fmt::format("{}: found {} bytes of data; expected {} for shape {} of '{}'",
                          file.left() < bytes ? "is truncated" : "has trailing bytes", file.left(), bytes,
                          printable(shape_text(header.shape)), dtype));
  }
  return {dtype, header.shape, bytes};
}

}  // namespace

MappedNpy::MappedNpy(const fs::path& path) : path_(path) {
  InputFile file(path);
  const Described array = describe(file);
  dtype_ = array.dtype;
  shape_ = array.shape;
  map_size_ = file.size();
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  map_ = descriptor < 0 ? MAP_FAILED : mmap(nullptr, map_size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int why = errno;
  if (descriptor >= 0) close(descriptor);
  if (map_ == MAP_FAILED) file.fail(fmt::format("cannot be mapped into memory: {}", std::strerror(why)));
  madvise(map_, map_size_, MADV_SEQUENTIAL);
  bytes_ = static_cast<const std::uint8_t*>(map_) + (map_size_ - array.bytes);
}

MappedNpy::~MappedNpy() {
  munmap(map_, map_size_);
}

std::uint16_t read_labels(const MappedNpy& array, std::int64_t first, std::span<std::uint16_t> labels,
                          const char* what) {
  return narrow_any<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, std::uint64_t,
                    std::int64_t>(array, first, labels, what);
}

std::vector<std::uint16_t> read_labels(const fs::path& file) {
  const MappedNpy array(file);
  if (array.shape().size() != 1) {
    throw Error(ExitCode::input, fmt::format("'{}' has shape {}; expected one dimension, a label an image",
                                             file.string(), shape_text(array.shape())));
  }
  std::vector<std::uint16_t> labels(static_cast<std::size_t>(array.shape()[0]));
  read_labels(array, 0, labels);
  return labels;
}

std::vector<float> read_images(const fs::path& file, const std::vector<std::int64_t>& shape) {
  const NpyArray array = read_npy(file);
  const std::vector<std::int64_t>& found = array.shape;
  if (array.dtype != npy_dtype<float>() || found.size() != shape.size() || found[0] < shape[0] ||
      !std::equal(found.begin() + 1, found.end(), shape.begin() + 1))
    throw Error(ExitCode::input, fmt::format("'{}' has shape {} of '{}'; expected {} of '<f4', or more images",
                                             file.string(), shape_text(found), array.dtype, shape_text(shape)));
  std::vector<float> pixels = array.values<float>();
  check_pixels(pixels, found, file);
  std::int64_t size = 1;
  for (const std::int64_t extent : shape) size *= extent;
  pixels.resize(static_cast<std::size_t>(size));
  return pixels;
}

namespace {

DataSet load_npy(const fs::path& folder, const Params&) {
  require_folder(folder, "images.npy and labels.npy");
  DataSet data;
  take_images(read_npy(folder / "images.npy"), folder / "images.npy", data);
  data.labels = read_labels(folder / "labels.npy");
  return data;
}

}  // namespace

std::int64_t NpyArray::size() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

void NpyArray::require_dtype(const std::string& expected) const {
  if (dtype != expected) {
    throw Error(ExitCode::internal, fmt::format("an array of dtype '{}' was read as '{}'", dtype, expected));
  }
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

NpyArray read_npy(const fs::path& path) {
  InputFile file(path);
  Described described = describe(file);
  NpyArray array{std::move(described.dtype), std::move(described.shape), std::vector<std::uint8_t>(described.bytes)};
  file.read_exactly(array.bytes.data(), array.bytes.size());
  return array;
}

std::string npy_header(const std::string& descr, const std::vector<std::int64_t>& shape) {
  std::string text = fmt::format("{{'descr': {}, 'fortran_order': False, 'shape': {}, }}",
                                 descr.starts_with('[') ? descr : "'" + descr + "'", shape_text(shape));
  // numpy leaves room for the first extent to grow in place to 21 digits, then pads with at least one space.
  constexpr std::size_t kGrowth = 21, kAlign = 64, kPrefix = 10;
  if (!shape.empty()) text.append(kGrowth - std::to_string(shape[0]).size(), ' ');
  text.append(kAlign - (kPrefix + text.size() + 1) % kAlign, ' ');
  text += '\n';
  if (text.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw Error(ExitCode::internal, fmt::format("an .npy header of {} bytes; version 1 holds 65535", text.size()));
  }
  std::string header(kMagic);
  header += {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

namespace {
void check_data_size(const std::string& descr, const std::vector<std::int64_t>& shape, std::size_t bytes) {
  const bool records = descr.starts_with('[');
  const std::int64_t item = records ? 1 : item_size(std::string_view(descr).substr(descr.empty() ? 0 : 1));
  const std::optional<std::int64_t> expected = byte_count(shape, item);
  // A record's size is not known here, so any whole number of bytes an element will do.
  const bool fits = item > 0 && expected &&
                    (records && *expected > 0 ? bytes % static_cast<std::size_t>(*expected) == 0
                                              : bytes == static_cast<std::size_t>(*expected));
  if (!fits) {
    throw Error(ExitCode::internal,
                fmt::format("{} bytes of data do not make shape {} of {}", bytes, shape_text(shape), descr));
  }
}
}  // namespace

std::string npy_bytes(const std::string& descr, const std::vector<std::int64_t>& shape, const void* data,
                      std::size_t bytes) {
  check_data_size(descr, shape, bytes);
  std::string file = npy_header(descr, shape);
  if (bytes > 0) file.append(static_cast<const char*>(data), bytes);
  return file;
}

void write_npy(const fs::path& path, const std::string& descr, const std::vector<std::int64_t>& shape, const void* data,
               std::size_t bytes) {
  check_data_size(descr, shape, bytes);
  const std::string header = npy_header(descr, shape);
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  file.close();
  if (!file) {
    throw Error(ExitCode::cannot_write, fmt::format("cannot write '{}': {}", path.string(), std::strerror(errno)));
  }
}

ASSAY_SOURCE("npy",
             .about =
                 "npy:DIR, images.npy (uint8 N x H x W [x C], or float32 N x C x H x W in [0, 1]) and "
                 "labels.npy (any integer type)",
             .load = load_npy);

}  // namespace assay
