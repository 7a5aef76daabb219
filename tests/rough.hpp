#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

namespace assay {

/// Values of both signs over twelve decades: any other order of addition gives other bits.
inline std::vector<float> rough(std::int64_t n) {
  std::vector<float> values;
  std::uint32_t state = 12345;
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    const float mantissa = static_cast<float>(state >> 8) * 0x1p-23f - 1.f;
    values.push_back(mantissa * std::pow(10.f, static_cast<float>((state >> 3) % 13) - 6.f));
  }
  return values;
}

}  // namespace assay
