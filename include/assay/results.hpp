#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "assay/core/registry.hpp"
#include "assay/model.hpp"
#include "assay/output_metric.hpp"
#include "assay/sweep.hpp"

namespace assay {

/// One row of the results: a model on one version of the data.
struct CellResult {
  std::string model;
  std::vector<Perturbation> perturbation;  ///< empty: clean
  CellKind kind = CellKind::clean;
  std::uint64_t n = 0;             ///< samples
  std::uint64_t undecided = 0;     ///< of them with non-finite outputs, or in a unit that failed
  Passes passes;                   ///< that count
  Passes evaluated;                ///< with idle lanes and padding
  std::vector<std::string> flags;  ///< "failed_units", "undecided_samples"
  std::map<std::string, Estimate> metrics;
  std::uint64_t label_is_target = 0;  ///< samples with nothing to attack; of an attack with a target
  std::uint64_t correct = 0;          ///< samples that the model is right on, in the end

  bool targeted() const { return !perturbation.empty() && perturbation.back().params.contains("target"); }
};

/// A model's errors over the corruptions that the sweep has at all five severities, with one table and pipeline.
struct CorruptionErrors {
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  struct One {
    std::array<double, 5> by_severity{};  ///< 1 - accuracy, severities 1 to 5; undecided samples are errors
    double error = 0;                     ///< their mean
    double ce = kUndefined;               ///< over the baseline's
    double relative_ce = kUndefined;      ///< what is added to the clean error, over what is added to the baseline's
  };
  std::string model, table, pipeline;
  /// "alexnet", the published one, "model:NAME" of the same results, "results:NAME" of others; empty: none is known for
  /// this table and pipeline.
  std::string baseline;
  double clean_error = 0;
  std::map<std::string, One> corruptions;
  /// Means over the 15 corruptions of the benchmark; undefined where the sweep has not all of them.
  double mean_error = kUndefined, mce = kUndefined, relative_mce = kUndefined;
};

/// Everything a sweep says; depends on nothing but the plan.
struct Results {
  std::string source;
  std::vector<CellResult> cells;
  std::vector<CorruptionErrors> corruption_errors = {};
  std::string profile = {};  ///< that the metrics follow, see Metric; empty: none

  /// What a metric says of a cell.
  const std::string& definition(const std::string& metric, const CellResult& cell) const {
    if (const OutputMetric* output = Registry<OutputMetric>::find(metric)) return output->definition;
    const Metric& found = Registry<Metric>::find(metric)->by(profile);
    return cell.targeted() && !found.targeted.empty() ? found.targeted : found.definition;
  }
};

/// One form of the results. `file`: its name in the output folder; empty: for the terminal only.
struct Sink {
  std::string about;
  std::string file;
  std::string (*render)(const Results& results) = nullptr;
};
#define ASSAY_SINK(name, ...)                               \
  const ::assay::Registry<::assay::Sink>::Add assay_sink_ { \
    name, ::assay::Sink {                                   \
      __VA_ARGS__                                           \
    }                                                       \
  }

}  // namespace assay
