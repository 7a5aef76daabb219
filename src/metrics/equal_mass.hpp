#pragma once
#include <cmath>

#include "metrics/ranked.hpp"

// Calibration errors over 15 bins of equal mass (Nguyen & O'Connor 2015, arXiv:1508.05154; Nixon et al. 2019,
// arXiv:1904.01685).
namespace assay {

constexpr const char* kEqualMass =
    "/top-label/m15/a confidence is in bin floor(15 r / n), r the number of lower ones, so ties are together/undecided "
    "left out/";

/// A bin with samples.
struct MassBin {
  double count = 0, hits = 0, confidence = 0;  ///< sums
  double gap() const { return std::abs(hits - confidence) / count; }
};

/// f(bin) for each of them, rising in confidence.
template <class F>
void each_mass_bin(const Ranking& ranking, const F& f) {
  constexpr std::uint64_t kBins = 15;
  const std::uint64_t n = count(ranking).all();
  std::uint64_t below = 0, at = 0;
  MassBin bin;
  for (const Ties& ties : ranking) {
    if (const std::uint64_t own = below * kBins / n; own != at) {
      if (bin.count > 0) f(bin);
      bin = {};
      at = own;
    }
    const auto samples = static_cast<double>(ties.count);
    bin.count += samples;
    bin.hits += static_cast<double>(ties.hits);
    bin.confidence += samples * static_cast<double>(ties.score);
    below += ties.count;
  }
  f(bin);
}

/// The mean of f(bin) over samples.
template <class F>
double mean_over_mass_bins(const Ranking& ranking, const F& f) {
  double sum = 0;
  each_mass_bin(ranking, [&](const MassBin& bin) { sum += bin.count * f(bin); });
  return sum / static_cast<double>(count(ranking).all());
}

}  // namespace assay
