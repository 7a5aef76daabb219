// Smooth expected calibration error of the top label (Blasiok & Nakkiran 2023, arXiv:2309.12236, definitions 2 and 3);
// as relplot, the authors' package, computes it too.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "assay/core/math.hpp"
#include "metrics/ranked.hpp"

namespace assay {
namespace {

constexpr std::size_t kCells = 4096;
constexpr double kNarrowest = 0x1p-10;  // four cells: what the grid shows faithfully

/// Where a number lies between two points of a grid that begins at 0.
struct Between {
  std::size_t cell;  ///< the lower one
  double part;       ///< of the way to the next

  Between(double at, std::size_t points)
      : cell(std::min(static_cast<std::size_t>(at), points - 2)), part(at - static_cast<double>(cell)) {}
  template <class Grid>
  void add(Grid& grid, double amount) const {
    grid[cell] += (1 - part) * amount;
    grid[cell + 1] += part * amount;
  }
  double read(const std::vector<double>& grid) const { return grid[cell] * (1 - part) + grid[cell + 1] * part; }
};

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
    for (const Ties& ties : ranking)
      Between(static_cast<double>(ties.score) * kCells, mass.size()).add(mass, ties.gap() / n);
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
/// As smECE of relplot 1.0.3. It differs in the Gaussian, which ends half the range away, in the grids, which a wider
/// one makes coarser, and in the search, of ten steps.
struct Relplot {
  static constexpr bool kBoth = false;

  static double of(const Ranking& ranking) {
    if (wider(ranking, kSteps)) return area(ranking, kSteps);
    int low = 0, high = kSteps;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (wider(ranking, middle) ? low : high) = middle;
    }
    return area(ranking, high);
  }

 private:
  static constexpr int kSteps = 1024;  // sigma in units of 1/kSteps
  /// Whether the residuals' area is above that sigma; below 0.001, where relplot stops looking, it counts as above.
  static bool wider(const Ranking& ranking, int sigma) {
    return sigma <= 1 || static_cast<double>(sigma) / kSteps < area(ranking, sigma);
  }

  static double area(const Ranking& ranking, int steps) {
    const double sigma = static_cast<double>(steps) / kSteps;
    const auto width = static_cast<std::int64_t>(std::max(2000., std::nearbyint(20 / sigma))) / 2 + 1;
    const auto seen = static_cast<std::int64_t>(std::max(200., std::nearbyint(10 / sigma)));
    std::vector<double> gap(static_cast<std::size_t>(width)), rows(gap.size());
    for (const Ties& ties : ranking) {
      const Between at(static_cast<double>(ties.score) * static_cast<double>(width - 1), gap.size());
      at.add(gap, ties.gap());
      at.add(rows, static_cast<double>(ties.count));
    }
    const std::vector<double> gaps = smoothed(gap, sigma), density = smoothed(rows, sigma);
    double sum = 0, of = 0;
    for (std::int64_t i = 0; i < seen; ++i) {
      const Between at(static_cast<double>(i) / static_cast<double>(seen - 1) * static_cast<double>(width - 1),
                       gaps.size());
      sum += std::abs(at.read(gaps));
      of += at.read(density) + 1e-4;
    }
    return sum / of;
  }

  /// By a Gaussian that is sampled at as many points, and of which the others are images in both ends. Of an even
  /// number of points none is its middle: what is smoothed then moves by half a cell.
  static std::vector<double> smoothed(const std::vector<double>& values, double sigma) {
    const auto width = std::ssize(values);
    std::vector<double> gaussian(values.size()), result(values.size());
    for (std::int64_t i = 0; i < width; ++i) {
      const double off = static_cast<double>(i) / static_cast<double>(width - 1) - 0.5;
      gaussian[static_cast<std::size_t>(i)] =
          exp_nonpositive(-off * off / (2 * sigma * sigma)) / (std::sqrt(2 * std::numbers::pi) * sigma);
    }
    for (std::int64_t from = 1 - width; from < 2 * width - 1; ++from) {
      const std::int64_t at = from < 0 ? -from : from < width ? from : 2 * (width - 1) - from;
      const double value = values[static_cast<std::size_t>(at)];
      if (value == 0) continue;
      // What of it reaches i is the Gaussian's point i - from + width / 2, where there is one.
      const std::int64_t first = std::max<std::int64_t>(0, from - width / 2);
      const std::int64_t last = std::min(width - 1, from - width / 2 + width - 1);
      for (std::int64_t i = first; i <= last; ++i)
        result[static_cast<std::size_t>(i)] += value * gaussian[static_cast<std::size_t>(i - from + width / 2)];
    }
    return result;
  }
};
ASSAY_METRIC(
    "ece_smooth",
    .definition =
        "integral over [0, 1] of |mean of (correct - confidence) K(t, confidence)|, K a Gaussian reflected at 0 "
        "and 1, at the least sigma >= 2^-10 that the integral does not exceed, found to 2^-20/top-label/each "
        "residual split linearly between the neighbours of a grid of 2^12 + 1 points, integral by "
        "trapezoids over it/undecided left out",
    .applies = every_cell,
    .profiles =
        {{.definition =
              "mean over [0, 1] of |sum of (correct - confidence) K(t, confidence)| over the mean of (sum of K) + "
              "1e-4, K a Gaussian within 1/2 of its middle, reflected at 0 and 1, at the least sigma >= 2^-9 in steps "
              "of 2^-10 that the quotient does not exceed/top-label/each residual split linearly on a grid of "
              "max(1001, 10 / sigma + 1) points, means over max(200, 10 / sigma) points/undecided left out",
          .applies = every_cell,
          .profile = "relplot-1.0",
          .rank = ranked<Relplot>}},
    .rank = ranked<Smooth>);

}  // namespace
}  // namespace assay
