#pragma once
#include "assay/core/math.hpp"
#include "core/rows.hpp"

namespace assay {

/// `to` becomes the pixels in [0, 1] of a sample, by its data-set index.
template <class Team>
ASSAY_HD void fill_pixels(Team& team, const ResidentData& data, std::int64_t sample, float* to) {
  if (data.bytes.data != nullptr) {
    const std::int64_t dim = data.bytes.dim();
    team.map(dim, to, [](std::uint8_t v) { return unit_pixel(v); }, data.bytes.data + (sample - data.first) * dim);
  } else {
    const std::int64_t dim = data.floats.dim();
    team.map(dim, to, [](float v) { return v; }, data.floats.data + (sample - data.first) * dim);
  }
}

}  // namespace assay
