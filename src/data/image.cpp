#include "data/image.hpp"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "assay/core/error.hpp"
// After <cstdio>, which it takes for granted.
#include <jerror.h>
#include <jpeglib.h>

namespace assay {
namespace {
namespace fs = std::filesystem;
using namespace std::string_view_literals;

/// Thrown by the decoders; decode_image adds the file's name.
struct Refused {
  std::string what;
};

constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n"sv, kJpeg = "\xff\xd8\xff"sv;

void check_size(std::int64_t w, std::int64_t h) {
  if (w <= kMostPixels / h) return;
  throw Refused{fmt::format("has {} x {} pixels (W x H); expected at most {} in all", w, h, kMostPixels)};
}

/// An unsigned number of 1 to 4 bytes; 0 where they are not all there.
std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size, bool big_endian) {
  if (at > bytes.size() || size > bytes.size() - at) return 0;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value = value << 8 | static_cast<std::uint8_t>(bytes[at + (big_endian ? i : size - 1 - i)]);
  return value;
}

/// Tag 0x0112 of an EXIF block (a TIFF header and its first directory): EXIF 2.32, section 4.6.4.
std::optional<std::uint32_t> exif_orientation(std::string_view tiff) {
  const bool big_endian = tiff.starts_with("MM\0*"sv);
  if (!big_endian && !tiff.starts_with("II*\0"sv)) return {};
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3, kLong = 4;
  constexpr std::size_t kEntry = 12;
  const std::size_t directory = number_at(tiff, 4, 4, big_endian);
  const std::uint32_t entries = number_at(tiff, directory, 2, big_endian);
  std::optional<std::uint32_t> found;
  for (std::size_t i = 0, at = directory + 2; i < entries && at + kEntry <= tiff.size(); ++i, at += kEntry) {
    const std::uint32_t type = number_at(tiff, at + 2, 2, big_endian);
    if (number_at(tiff, at, 2, big_endian) != kOrientation || number_at(tiff, at + 4, 4, big_endian) != 1) continue;
    if (type == kShort || type == kLong) found = number_at(tiff, at + 8, type == kShort ? 2 : 4, big_endian);
  }
  return found;
}

/// XMP has it as an attribute or as an element.
std::optional<std::uint32_t> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = xmp.find(kName); at != xmp.npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with('>'))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return static_cast<std::uint32_t>(rest[0] - '0');
  }
  return {};
}

/// 1 to 8; 1 is upright. EXIF decides where it has one, as in Pillow's Image.getexif.
int orientation_of(std::string_view exif, std::string_view xmp) {
  std::optional<std::uint32_t> found = exif_orientation(exif);
  if (!found) found = xmp_orientation(xmp);
  return found && *found >= 1 && *found <= 8 ? static_cast<int>(*found) : 1;
}

bool swaps_sides(int orientation) {
  return orientation >= 5;
}

RgbImage upright(RgbImage image, int orientation) {
  if (orientation == 1) return image;
  const bool swaps = swaps_sides(orientation);
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  RgbImage out{swaps ? image.w : image.h, swaps ? image.h : image.w, std::vector<std::uint8_t>(image.pixels.size())};
  std::uint8_t* to = out.pixels.data();
  for (std::int64_t y = 0; y < out.h; ++y)
    for (std::int64_t x = 0; x < out.w; ++x, to += 3) {
      const std::int64_t row = swaps ? x : y, column = swaps ? y : x;
      const std::int64_t from =
          (from_below ? image.h - 1 - row : row) * image.w + (from_right ? image.w - 1 - column : column);
      std::copy_n(image.pixels.data() + 3 * from, 3, to);
    }
  return out;
}

/// Runs `step`, from which a C library may come back by longjmp(back): no object with a destructor may live in it, and
/// its memory is that of a decoder, which outlives it. Returns whether the end was reached.
template <class Step>
bool reaches_end(std::jmp_buf& back, const Step& step) {
  if (setjmp(back) != 0) return false;
  step();
  return true;
}

/// What both libraries need: where to come back to from an error, and its text.
class Decoder {
 protected:
  template <class Step>
  void run(const Step& step) {
    if (!reaches_end(back_, step)) throw Refused{std::string("is damaged: ") + message_};
  }
  [[noreturn]] void fail(const char* message) {
    std::snprintf(message_, sizeof message_, "%s", message);
    std::longjmp(back_, 1);
  }

 private:
  std::jmp_buf back_{};
  char message_[JMSG_LENGTH_MAX] = "";
};

