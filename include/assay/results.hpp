#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "assay/core/registry.hpp"
#include "assay/metric.hpp"
#include "assay/model.hpp"
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

  bool targeted() const { return !perturbation.empty() && perturbation.back().params.contains("target"); }
  /// What a metric says of this cell.
  const std::string& definition(const std::string& metric) const {
    const Metric& found = *Registry<Metric>::find(metric);
    return targeted() && !found.targeted.empty() ? found.targeted : found.definition;
  }
};

/// Everything a sweep says; depends on nothing but the plan.
struct Results {
  std::string source;
  std::vector<CellResult> cells;
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
