#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "assay/output_metric.hpp"
#include "assay/rank.hpp"

namespace assay {

/// A metric by its name: one of the two.
struct ChosenMetric {
  std::string name;
  const Metric* metric = nullptr;
  const OutputMetric* output = nullptr;

  const std::string& definition() const { return metric != nullptr ? metric->definition : output->definition; }
  bool larger_is_better() const { return metric != nullptr ? metric->larger_is_better : output->larger_is_better; }
};

/// The metric of that name, by the rule of `profile` where it has one for that; both null: there is none.
ChosenMetric choose_metric(const std::string& name, const std::string& profile);

/// What metrics can follow instead of their own rule, such as "torchmetrics-1.9".
std::vector<std::string> profiles();
/// One of them, asked for with or without its version; empty, assay's own rule, for "assay"; nullopt: there is none.
std::optional<std::string> find_profile(const std::string& asked);

/// Several metrics of samples that come batch by batch, in any order.
class Scores {
 public:
  /// `thresholds`: of OutputMetric, a metric each.
  Scores(std::span<const ChosenMetric> metrics, int classes, std::span<const double> thresholds);

  /// See ByConfidence; nothing is taken where no metric is of ranks.
  void expect(std::int64_t samples);
  /// `outputs.probabilities` is read where a metric is an OutputMetric.
  void add(const Outputs& outputs);
  /// A metric each.
  std::vector<Estimate> finish();
  int classes() const { return classes_; }
  std::int64_t n() const { return n_; }
  std::int64_t undecided() const { return undecided_; }

 private:
  std::span<const ChosenMetric> metrics_;
  int classes_;
  std::vector<double> thresholds_;
  std::vector<std::vector<std::uint64_t>> states_;
  ByConfidence order_;
  std::int64_t n_ = 0, undecided_ = 0;
};

}  // namespace assay
