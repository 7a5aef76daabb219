#pragma once
#include <math.h>

#include "assay/core/device.hpp"

// Elementary functions whose bits are the same from g++ and nvcc: only + - * / and integer operations, built with
// -ffp-contract=off and -fmad=false. Branch-free, so that g++ vectorises loops over them.
namespace assay {

#if defined(__CUDA_ARCH__)
ASSAY_HD float bits_to_float(std::uint32_t v) {
  return __uint_as_float(v);
}
ASSAY_HD std::uint32_t float_to_bits(float v) {
  return __float_as_uint(v);
}
ASSAY_HD double bits_to_double(std::uint64_t v) {
  return __longlong_as_double(static_cast<long long>(v));
}
ASSAY_HD std::uint64_t double_to_bits(double v) {
  return static_cast<std::uint64_t>(__double_as_longlong(v));
}
#else
ASSAY_HD float bits_to_float(std::uint32_t v) {
  float f;
  __builtin_memcpy(&f, &v, sizeof f);
  return f;
}
ASSAY_HD std::uint32_t float_to_bits(float v) {
  std::uint32_t u;
  __builtin_memcpy(&u, &v, sizeof u);
  return u;
}
ASSAY_HD double bits_to_double(std::uint64_t v) {
  double d;
  __builtin_memcpy(&d, &v, sizeof d);
  return d;
}
ASSAY_HD std::uint64_t double_to_bits(double v) {
  std::uint64_t u;
  __builtin_memcpy(&u, &v, sizeof u);
  return u;
}
#endif

/// log(x) for normal x in (0, 1]; error below 4 ulp. log m = 2 atanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)).
ASSAY_HD float log_unit(float x) {
  const std::uint32_t shifted = float_to_bits(x) - 0x3F3504F3u;  // the bits of sqrt(1/2)
  const std::int32_t exponent = static_cast<std::int32_t>(shifted) >> 23;
  const float m = bits_to_float((shifted & 0x007FFFFFu) + 0x3F3504F3u);
  const float s = (m - 1.f) / (m + 1.f);
  const float z = s * s;
  const float series = s * (2.f + z * (2.f / 3.f + z * (2.f / 5.f + z * (2.f / 7.f + z * (2.f / 9.f)))));
  return static_cast<float>(exponent) * 0.693147181f + series;
}

/// sin and cos of 2 pi v for v in [0, 1]; absolute error below 2e-7.
ASSAY_HD void sincos_turns(float v, float& sine, float& cosine) {
  const std::int32_t quadrant = static_cast<std::int32_t>(v * 4.f + 0.5f);   // nearest quarter turn
  const float x = (v - static_cast<float>(quadrant) * 0.25f) * 6.28318531f;  // in [-pi/4, pi/4], subtraction exact
  const float z = x * x;
  const float s = x * (1.f + z * (-1.f / 6.f + z * (1.f / 120.f + z * (-1.f / 5040.f + z * (1.f / 362880.f)))));
  const float c = 1.f + z * (-0.5f + z * (1.f / 24.f + z * (-1.f / 720.f + z * (1.f / 40320.f))));
  const bool odd = (quadrant & 1) != 0;
  const float a = odd ? c : s;
  const float b = odd ? s : c;
  sine = (quadrant & 2) != 0 ? -a : a;
  cosine = ((quadrant + 1) & 2) != 0 ? -b : b;
}

/// sin and cos of an angle in degrees, |degrees| <= 360, in double; absolute error below 1e-15.
ASSAY_HD void sincos_degrees(double degrees, double& sine, double& cosine) {
  const double quarters = degrees / 90.0;
  const auto quadrant = static_cast<std::int32_t>(quarters + (quarters < 0.0 ? -0.5 : 0.5));
  const double x = (degrees - 90.0 * static_cast<double>(quadrant)) * 0.017453292519943295;  // in [-pi/4, pi/4]
  const double z = x * x;
  double s = 0.0, c = 0.0;
  for (int k = 17; k >= 3; k -= 2) s = (1.0 + s) * (-z / static_cast<double>(k * (k - 1)));
  for (int k = 18; k >= 2; k -= 2) c = (1.0 + c) * (-z / static_cast<double>(k * (k - 1)));
  s = x + x * s;
  c = 1.0 + c;
  const bool odd = (quadrant & 1) != 0;
  const double a = odd ? c : s, b = odd ? s : c;
  sine = (quadrant & 2) != 0 ? -a : a;
  cosine = ((quadrant + 1) & 2) != 0 ? -b : b;
}

/// exp(x) for x <= 0, in double; 0 below -708. Taylor series after x = n log 2 + r, |r| <= 0.35.
ASSAY_HD double exp_nonpositive(double x) {
  const double clipped = x > -708.0 ? x : -708.0;
  const auto n = static_cast<std::int32_t>(clipped * 1.4426950408889634 - 0.5);  // AVX2 has no 64-bit conversion
  const double count = static_cast<double>(n);
  const double r = (clipped - count * 0.693147180369123816490) - count * 1.90821492927058770002e-10;
  // Line by line: g++ would vectorise no loop around a loop.
  double sum = 1.0 / 6227020800;
  sum = sum * r + 1.0 / 479001600;
  sum = sum * r + 1.0 / 39916800;
  sum = sum * r + 1.0 / 3628800;
  sum = sum * r + 1.0 / 362880;
  sum = sum * r + 1.0 / 40320;
  sum = sum * r + 1.0 / 5040;
  sum = sum * r + 1.0 / 720;
  sum = sum * r + 1.0 / 120;
  sum = sum * r + 1.0 / 24;
  sum = sum * r + 1.0 / 6;
  sum = sum * r + 0.5;
  sum = sum * r + 1.0;
  sum = sum * r + 1.0;
  const double power = bits_to_double(static_cast<std::uint64_t>(std::int64_t{n} + 1023) << 52);
  return sum * (x > -708.0 ? power : 0.0);
}

/// log(x) for normal positive finite x, in double.
ASSAY_HD double log_positive(double x) {
  const std::uint64_t shifted = double_to_bits(x) - 0x3FE6A09E667F3BCDull;  // the bits of sqrt(1/2)
  const double exponent = static_cast<double>(static_cast<std::int64_t>(shifted) >> 52);
  const double m = bits_to_double((shifted & 0x000FFFFFFFFFFFFFull) + 0x3FE6A09E667F3BCDull);
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double series = 0.0;
  for (int k = 23; k >= 1; k -= 2) series = series * z + 2.0 / static_cast<double>(k);
  return exponent * 0.693147180369123816490 + (s * series + exponent * 1.90821492927058770002e-10);
}

/// byte / 255, to the bit: 1/255 in two parts, the product with the first of which is exact. A division is five times
/// as slow.
ASSAY_HD float unit_pixel(std::uint8_t byte) {
  const auto v = static_cast<float>(byte);
  return v * 0x1.01p-8f + v * 0x1.0101p-24f;
}
ASSAY_HD double unit_pixel64(std::uint8_t byte) {
  const auto v = static_cast<double>(byte);
  return v * 0x1.0101010101p-8 + v * 0x1.0101010101p-56;
}
}  // namespace assay
