#pragma once
#include <cstdint>

#include "data/image.hpp"

namespace assay {

/// What becomes of an image before a model sees it; 0 leaves a step out.
struct Resample {
  std::int64_t shorter = 0;  ///< the shorter side's length after resizing, as torchvision's Resize(int)
  std::int64_t crop = 0;     ///< the square taken out of the middle, as torchvision's CenterCrop(int)
};

/// Height and width of an h x w image after both steps, pixels left empty.
RgbImage resampled_size(std::int64_t h, std::int64_t w, const Resample& steps);

/// The image after both steps: antialiased bilinear, equal to Pillow's Image.resize(..., BILINEAR) to the byte; a side
/// shorter than the crop is padded with black as torchvision does. Pixels outside the crop are not computed.
RgbImage resampled(const RgbImage& image, const Resample& steps);

}  // namespace assay
