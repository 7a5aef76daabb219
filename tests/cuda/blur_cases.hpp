#pragma once
#include <cmath>

#include "cuda/corruption_run.hpp"

namespace assay {

/// One white pixel in the middle of black ones.
inline ByteImages one_white_pixel(std::int64_t side) {
  ByteImages images = flat_images(1, 3, side, 0);
  for (std::int64_t c = 0; c < 3; ++c)
    images.data[static_cast<std::size_t>((c * side + side / 2) * side + side / 2)] = 255;
  return images;
}
/// out[0] at (y, x), counted from the middle.
inline double from_middle(const std::vector<float>& out, std::int64_t side, std::int64_t dy, std::int64_t dx) {
  return static_cast<double>(out[static_cast<std::size_t>((side / 2 + dy) * side + side / 2 + dx)]);
}

}  // namespace assay
