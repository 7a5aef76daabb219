// Smooth expected calibration error of the top label (Blasiok & Nakkiran 2023, arXiv:2309.12236, definitions 2 and 3).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "assay/core/math.hpp"
#include "metrics/ranked.hpp"

namespace assay {
namespace {

constexpr std::size_t kCells = 4096;
constexpr double kNarrowest = 0x1p-10;  // four cells: what the grid shows faithfully

/// The residuals (correct - confidence) / n, smoothed on [0, 1] by a Gaussian that is reflected at both ends. That is
/// heat that flows between insulated ends: of cosines, each of which fades by itself.
class Smoothed {
 public:
  explicit Smoothed(const Ranking& ranking) {
    for (std::size_t i = 0; i < 2 * kCells; ++i) {
      double sine = 0;
      sincos_degrees(180.0 * static_cast<double>(i) / kCells, sine, cosine_[i]);
    }
    std::array<double, kCells + 1> mass{};
    const auto n = static_cast<double>(count(ranking).all());
    for (const Ties& ties : ranking) {
      const double at = static_cast<double>(ties.score) * kCells;
      const std::size_t cell = std::min(static_cast<std::size_t>(at), kCells - 1);
      const double part = at - static_cast<double>(cell);
      mass[cell] += (1 - part) * ties.gap() / n;
      mass[cell + 1] += part * ties.gap() / n;
    }
    for (std::size_t k = 0; k < kWaves; ++k)
      for (std::size_t i = 0; i <= kCells; ++i) wave_[k] += mass[i] * cosine(k, i) * (k == 0 ? 1 : 2);
  }

  /// The integral of its absolute value, by trapezoids.
  double area(double sigma) const {
    std::array<double, kCells + 1> height{};
    for (std::size_t k = 0; k < kWaves; ++k) {
      const double angle = std::numbers::pi * static_cast<double>(k) * sigma;
      const double left = exp_nonpositive(-angle * angle / 2);
      if (left < 1e-12) break;
      for (std::size_t i = 0; i <= kCells; ++i) height[i] += left * wave_[k] * cosine(k, i);
    }
    double sum = (std::abs(height.front()) + std::abs(height.back())) / 2;
    for (std::size_t i = 1; i < kCells; ++i) sum += std::abs(height[i]);
    return sum / kCells;
  }

 private:
  static constexpr std::size_t kWaves = 2500;  // more than 1e-12 of which is left at kNarrowest
  double cosine(std::size_t k, std::size_t i) const { return cosine_[k * i % (2 * kCells)]; }

  std::array<double, 2 * kCells> cosine_{};
  std::array<double, kWaves> wave_{};
};

struct Smooth {
  static constexpr bool kBoth = false;
  static double of(const Ranking& ranking) {
    const Smoothed residuals(ranking);
    // The area never grows with sigma, so that it meets sigma once.
    double low = kNarrowest, high = 1;
    if (residuals.area(low) <= low) high = low;
    while (high - low > 0x1p-20) {
      const double middle = (low + high) / 2;
      (residuals.area(middle) <= middle ? high : low) = middle;
    }
    return residuals.area(high);
  }
};
ASSAY_METRIC(
    "ece_smooth",
    .definition =
        "integral over [0, 1] of |mean of (correct - confidence) K(t, confidence)|, K a Gaussian reflected at 0 "
        "and 1, at the least sigma >= 2^-10 that the integral does not exceed, found to 2^-20/top-label/each "
        "residual split linearly between the neighbours of a grid of 2^12 + 1 points, integral by "
        "trapezoids over it/undecided left out",
    .applies = every_cell, .rank = ranked<Smooth>);

}  // namespace
}  // namespace assay
