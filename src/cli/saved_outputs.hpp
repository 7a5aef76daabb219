#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "assay/metric.hpp"
#include "data/npy.hpp"

namespace assay::cli {

/// What a model said of N samples, and their labels.
class SavedOutputs {
 public:
  virtual ~SavedOutputs() = default;
  virtual std::int64_t n() const = 0;
  virtual int classes() const = 0;
  virtual bool logits() const = 0;  ///< else probabilities
  /// For messages.
  virtual const std::string& name() const = 0;
  /// Samples that are read at once.
  virtual std::int64_t at_once() const = 0;

  /// float32, rows x classes, until the next call.
  virtual const float* values(std::int64_t first, std::int64_t rows) = 0;
  /// Below classes(), until the next call.
  virtual std::span<const std::uint16_t> labels(std::int64_t first, std::int64_t rows) = 0;
  /// What is known of the samples without looking at `values`, until the next call; null: nothing.
  virtual const SampleRow* rows(std::int64_t /*first*/, std::int64_t /*rows*/) { return nullptr; }

  /// What the sum of a row's probabilities may be off 1, each rounded to a number of this type.
  virtual double rounding() const { return 0.001; }
  /// Throws assay::Error (exit 65) for a row of `values`, the first of which is `first`, that is no probabilities.
  void check_probabilities(const float* values, std::int64_t first, std::int64_t rows) const;
};

/// N x K .npy of any width, mapped, so that they may be larger than memory.
class SavedFiles final : public SavedOutputs {
 public:
  /// `logits`: else probabilities. Throws assay::Error (exit 65) with what was found and expected.
  SavedFiles(const std::string& file, const std::string& labels, bool logits, bool bf16);

  std::int64_t n() const override { return array_.shape()[0]; }
  int classes() const override { return static_cast<int>(array_.shape()[1]); }
  bool logits() const override { return logits_; }
  const std::string& name() const override { return file_; }
  std::int64_t at_once() const override;
  const float* values(std::int64_t first, std::int64_t rows) override;
  /// Throws assay::Error (exit 65) for one that is not below classes().
  std::span<const std::uint16_t> labels(std::int64_t first, std::int64_t rows) override;
  double rounding() const override { return bf16_ ? 0.005 : 0.001; }

 private:
  template <class T, class F>
  const float* converted(std::int64_t begin, std::int64_t n, const F& f);

  std::string file_;
  MappedNpy array_, label_array_;
  bool logits_, bf16_;
  std::vector<float> values_;
  std::vector<std::uint16_t> labels_;
};

/// Integers 0..65535 of `file`, of which there must be `n`, `what` each.
std::vector<std::uint16_t> read_column(const std::string& file, std::int64_t n, const std::string& what);

}  // namespace assay::cli
