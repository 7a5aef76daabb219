#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "assay/scaling.hpp"
#include "thrown.hpp"

namespace assay {

struct Samples {
  int classes = 0;
  std::vector<float> logits;
  std::vector<std::uint16_t> labels;

  std::int64_t n() const { return static_cast<std::int64_t>(labels.size()); }
  HeldOut blocks(std::int64_t size = 1 << 20) const {
    return {classes, n(), [this, size](const HeldOut::Visit& visit) {
              for (std::int64_t first = 0; first < n(); first += size)
                visit(&logits[static_cast<std::size_t>(first * classes)], &labels[static_cast<std::size_t>(first)],
                      std::min(size, n() - first));
            }};
  }
};

/// Numbers in [0, 1), multiples of 2^-24.
class Uniform {
 public:
  double operator()() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<double>(state_ >> 8) * 0x1p-24;
  }

 private:
  std::uint32_t state_ = 1;
};

/// Logits with an offset by class, and labels that follow them with noise: what the goldens were computed on. In
/// float32 and float64 the same, so that any program can make them.
inline Samples noisy_samples(int n = 300, int classes = 4) {
  Samples samples{classes, {}, {}};
  Uniform uniform;
  for (int i = 0; i < n; ++i) {
    int label = 0;
    double best = -10;
    for (int k = 0; k < classes; ++k) {
      const double z = 8 * uniform() - 4, score = z + 6 * uniform();
      samples.logits.push_back(static_cast<float>(z + 0.5 * k));
      if (score > best) label = k;
      best = std::max(best, score);
    }
    samples.labels.push_back(static_cast<std::uint16_t>(label));
  }
  return samples;
}

inline Parameters fit(const std::string& scaling, const HeldOut& held_out) {
  return Registry<Scaling>::find(scaling)->fit(held_out);
}
inline Parameters fit(const std::string& scaling, const Samples& samples) {
  return fit(scaling, samples.blocks());
}

inline std::vector<float> scaled(const std::string& scaling, const Parameters& fitted, const Samples& samples) {
  std::vector<float> values(samples.logits.size());
  Registry<Scaling>::find(scaling)->apply(fitted, samples.classes, samples.n(), samples.logits.data(), values.data());
  return values;
}
/// Probabilities.
inline std::vector<float> apply(const std::string& scaling, const Parameters& fitted, const Samples& samples) {
  std::vector<float> values = scaled(scaling, fitted, samples);
  if (!Registry<Scaling>::find(scaling)->to_logits) return values;
  for (auto row = values.begin(); row != values.end(); row += samples.classes) {
    std::vector<double> e;
    for (auto z = row; z != row + samples.classes; ++z) e.push_back(std::exp(static_cast<double>(*z)));
    const double sum = std::accumulate(e.begin(), e.end(), 0.0);
    std::ranges::transform(e, row, [sum](double x) { return static_cast<float>(x / sum); });
  }
  return values;
}

/// What every map promises, of one fitted on these samples.
inline void expect_rows_of_probabilities(const std::string& scaling, const Samples& samples) {
  const Parameters fitted = fit(scaling, samples);
  const std::vector<float> probabilities = apply(scaling, fitted, samples);
  const auto classes = static_cast<std::size_t>(samples.classes);
  for (std::size_t i = 0; i < probabilities.size(); i += classes) {
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      EXPECT_GE(probabilities[i + k], 0) << i;
      sum += static_cast<double>(probabilities[i + k]);
    }
    EXPECT_NEAR(sum, 1, 1e-6) << i;
  }
  std::vector<float> in_place = samples.logits;
  Registry<Scaling>::find(scaling)->apply(fitted, samples.classes, samples.n(), in_place.data(), in_place.data());
  EXPECT_EQ(in_place, scaled(scaling, fitted, samples));
}

inline void expect_the_same_for_any_blocks(const std::string& scaling) {
  const Samples samples = noisy_samples();
  const Parameters whole = fit(scaling, samples);
  for (const std::int64_t size : {1, 7, 256}) EXPECT_EQ(fit(scaling, samples.blocks(size)), whole) << size;
}

inline void expect_unusable_rows_to_be_named(const std::string& scaling) {
  EXPECT_ERROR(fit(scaling, Samples{3, {}, {}}), ExitCode::input, testing::HasSubstr("no samples"));
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Samples samples = noisy_samples();
    samples.logits[17 * 4 + 3] = bad;
    EXPECT_ERROR(fit(scaling, samples.blocks(5)), ExitCode::input, testing::HasSubstr("row 17 has a logit"));
  }
  Samples samples = noisy_samples();
  samples.labels[18] = 4;
  EXPECT_ERROR(fit(scaling, samples.blocks(5)), ExitCode::input, testing::HasSubstr("row 18 has the label 4"));
  HeldOut fewer = samples.blocks();
  samples.labels[18] = 3;
  fewer.n += 1;
  EXPECT_ERROR(fit(scaling, fewer), ExitCode::internal, testing::HasSubstr("300 held-out rows, expected 301"));
}

inline void expect_nan_for_logits_that_are_not_finite(const std::string& scaling) {
  const Parameters fitted = fit(scaling, noisy_samples());
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()})
    EXPECT_THAT(apply(scaling, fitted, {4, {0, bad, 1, 2}, {0}}), testing::Each(testing::IsNan()));
}

}  // namespace assay
