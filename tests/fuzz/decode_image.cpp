// libFuzzer's entry to the image decoders: whatever the bytes, an image of the size that it says or one error, exit 65.
#include <cstdlib>

#include "assay/core/error.hpp"
#include "data/image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const assay::RgbImage header = assay::image_size(bytes, "fuzz");
    const assay::RgbImage image = assay::decode_image(bytes, "fuzz");
    if (image.h != header.h || image.w != header.w) std::abort();
    if (image.pixels.size() != 3 * static_cast<std::size_t>(image.h) * static_cast<std::size_t>(image.w)) std::abort();
  } catch (const assay::Error& error) {
    if (error.code() != assay::ExitCode::input) std::abort();
  }
  return 0;
}
