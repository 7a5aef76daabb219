#pragma once
#include <string>
#include <vector>

#include "cli/saved_outputs.hpp"
#include "engine/kept.hpp"

namespace assay::cli {

/// A cell of a finished sweep with keep = "logits", read unit by unit. All references outlive it.
class SavedCell final : public SavedOutputs {
 public:
  /// Throws what read_kept and check_kept_labels throw. Where no unit was computed, classes() is 0 and there is no
  /// more.
  SavedCell(const Plan& plan, const Store& store, int cell, const std::vector<std::uint16_t>& labels);

  std::int64_t n() const override { return plan_.n; }
  int classes() const override { return classes_; }
  bool logits() const override { return true; }
  const std::string& name() const override { return name_; }
  std::int64_t at_once() const override { return plan_.unit_size; }
  /// NaN of undecided samples. Throws what read_kept throws.
  const float* values(std::int64_t first, std::int64_t rows) override;
  std::span<const std::uint16_t> labels(std::int64_t first, std::int64_t rows) override;
  /// As the sweep has them, which knows what the point of an attack was. Throws what read_kept throws.
  const SampleRow* rows(std::int64_t first, std::int64_t rows) override;

 private:
  void load(std::int64_t first, std::int64_t rows);

  const Plan& plan_;
  const Store& store_;
  const std::vector<std::uint16_t>& labels_;
  std::string name_;
  std::vector<const Unit*> units_;
  int classes_ = 0;
  std::int64_t first_ = 0;  // of what is loaded
  std::vector<float> values_;
  std::vector<SampleRow> rows_;
};

}  // namespace assay::cli
