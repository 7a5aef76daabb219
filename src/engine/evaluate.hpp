#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "assay/attack.hpp"
#include "assay/core/buffer.hpp"
#include "assay/corruption.hpp"
#include "assay/metric.hpp"
#include "assay/model.hpp"
#include "assay/source.hpp"
#include "assay/sweep.hpp"
#include "core/rows.hpp"

namespace assay {

/// Set by a signal; computing stops at the next step.
using StopFlag = std::atomic<bool>;

/// Thrown when a StopFlag was seen: what is committed stays, the unit under way is dropped.
struct Interrupted {};

/// What a unit leaves behind. Exactly as long as its range, unless it failed.
struct UnitResult {
  std::vector<SampleRow> rows;
  Passes passes;
  std::map<std::string, std::vector<std::uint64_t>> states;  ///< of every registered metric that applies
  std::string error;                                         ///< why it failed; empty: it didn't
  double seconds = 0, model_seconds = 0;
  std::uint64_t host_bytes = 0;  ///< that its end fetched from exec's memory
};

/// Computes units: generate -> forward -> reduce, all on exec's device. Buffers are allocated before a unit's first
/// batch, where an earlier unit has not left them; inside a unit nothing is allocated, and nothing waits but its end.
class Evaluator {
 public:
  Evaluator(const Exec& exec, const DataSet& data, std::int64_t batch, std::uint64_t seed, const StopFlag& stop);
  ~Evaluator();

  /// Samples [lo, hi), clean (`corruption` null) or corrupted, for several models. A model that fails fails its own
  /// unit.
  std::vector<UnitResult> plain(const Perturbation* corruption, std::int64_t lo, std::int64_t hi,
                                const std::vector<Model*>& models);
  /// Samples [lo, hi) under an attack. `points`, when given, gets the last iterates on the host (n x dim), by export.
  UnitResult attacked(const Perturbation& perturbation, std::int64_t lo, std::int64_t hi, Model& model,
                      std::vector<float>* points = nullptr);

 private:
  struct Workspace;
  std::int64_t load_batch(std::int64_t first, std::int64_t hi);
  std::int64_t state_words(CellKind kind) const;
  void finish(UnitResult& result, CellKind kind, const SampleRow* rows, std::int64_t n);
  void check_stop() const;

  Exec exec_;
  const DataSet& data_;
  std::int64_t batch_;
  std::uint64_t seed_;
  const StopFlag& stop_;
  Buffer<std::uint8_t> resident_bytes_;
  Buffer<float> resident_floats_;
  Buffer<std::uint16_t> resident_labels_;
  ResidentData resident_;
  std::unique_ptr<Workspace> work_;
};

}  // namespace assay
