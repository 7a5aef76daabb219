#pragma once
#include "corruptions/corruption_kernel.hpp"

// To hue, saturation and value and back as scikit-image goes (Smith 1978), in double and operation by operation. A
// value that is left alone, or moved by a multiple of 1/255, stands exactly at a level: only the same roundings give
// the same byte.
namespace assay {

/// change(saturation, value) alters both for every pixel. No branches: g++ works on several pixels at once.
template <class Team, class F>
ASSAY_HD void through_hsv(Team& team, const CorruptionRow& row, const F& change) {
  // 32-bit distances from two pointers: registers are scarce here.
  const int plane = static_cast<int>(row.plane()), apart = row.channels == 3 ? plane : 0;
  const std::uint8_t* bytes = row.bytes;
  float* out = row.out;
  team.each(plane, [=](std::int64_t at) {
    const auto i = static_cast<int>(at);
    const double red = unit_pixel64(bytes[i]), green = unit_pixel64(bytes[i + apart]),
                 blue = unit_pixel64(bytes[i + 2 * apart]);
    const double high = red > green ? red : green, low = red < green ? red : green;
    double value = high > blue ? high : blue;
    const double chroma = value - (low < blue ? low : blue);
    double saturation = chroma / (value > 0.0 ? value : 1.0);
    // Of equal largest channels the last one counts.
    const double of_red = green - blue, of_green = blue - red, of_blue = red - green;
    double difference = of_red, sector = 0.0;
    difference = green == value ? of_green : difference;
    sector = green == value ? 2.0 : sector;
    difference = blue == value ? of_blue : difference;
    sector = blue == value ? 4.0 : sector;
    double hue = (sector + difference / (chroma > 0.0 ? chroma : 1.0)) / 6.0;
    hue += hue < 0.0 ? 1.0 : 0.0;
    hue = chroma > 0.0 ? hue : 0.0;

    change(saturation, value);
    const double sixths = hue * 6.0;
    const double side = static_cast<double>(static_cast<std::int32_t>(sixths)), rest = sixths - side;
    const double p = value * (1.0 - saturation), q = value * (1.0 - rest * saturation);
    const double t = value * (1.0 - (1.0 - rest) * saturation);
    double r = value, g = t, b = p;
    r = side >= 1.0 ? q : r;
    r = side >= 2.0 ? p : r;
    r = side >= 4.0 ? t : r;
    r = side >= 5.0 ? value : r;
    g = side >= 1.0 ? value : g;
    g = side >= 3.0 ? q : g;
    g = side >= 4.0 ? p : g;
    b = side >= 2.0 ? t : b;
    b = side >= 3.0 ? value : b;
    b = side >= 5.0 ? q : b;
    // A hue just under a whole turn may have been rounded up, where t is p.
    b = side >= 6.0 ? p : b;
    out[i] = same_level(r);
    out[plane + i] = same_level(g);
    out[2 * plane + i] = same_level(b);
  });
}

}  // namespace assay
