#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "assay/scaling.hpp"
#include "cli/saved_outputs.hpp"
#include "engine/scores.hpp"

// What `assay score` measures: saved samples, as they are and after scalings, all of them and by group.
namespace assay::cli {

/// Some of what was saved.
struct Samples {
  struct Range {
    std::int64_t lo, hi;
  };
  SavedOutputs* saved = nullptr;  ///< null: none
  std::vector<Range> ranges = {};

  static Samples all(SavedOutputs& saved) { return {&saved, {{0, saved.n()}}}; }
  std::int64_t n() const;
  /// f(first, rows), as many at once as may be.
  template <class F>
  void each_block(const F& f) const {
    for (const auto& [lo, hi] : ranges)
      for (std::int64_t first = lo, n = 0; first < hi; first += n) {
        n = std::min(saved->at_once() - first % saved->at_once(), hi - first);  // no block goes through two units
        f(first, n);
      }
  }
};

/// Turns what a model said into what metrics read, batch by batch.
class Scorer {
 public:
  explicit Scorer(std::span<const ChosenMetric> metrics);

  /// `known`: the rows of these logits where they have been scored before, else null.
  Outputs of_logits(std::int64_t n, int classes, const float* logits, const std::uint16_t* labels,
                    const SampleRow* known = nullptr);
  Outputs of_probabilities(std::int64_t n, int classes, const float* values, const std::uint16_t* labels);
  /// Samples [first, first + n) of what was saved.
  Outputs of(SavedOutputs& saved, std::int64_t first, std::int64_t n, const std::uint16_t* labels);

 private:
  bool all_classes_ = false, top_label_ = true;
  std::vector<SampleRow> rows_;
  std::vector<float> probabilities_;
};

/// Outputs after a scaling, or as they are.
struct Scaled {
  const Scaling* scaling = nullptr;  ///< null: as they are
  Parameters fitted = {};

  Outputs of(Scorer& scorer, SavedOutputs& saved, std::int64_t first, std::int64_t n, const std::uint16_t* labels);

 private:
  std::vector<float> values_ = {};
};

bool is_conformal(const ChosenMetric& metric);

/// What a held-out split decides.
struct Fitted {
  std::vector<Scaled> forms;                    ///< the first: outputs as they are
  std::vector<std::vector<double>> thresholds;  ///< conformal quantiles of a form, a metric each
  std::int64_t undecided = 0;                   ///< of the samples that these are quantiles of

  /// `fit`: what scalings are fitted on, and conformal sets too where there is no `conformal` for these alone. Throws
  /// assay::Error (exit 65) where sets are asked for and no sample of theirs is decided.
  Fitted(std::span<const Scaling* const> scalings, std::span<const ChosenMetric> metrics, const Samples& fit,
         const Samples& conformal, double alpha);
};

/// Finds out whether samples were fitted on: rows, with their labels, that occur once in both files. Those of a model
/// of few answers occur more often, and tell nothing.
class Overlap {
 public:
  explicit Overlap(SavedOutputs& held_out);
  void tested_on(SavedOutputs& saved, std::int64_t first, std::int64_t n, std::span<const std::uint16_t> labels);
  /// Throws assay::Error (exit 65) where more than half of the smaller one's rows are in both: of what was tested, or
  /// of another split.
  void check(const SavedOutputs& tested) const;
  void check(const Overlap& other) const;

 private:
  void check(std::int64_t both, const SavedOutputs& other) const;
  struct Times {
    std::uint32_t fitted = 0, tested = 0;
  };
  const SavedOutputs& held_out_;
  std::unordered_map<std::size_t, Times> seen_;
};

/// The samples' groups: of each one, or of its label's.
struct Groups {
  std::string by;  ///< empty: there are none
  std::vector<std::uint16_t> of_sample, of_label;
  std::vector<std::uint16_t> ids;  ///< rising

  /// Files of a group a sample, or a group a class; `by_class`: every label is a group. At most one of the three.
  Groups(const std::string& groups, const std::string& class_groups, bool by_class, std::int64_t n, int classes);
  std::uint16_t of(std::int64_t sample, std::uint16_t label) const {
    return of_sample.empty() ? of_label[label] : of_sample[static_cast<std::size_t>(sample)];
  }
};

/// The metrics of all samples and of their groups, of one form of their outputs.
class Pass {
 public:
  /// Throws assay::Error (exit 2) for more groups than there should be memory for.
  Pass(std::span<const ChosenMetric> metrics, int classes, const std::vector<double>& thresholds, const Groups& groups);

  void add(const Outputs& outputs, std::int64_t first);
  Scores& all() { return all_; }
  std::vector<Scores>& by_group() { return by_group_; }

 private:
  void add_members(const Outputs& outputs, const std::vector<std::int64_t>& members, Scores& scores);

  const Groups& groups_;
  Scores all_;
  std::vector<Scores> by_group_;
  std::vector<SampleRow> rows_;
  std::vector<std::uint16_t> labels_;
  std::vector<float> probabilities_;
};

}  // namespace assay::cli
