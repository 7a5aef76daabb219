#pragma once
#include "corruptions/corruption_kernel.hpp"

// Ice laid over an image: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C, Tiny-ImageNet-C and
// CIFAR-10-C.
namespace assay {

struct FrostWeights {
  double image, ice;

  /// `ice` is a level, and need not be whole.
  ASSAY_HD float mix(std::uint8_t byte, double level) const {
    const double sum = image * static_cast<double>(byte) + ice * level, mixed = sum < 255.0 ? sum : 255.0;
    return at_level(mixed / 255.0, static_cast<std::int32_t>(mixed));
  }
};
inline constexpr Severities<FrostWeights> kFrostWeights = {{{1, .4}, {.8, .6}, {.7, .7}, {.65, .7}, {.6, .75}},
                                                           {{1, .3}, {.9, .4}, {.8, .45}, {.75, .5}, {.7, .55}},
                                                           {{1, .2}, {1, .3}, {.9, .4}, {.85, .4}, {.75, .45}}};

}  // namespace assay
