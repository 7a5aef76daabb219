// libm in double or long double is the reference: its own error is far below the tolerances here.
#include "assay/core/math.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

namespace assay {
namespace {

double float_ulp(double v) {
  const auto near = std::abs(static_cast<float>(v));
  return static_cast<double>(std::nextafter(near, INFINITY)) - static_cast<double>(near);
}

TEST(UnitPixel, IsTheQuotientToTheBit) {
  for (int byte = 0; byte < 256; ++byte) {
    const volatile float v = static_cast<float>(byte);
    const volatile double wide = byte;
    EXPECT_EQ(unit_pixel(static_cast<std::uint8_t>(byte)), v / 255.f) << byte;
    EXPECT_EQ(unit_pixel64(static_cast<std::uint8_t>(byte)), wide / 255.0) << byte;
  }
}

TEST(LogUnit, IsWithin3UlpOnTheGridOfUniformNumbers) {
  double worst = 0;
  const auto check = [&](std::uint32_t m) {
    const float x = static_cast<float>(m) * 0x1p-24f;
    const double expected = std::log(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(log_unit(x)) - expected) / float_ulp(expected));
  };
  for (std::uint32_t m = 1; m < (1u << 24); m += 11) check(m);
  for (std::uint32_t m = 1; m < 4096; ++m) check(m);
  for (std::uint32_t m = (1u << 24) - 4096; m < (1u << 24); ++m) check(m);
  const auto root = static_cast<std::uint32_t>(std::sqrt(0.5) * 0x1p24);  // where the exponent changes
  for (std::uint32_t m = root - 64; m < root + 64; ++m) check(m);
  EXPECT_LT(worst, 3.0);
  EXPECT_EQ(log_unit(1.f), 0.f);
}

TEST(LogUnit, IsWithin3UlpDownToTheSmallestNormalNumber) {
  double worst = 0;
  for (float x = FLT_MIN; x < 1.f; x = std::nextafter(x * 1.0007f, 2.f)) {
    const double expected = std::log(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(log_unit(x)) - expected) / float_ulp(expected));
  }
  EXPECT_LT(worst, 3.0);
}

TEST(SincosTurns, IsWithin2e7OnTheGridOfUniformNumbers) {
  double worst = 0;
  const auto check = [&](std::uint32_t m) {
    const float v = static_cast<float>(m) * 0x1p-24f;
    float s = 2, c = 2;
    sincos_turns(v, s, c);
    const double angle = 2 * M_PI * static_cast<double>(v);
    worst = std::max({worst, std::abs(static_cast<double>(s) - std::sin(angle)),
                      std::abs(static_cast<double>(c) - std::cos(angle))});
  };
  for (std::uint32_t m = 0; m <= (1u << 24); m += 13) check(m);
  for (std::uint32_t eighth = 0; eighth <= 8; ++eighth)  // where the quadrant changes
    for (std::uint32_t off = 0; off < 64; ++off) {
      const std::uint32_t m = (eighth << 21) + off;
      if (m >= 32 && m - 32 <= (1u << 24)) check(m - 32);
    }
  EXPECT_LT(worst, 2e-7);
}

TEST(SincosTurns, IsExactAtQuarterTurns) {
  const float expected[][3] = {{0, 0, 1}, {0.25f, 1, 0}, {0.5f, 0, -1}, {0.75f, -1, 0}, {1, 0, 1}};
  for (const auto& [v, sine, cosine] : expected) {
    float s = 2, c = 2;
    sincos_turns(v, s, c);
    EXPECT_EQ(s, sine) << v;
    EXPECT_EQ(c, cosine) << v;
  }
}

TEST(ExpNonpositive, IsWithin1UlpDownToMinus708) {
  double worst = 0;
  const auto check = [&](double x) {
    const auto expected = std::exp(static_cast<long double>(x));
    worst = std::max(
        worst, static_cast<double>(std::abs((static_cast<long double>(exp_nonpositive(x)) - expected) / expected)));
  };
  for (double x = -707.999; x <= 0; x += 0.00371) check(x);
  for (int n = 1; n < 1400; ++n)  // where the power of two changes
    for (const double off : {-1e-12, 0.0, 1e-12})
      if (const double x = -0.5 * M_LN2 * n + off; x > -708) check(x);
  for (const double x : {0.0, -0.0, -DBL_TRUE_MIN, -1e-300, -1e-17, -std::nextafter(708.0, 0.0)}) check(x);
  EXPECT_LT(worst, DBL_EPSILON);
  EXPECT_EQ(exp_nonpositive(0.0), 1.0);
}

TEST(ExpNonpositive, IsZeroFromMinus708On) {
  for (const double x : {-708.0, -708.1, -745.0, -1e4, -1e300, -DBL_MAX, -std::numeric_limits<double>::infinity()})
    EXPECT_EQ(exp_nonpositive(x), 0.0) << x;
}

TEST(ExpNonpositive, NeverRises) {
  double above = exp_nonpositive(0.0);
  for (double x = 0; x > -40; x -= 0.0007) {
    const double here = exp_nonpositive(x);
    ASSERT_LE(here, above) << x;
    above = here;
  }
}

TEST(LogPositive, IsWithin4UlpFromTheSmallestToTheLargestNormalNumber) {
  double worst = 0;
  const auto check = [&](double x) {
    const long double expected = std::log(static_cast<long double>(x));
    const auto error = static_cast<double>(std::abs(static_cast<long double>(log_positive(x)) - expected));
    worst = std::max(worst, error / std::max(static_cast<double>(std::abs(expected)), DBL_TRUE_MIN));
  };
  for (double x = DBL_MIN; x < 1e308; x *= 1.0037) check(x);
  for (double x = 1; x < 70000; x *= 1.00003) check(x);  // sums of a softmax
  for (int k = 1; k < 53; ++k) {
    check(1 + std::ldexp(1.0, -k));
    check(1 - std::ldexp(1.0, -k));
  }
  for (const double root : {std::sqrt(0.5), std::sqrt(2.0)})  // where the exponent changes
    for (const double x : {std::nextafter(root, 0.0), root, std::nextafter(root, 2.0)}) check(x);
  for (const double x : {DBL_MIN, DBL_MAX, static_cast<double>(FLT_TRUE_MIN)}) check(x);
  EXPECT_LT(worst, 4 * DBL_EPSILON);
  EXPECT_EQ(log_positive(1.0), 0.0);
}

}  // namespace
}  // namespace assay