class JpegDecoder : Decoder {
 public:
  explicit JpegDecoder(std::string_view bytes) : JpegDecoder() {
    run([&] {
      jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      jpeg_save_markers(&info_, kApp1, 0xffff);
      jpeg_read_header(&info_, TRUE);
    });
    check_size(w(), h());
    orientation_ = in_header();
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }

  std::int64_t h() const { return info_.image_height; }
  std::int64_t w() const { return info_.image_width; }

  int orientation() const { return orientation_; }

  RgbImage pixels() {
    const int components = info_.num_components;
    if (components != 1 && components != 3 && components != 4)
      throw Refused{fmt::format("has {} components; expected 1, 3 or 4", components)};
    info_.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    info_.progress = &progress_;
    progress_.progress_monitor = [](j_common_ptr info) {
      // Each of them is a pass over the whole image, for a few bytes of the file.
      constexpr int kMostScans = 500;
      if (self(info)->info_.input_scan_number > kMostScans) self(info)->fail("it has more than 500 scans");
    };
    RgbImage image{h(), w(), std::vector<std::uint8_t>(static_cast<std::size_t>(3 * h() * w()))};
    std::vector<std::uint8_t> line(static_cast<std::size_t>(components * w()));
    std::uint8_t *const from = line.data(), *const to = image.pixels.data();
    run([&] {
      jpeg_start_decompress(&info_);
      while (info_.output_scanline < info_.output_height) {
        std::uint8_t* const row = to + std::size_t{3} * info_.output_scanline * info_.output_width;
        JSAMPROW rows[] = {components == 3 ? row : from};
        jpeg_read_scanlines(&info_, rows, 1);
        if (components == 1) gray_row(from, row);
        if (components == 4) cmyk_row(from, row);
      }
      jpeg_finish_decompress(&info_);
    });
    return image;
  }

 private:
  /// Of the markers before the first scan, as in Pillow; more may come between scans.
  int in_header() const {
    std::string exif;
    std::string_view xmp;
    for (const jpeg_marker_struct* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (data.starts_with(kExif)) exif += data.substr(kExif.size());
      if (data.starts_with(kXmp)) xmp = data.substr(kXmp.size());
    }
    return orientation_of(exif, xmp);
  }

  static constexpr int kApp1 = JPEG_APP0 + 1;
  static constexpr std::string_view kExif = "Exif\0\0"sv, kXmp = "http://ns.adobe.com/xap/1.0/\0"sv;

  static JpegDecoder* self(j_common_ptr info) { return static_cast<JpegDecoder*>(info->client_data); }

  JpegDecoder() {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) {
      char message[JMSG_LENGTH_MAX];
      info->err->format_message(info, message);
      self(info)->fail(message);
    };
    errors_.emit_message = [](j_common_ptr info, int level) {
      // Of the warnings these do no harm to pixels; the others are of data that are missing or wrong.
      constexpr int kHarmless[] = {JWRN_EXTRANEOUS_DATA, JWRN_ADOBE_XFORM, JWRN_JFIF_MAJOR, JWRN_NOT_SEQUENTIAL};
      if (level < 0 && std::ranges::find(kHarmless, info->err->msg_code) == std::end(kHarmless))
        info->err->error_exit(info);
    };
    run([&] { jpeg_create_decompress(&info_); });
  }

  void gray_row(const std::uint8_t* from, std::uint8_t* to) const {
    for (std::int64_t x = 0; x < w(); ++x, to += 3) to[0] = to[1] = to[2] = from[x];
  }
  /// Pillow's: the file's values are inverted, as Adobe writes them, whether or not it says so; then (1 - k)(1 - c).
  void cmyk_row(const std::uint8_t* from, std::uint8_t* to) const {
    for (std::int64_t x = 0; x < w(); ++x, from += 4)
      for (int c = 0; c < 3; ++c) {
        const int left = from[3], product = (255 - from[c]) * left + 128;
        *to++ = static_cast<std::uint8_t>(left - (((product >> 8) + product) >> 8));
      }
  }

  int orientation_ = 1;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
};

