#pragma once
#include <string>
#include <vector>

#include "assay/rank.hpp"

namespace assay {

inline const Metric& metric_of(const std::string& name, const std::string& profile = "") {
  const Metric& metric = *Registry<Metric>::find(name);
  if (profile.empty()) return metric;
  for (const Metric& other : metric.profiles)
    if (other.profile == profile) return other;
  throw std::runtime_error("no profile " + profile);
}

/// A registered metric of these rows.
inline Estimate measure(const std::string& name, const std::vector<SampleRow>& rows, const std::string& profile = "") {
  const Metric& metric = metric_of(name, profile);
  if (metric.rank != nullptr) return metric.rank(by_confidence(rows));
  std::vector<std::uint64_t> state(static_cast<std::size_t>(metric.words));
  metric.reduce({}, rows.data(), static_cast<std::int64_t>(rows.size()), state.data());
  return metric.finish(state.data());
}

/// `count` rows with these flags.
inline std::vector<SampleRow> rows_with(std::size_t count, unsigned flags) {
  return std::vector<SampleRow>(count, {0, static_cast<std::uint16_t>(flags), 0.5f, 0.f, 0.f});
}
inline std::vector<SampleRow> operator+(std::vector<SampleRow> a, const std::vector<SampleRow>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace assay
