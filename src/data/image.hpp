#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace assay {

/// Pixels in memory, H x W x 3, red first, without padding.
struct RgbImage {
  std::int64_t h = 0, w = 0;
  std::vector<std::uint8_t> pixels;
};

/// Twice Pillow's Image.MAX_IMAGE_PIXELS, where it refuses an image too: more is taken for an attempt to fill memory.
constexpr std::int64_t kMostPixels = 178'956'970;

/// Decodes a PNG or JPEG, told by its first bytes, to what Pillow's
/// ImageOps.exif_transpose(Image.open(f)).convert("RGB") gives: the first frame, alpha dropped, 16 bits cut to 8 (gray:
/// clipped), CMYK taken as Adobe's inverted one, turned as its orientation says; no colour profile or gamma is applied.
/// `file` is for messages. Throws assay::Error (exit 65) for what is no PNG or JPEG, has more than kMostPixels (before
/// any memory is taken for them), or is damaged or cut off, where Pillow may read on.
RgbImage decode_image(std::string_view bytes, const std::filesystem::path& file);

/// The same from the header alone, without pixels; damage further on is not seen.
RgbImage image_size(std::string_view bytes, const std::filesystem::path& file);

}  // namespace assay