class PngDecoder : Decoder {
 public:
  explicit PngDecoder(std::string_view bytes) : PngDecoder() {
    bytes_ = left_ = bytes;
    run([&] {
      png_set_read_fn(png_, this, [](png_structp png, png_bytep into, std::size_t count) {
        auto* const decoder = static_cast<PngDecoder*>(png_get_io_ptr(png));
        if (count > decoder->left_.size()) decoder->fail("it ends early");
        std::memcpy(into, decoder->left_.data(), count);
        decoder->left_.remove_prefix(count);
      });
      // The limit is ours; what colours mean is nobody's here; and an error that libpng would pass over, such as a
      // wrong checksum of all pixels, is one.
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      png_set_benign_errors(png_, 0);
      png_set_check_for_invalid_index(png_, 0);  // such pixels are black
      png_read_info(png_, header_);
    });
    check_size(w(), h());
  }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&png_, &header_, nullptr); }

  std::int64_t h() const { return png_get_image_height(png_, header_); }
  std::int64_t w() const { return png_get_image_width(png_, header_); }

  int orientation() const {
    constexpr std::size_t kAround = 12;  // length and type before a chunk's data, checksum behind
    std::string_view exif, xmp;
    for (std::size_t at = kPng.size(); at + kAround <= bytes_.size();) {
      const std::size_t length = number_at(bytes_, at, 4, true);
      if (length > bytes_.size() - at - kAround) break;
      const std::string_view type = bytes_.substr(at + 4, 4), data = bytes_.substr(at + 8, length);
      if (type == "eXIf") exif = data;
      if (type == "iTXt" && data.starts_with(kXmp)) xmp = data;
      at += length + kAround;
    }
    return orientation_of(exif, xmp);
  }

  RgbImage pixels() {
    const bool gray16 =
        png_get_color_type(png_, header_) == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png_, header_) == 16;
    const std::size_t row = static_cast<std::size_t>(w()) * (gray16 ? 2 : 3), rows = static_cast<std::size_t>(h());
    RgbImage image{h(), w(), std::vector<std::uint8_t>(row * rows)};
    std::uint8_t* const to = image.pixels.data();
    run([&] {
      if (!gray16) {
        png_set_expand(png_);
        png_set_strip_16(png_);
        png_set_strip_alpha(png_);
        png_set_gray_to_rgb(png_);
      }
      const int passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, header_);
      if (png_get_rowbytes(png_, header_) != row) fail("its rows have another size than its header says");
      for (int pass = 0; pass < passes; ++pass)
        for (std::size_t y = 0; y < rows; ++y) png_read_row(png_, to + y * row, nullptr);
      png_read_end(png_, nullptr);
    });
    if (gray16) image.pixels = clipped(image.pixels);
    return image;
  }

 private:
  // Uncompressed, as writers of XMP are told to leave it.
  static constexpr std::string_view kXmp = "XML:com.adobe.xmp\0\0"sv;

  PngDecoder() {
    const auto error = [](png_structp png, png_const_charp message) {
      static_cast<PngDecoder*>(png_get_error_ptr(png))->fail(message);
    };
    run([&] {
      png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, error, [](png_structp, png_const_charp) {});
      if (png_ != nullptr) header_ = png_create_info_struct(png_);
    });
    if (header_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }

  /// Pillow's conversion of 16-bit gray cuts off what does not fit into a byte.
  static std::vector<std::uint8_t> clipped(const std::vector<std::uint8_t>& gray16) {
    std::vector<std::uint8_t> rgb;
    rgb.reserve(gray16.size() / 2 * 3);
    for (std::size_t i = 0; i < gray16.size(); i += 2) rgb.insert(rgb.end(), 3, gray16[i] > 0 ? 255 : gray16[i + 1]);
    return rgb;
  }

  png_structp png_ = nullptr;
  png_infop header_ = nullptr;
  std::string_view bytes_, left_;
};

/// `use` on the decoder of the file's format.
template <class Use>
RgbImage with_decoder(std::string_view bytes, const fs::path& file, const Use& use) {
  try {
    if (bytes.starts_with(kPng)) {
      PngDecoder png(bytes);
      return use(png);
    }
    if (bytes.starts_with(kJpeg)) {
      JpegDecoder jpeg(bytes);
      return use(jpeg);
    }
    if (bytes.empty()) throw Refused{"is empty; expected a PNG or a JPEG"};
    std::string begin;
    for (const char byte : bytes.substr(0, 4)) begin += fmt::format(" {:02x}", static_cast<std::uint8_t>(byte));
    throw Refused{"is no PNG or JPEG: it begins with" + begin};
  } catch (const Refused& refused) {
    throw Error(ExitCode::input, "'" + file.string() + "' " + refused.what);
  }
}

}  // namespace

RgbImage decode_image(std::string_view bytes, const fs::path& file) {
  return with_decoder(bytes, file, [](auto& decoder) {
    RgbImage image = decoder.pixels();
    return upright(std::move(image), decoder.orientation());
  });
}

RgbImage image_size(std::string_view bytes, const fs::path& file) {
  return with_decoder(bytes, file, [](auto& decoder) {
    RgbImage size{decoder.h(), decoder.w(), {}};
    if (swaps_sides(decoder.orientation())) std::swap(size.h, size.w);
    return size;
  });
}

}  // namespace assay
