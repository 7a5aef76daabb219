#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/npy.hpp"

namespace assay::cli {

/// What a model said of N samples, and their labels: N x K .npy of any width, mapped, so that it may be larger than
/// memory.
class SavedOutputs {
 public:
  /// `logits`: else probabilities. Throws assay::Error (exit 65) with what was found and expected.
  SavedOutputs(const std::string& file, const std::string& labels, bool logits, bool bf16);

  std::int64_t n() const { return array_.shape()[0]; }
  int classes() const { return static_cast<int>(array_.shape()[1]); }
  bool logits() const { return logits_; }
  const std::string& file() const { return file_; }
  /// Samples that are read at once.
  std::int64_t at_once() const;

  /// float32, rows x classes, until the next call.
  const float* values(std::int64_t first, std::int64_t rows);
  /// Throws assay::Error (exit 65) for one that is not below classes().
  std::vector<std::uint16_t> labels(std::int64_t first, std::int64_t rows) const;
  /// What the sum of a row's probabilities may be off 1, each rounded to a number of this type.
  double rounding() const { return bf16_ ? 0.005 : 0.001; }
  /// Throws assay::Error (exit 65) for a row of `values`, the first of which is `first`, that is no probabilities.
  void check_probabilities(const float* values, std::int64_t first, std::int64_t rows) const;

 private:
  template <class T, class F>
  const float* converted(std::int64_t begin, std::int64_t n, const F& f);

  std::string file_;
  MappedNpy array_, labels_;
  bool logits_, bf16_;
  std::vector<float> values_;
};

/// Integers 0..65535 of `file`, of which there must be `n`, `what` each.
std::vector<std::uint16_t> read_column(const std::string& file, std::int64_t n, const std::string& what);

}  // namespace assay::cli
