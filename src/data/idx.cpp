#include "data/idx.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <map>
#include <new>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/core/error.hpp"
#include "core/text.hpp"
#include "data/file.hpp"

// The idx format: http://yann.lecun.com/exdb/mnist/ ("The IDX file format").
namespace assay {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kChunk = 1 << 16;

/// The bytes of a file, inflated where it is gzip. What it is shows in its first bytes, not in its name: browsers
/// unpack some downloads and leave the name.
class IdxStream {
 public:
  explicit IdxStream(const fs::path& path) : file_(path), input_(kChunk) {
    refill();
    gzip_ = zlib_.avail_in >= 2 && input_[0] == 0x1f && input_[1] == 0x8b;
    constexpr int kGzipOnly = 15 + 16;
    if (gzip_ && inflateInit2(&zlib_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  IdxStream(const IdxStream&) = delete;
  IdxStream& operator=(const IdxStream&) = delete;
  ~IdxStream() {
    if (gzip_) inflateEnd(&zlib_);
  }

  const InputFile& file() const { return file_; }

  /// Fills `into`, or as much of it as there are bytes left; returns how many.
  std::size_t read(std::span<std::uint8_t> into) {
    std::size_t done = 0;
    while (done < into.size()) {
      if (zlib_.avail_in == 0 && !refill()) break;
      const std::span<std::uint8_t> rest = into.subspan(done, std::min(into.size() - done, kChunk));
      done += gzip_ ? inflate_into(rest) : copy_into(rest);
    }
    if (done < into.size() && gzip_ && !between_members_) {
      file_.fail(fmt::format("is truncated: its gzip stream ends within {} bytes of compressed data", file_.size()));
    }
    return done;
  }

 private:
  bool refill() {
    zlib_.next_in = input_.data();
    zlib_.avail_in = static_cast<uInt>(file_.read(input_.data(), input_.size()));
    return zlib_.avail_in > 0;
  }

  std::size_t copy_into(std::span<std::uint8_t> into) {
    const std::size_t bytes = std::min<std::size_t>(into.size(), zlib_.avail_in);
    std::copy_n(zlib_.next_in, bytes, into.data());
    zlib_.next_in += bytes;
    zlib_.avail_in -= static_cast<uInt>(bytes);
    return bytes;
  }

  std::size_t inflate_into(std::span<std::uint8_t> into) {
    if (std::exchange(between_members_, false)) inflateReset(&zlib_);  // a gzip file may be several, end to end
    zlib_.next_out = into.data();
    zlib_.avail_out = static_cast<uInt>(into.size());
    const int status = inflate(&zlib_, Z_NO_FLUSH);
    between_members_ = status == Z_STREAM_END;
    if (status != Z_OK && status != Z_STREAM_END) {
      file_.fail(fmt::format("is damaged gzip data: {}", zlib_.msg != nullptr ? zlib_.msg : zError(status)));
    }
    return into.size() - zlib_.avail_out;
  }

  InputFile file_;
  std::vector<std::uint8_t> input_;
  z_stream zlib_{};  ///< for a plain file only its input fields are used
  bool gzip_ = false;
  bool between_members_ = false;
};

struct Idx {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> values;
};

std::string sizes_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("{}", fmt::join(shape, " x "));
}

std::uint32_t big_endian(std::span<const std::uint8_t, 4> bytes) {
  std::uint32_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

std::uint32_t read_header_word(IdxStream& stream) {
  std::array<std::uint8_t, 4> bytes{};
  if (stream.read(bytes) < bytes.size()) stream.file().fail("is truncated: it ends within the idx header");
  return big_endian(bytes);
}

Idx read_array(const fs::path& path, std::uint32_t dimensions) {
  IdxStream stream(path);
  constexpr std::uint32_t kUnsignedBytes = 0x0800;
  const std::uint32_t magic = read_header_word(stream);
  if (magic != kUnsignedBytes + dimensions) {
    stream.file().fail(
        fmt::format("has magic number 0x{:08x}; expected 0x{:08x}, idx with unsigned bytes and {} dimension{}", magic,
                    kUnsignedBytes + dimensions, dimensions, dimensions == 1 ? "" : "s"));
  }
  Idx array;
  std::uint64_t expected = 1;
  bool overflow = false;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const std::uint32_t extent = read_header_word(stream);
    array.shape.push_back(extent);
    overflow = __builtin_mul_overflow(expected, std::uint64_t{extent}, &expected) || overflow;
  }
  // Memory grows with what the file really gives, so a header alone cannot take it.
  while (!overflow && array.values.size() < expected) {
    const std::size_t done = array.values.size();
    array.values.resize(done + static_cast<std::size_t>(std::min<std::uint64_t>(expected - done, kChunk)));
    const std::size_t got = stream.read(std::span(array.values).subspan(done));
    array.values.resize(done + got);
    if (got == 0) break;
  }
  if (overflow || array.values.size() < expected) {
    stream.file().fail(fmt::format("is truncated: found {} bytes after its header; expected {}", array.values.size(),
                                   sizes_text(array.shape)));
  }
  std::array<std::uint8_t, 1> more{};
  if (stream.read(more) > 0) {
    stream.file().fail(fmt::format("has trailing bytes: found more than the {} bytes after its header; expected {}",
                                   expected, sizes_text(array.shape)));
  }
  return array;
}

/// "t10k-images-idx3-ubyte" becomes "t10k-labels-idx1-ubyte".
std::string labels_of(std::string images) {
  images.replace(images.rfind("images"), 6, "labels");
  images.replace(images.rfind("idx3"), 4, "idx1");
  return images;
}

/// The files in `folder` named *`what`*`kind` or *`what`*`kind`.gz, by their name without .gz; the unpacked one where
/// there are both.
std::map<std::string, fs::path> matching(const fs::path& folder, std::string_view what, std::string_view kind) {
  std::map<std::string, fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    const bool packed = name.ends_with(".gz");
    if (packed) name.resize(name.size() - 3);
    if (!name.ends_with(kind)) continue;
    if (std::string_view(name).substr(0, name.size() - kind.size()).find(what) == std::string_view::npos) continue;
    if (!packed || found.count(name) == 0) found[name] = entry.path();
  }
  return found;
}

std::string names_text(const std::map<std::string, fs::path>& files) {
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const auto& [name, path] : files) names.push_back(printable(path.filename().string()));
  return names.empty() ? "none" : join(names);
}

DataSet load_idx(const fs::path& folder, const Params&) {
  constexpr const char* kExpected = "one *images*idx3-ubyte[.gz] and one *labels*idx1-ubyte[.gz]";
  require_folder(folder, kExpected);
  const auto images = matching(folder, "images", "idx3-ubyte"), labels = matching(folder, "labels", "idx1-ubyte");

  std::vector<std::pair<fs::path, fs::path>> pairs;
  for (const auto& [name, path] : images) {
    if (const auto partner = labels.find(labels_of(name)); partner != labels.end())
      pairs.emplace_back(path, partner->second);
  }
  if (pairs.empty() && images.size() == 1 && labels.size() == 1) {
    pairs.emplace_back(images.begin()->second, labels.begin()->second);
  }
  if (pairs.size() == 1) return read_idx(pairs[0].first, pairs[0].second);
  const std::string found =
      fmt::format("'{}' holds images: {}; labels: {}", folder.string(), names_text(images), names_text(labels));
  throw Error(ExitCode::input, fmt::format("{}; expected {}", found, kExpected),
              pairs.empty() ? "" : "put the wanted pair into a folder of its own");
}

}  // namespace

DataSet read_idx(const fs::path& images, const fs::path& labels) {
  Idx pixels = read_array(images, 3);
  const Idx classes = read_array(labels, 1);
  DataSet data;
  data.n = pixels.shape[0];
  data.c = 1;
  data.h = pixels.shape[1];
  data.w = pixels.shape[2];
  data.bytes = std::move(pixels.values);
  data.labels.assign(classes.values.begin(), classes.values.end());
  return data;
}

ASSAY_SOURCE("idx", .about = "idx:DIR, MNIST's format: *images*idx3-ubyte[.gz] and *labels*idx1-ubyte[.gz]",
             .load = load_idx);

}  // namespace assay
