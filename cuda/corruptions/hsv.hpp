#pragma once
#include "corruptions/corruption_kernel.hpp"

// To hue, saturation and value and back as scikit-image goes (Smith 1978), in double and operation by operation. A
// value that is left alone, or moved by a multiple of 1/255, stands exactly at a level: only the same roundings give
// the same byte.
namespace assay {

/// change(saturation, value) alters both for every pixel.
template <class Team, class F>
ASSAY_HD void through_hsv(Team& team, const CorruptionRow& row, const F& change) {
  const std::int64_t plane = row.plane();
  const std::uint8_t *reds = row.channel(0), *greens = row.channel(1), *blues = row.channel(2);
  float* out = row.out;
  team.each(plane, [=](std::int64_t i) {
    const double red = unit_pixel64(reds[i]), green = unit_pixel64(greens[i]), blue = unit_pixel64(blues[i]);
    const double high = red > green ? red : green, low = red < green ? red : green;
    double value = high > blue ? high : blue;
    const double chroma = value - (low < blue ? low : blue);
    const double divisor = chroma > 0.0 ? chroma : 1.0;
    double saturation = chroma > 0.0 ? chroma / value : 0.0;
    // Of equal largest channels the last one counts.
    const double first = blue == value ? red : green == value ? blue : green;
    const double second = blue == value ? green : green == value ? red : blue;
    const double sector = blue == value ? 4.0 : green == value ? 2.0 : 0.0;
    double hue = (sector + (first - second) / divisor) / 6.0;
    hue = hue < 0.0 ? hue + 1.0 : hue;
    hue = chroma > 0.0 ? hue : 0.0;

    change(saturation, value);
    const double sixths = hue * 6.0;
    const auto side = static_cast<std::int32_t>(sixths);
    const double rest = sixths - static_cast<double>(side);
    const double p = value * (1.0 - saturation), q = value * (1.0 - rest * saturation);
    const double t = value * (1.0 - (1.0 - rest) * saturation);
    // Sides 0 to 5, and 6 for 0, where a hue just under a whole turn was rounded up.
    const double r = side == 1 ? q : side == 2 || side == 3 ? p : side == 4 ? t : value;
    const double g = side == 0 || side == 6 ? t : side == 1 || side == 2 ? value : side == 3 ? q : p;
    const double b = side == 2 ? t : side == 3 || side == 4 ? value : side == 5 ? q : p;
    out[i] = same_level(r);
    out[plane + i] = same_level(g);
    out[2 * plane + i] = same_level(b);
  });
}

}  // namespace assay
