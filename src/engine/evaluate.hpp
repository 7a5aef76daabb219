#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "assay/attack.hpp"
#include "assay/core/buffer.hpp"
#include "assay/corruption.hpp"
#include "assay/loss.hpp"
#include "assay/metric.hpp"
#include "assay/model.hpp"
#include "assay/source.hpp"
#include "assay/sweep.hpp"
#include "core/lanes.hpp"
#include "core/rows.hpp"
#include "core/transfer.hpp"

namespace assay {

/// How many steps late the host learns what lanes are at; part of the plan. On a CPU waiting costs nothing.
constexpr int lag_of(Backend backend) {
  return backend == Backend::cpu ? 0 : 4;
}

/// Set by a signal; computing stops at the next step.
using StopFlag = std::atomic<bool>;

/// Thrown when a StopFlag was seen: what is committed stays, the unit under way is dropped.
struct Interrupted {};

/// One answer to an item, and the step that the attack took from there.
struct TraceStep {
  std::uint32_t sample = 0;          ///< data-set index
  std::uint32_t item = 0;            ///< its round (restart, target), counted on over the members of an ensemble
  std::uint32_t query = 0;           ///< answers that the item had before
  std::uint16_t target = kNoTarget;  ///< class
  float loss = 0;  ///< at the point that was answered, of the last draw; NaN where the attack has not one loss
  float step = 0;  ///< absolute, in the attack's norm; NaN where it has no sizes or takes none
};

/// What a user asked to see of an attack, by sample of the range.
struct AttackExport {
  /// n x dim: the verified adversarial, else the strongest last point. Of a curve: that of the smallest radius at which
  /// the sample fell; undefined where it did not.
  std::vector<float> points;
  /// n: those that count, forward in the upper half, backward in the lower; not of a curve.
  std::vector<std::uint64_t> passes;
  int asked = 1;  ///< how often the model was asked about a claimed success, for the majority to decide
  /// n, of an attack with an aim: the class that each was to be taken for; kNoTarget where that is its label.
  std::vector<std::uint16_t> targets = {};
  /// Filled where it is there: the answers that count, by sample, item and query. Fetched step by step, so slower.
  std::optional<std::vector<TraceStep>> trace = {};
};

/// What a unit leaves behind. Exactly as long as its range, unless it failed.
struct UnitResult {
  std::vector<SampleRow> rows;
  Passes passes;     ///< that count: rows that were asked about for a reason
  Passes evaluated;  ///< with the rows of lanes that had no item, were cancelled or filled a batch
  std::map<std::string, std::vector<std::uint64_t>> states;  ///< of every registered metric that applies
  std::string error;                                         ///< why it failed; empty: it didn't
  std::vector<float> logits;                                 ///< samples x classes, where they are kept
  double seconds = 0, model_seconds = 0;
  std::uint64_t host_bytes = 0;  ///< that its end fetched from exec's memory; a step's 16 bytes of counts apart
};

/// Computes units: generate -> forward -> reduce, all on exec's device. Buffers are allocated before a unit's first
/// batch, where an earlier unit has not left them; inside a unit nothing is allocated, and nothing waits but its end.
/// The data set is resident on the device where it takes at most half of what is free there; else, and where images are
/// read only when they are asked for, each unit's are streamed there before its first batch.
class Evaluator {
 public:
  /// `keep_logits`: results have them, of an attack's samples by one more pass at the end.
  Evaluator(const Exec& exec, const DataSet& data, std::int64_t batch, std::uint64_t seed, const StopFlag& stop,
            bool keep_logits = false);
  ~Evaluator();

  /// Samples [lo, hi), clean (`corruption` null) or corrupted, for several models. A model that fails fails its own
  /// unit.
  std::vector<UnitResult> plain(const Perturbation* corruption, std::int64_t lo, std::int64_t hi,
                                const std::vector<Model*>& models);
  /// Samples [lo, hi) under an attack, after the corruptions before it, whose images are its originals: clean, then
  /// lanes that take up items until there are none, then every claimed success once more by a pass of its own.
  /// `exported`, when given, is filled by export. `starts`, for an attack with a start_file and no other: its points,
  /// (hi - lo) x dim in [0, 1], on the host.
  UnitResult attacked(const Perturbation& perturbation, std::int64_t lo, std::int64_t hi, Model& model,
                      AttackExport* exported = nullptr, std::span<const float> starts = {});
  /// Samples [lo, hi) under one attack at the radii of a curve (Perturbation::curve), in the perturbations' order: a
  /// sample that falls at one radius has fallen at every larger one, by the same point. With mode "bisect" radii are
  /// tried between its largest failure and its smallest success only.
  std::vector<UnitResult> curve(std::span<const Perturbation> perturbations, std::int64_t lo, std::int64_t hi,
                                Model& model, AttackExport* exported = nullptr);

 private:
  struct Workspace;
  void place(std::int64_t lo, std::int64_t hi);
  void load_corruptions(const Perturbation& last);
  void corrupt_batch(std::int64_t n, std::uint8_t* to);
  ResidentData corrupted_unit(std::int64_t lo, std::int64_t hi);
  std::int64_t load_batch(std::int64_t first, std::int64_t hi);
  std::int64_t state_words(CellKind kind) const;
  void finish(UnitResult& result, CellKind kind, const SampleRow* rows, std::int64_t n);
  const std::uint32_t* streams_of(const std::vector<std::unique_ptr<Attack>>& attacks);
  struct Level;
  std::vector<UnitResult> attack(std::span<const Perturbation> perturbations, std::int64_t lo, std::int64_t hi,
                                 Model& model, AttackExport* exported, std::span<const float> starts);
  void clean_samples(const Pool& pool, Aim aim, const Loss* loss, Model& model);
  void run_items(const Attack& attack, const Pool& pool, LaneTable lanes, Model& model, std::vector<TraceStep>* trace);
  void verify(const Pool& pool, Norm norm, Model& model, std::int64_t winners);
  void keep_logits(const Pool& pool, Model& model, UnitResult& result);
  void fetch_logits(UnitResult& result, const float* logits, std::int64_t values);
  void export_fallen(const Pool& pool, AttackExport& exported) const;
  void check_stop() const;

  Exec exec_;
  const DataSet& data_;
  std::int64_t batch_;
  std::uint64_t seed_;
  const StopFlag& stop_;
  bool keep_logits_;
  Counter counter_;
  Uploader uploader_;
  Buffer<std::uint8_t> resident_bytes_;
  Buffer<float> resident_floats_;
  Buffer<std::uint16_t> resident_labels_;
  ResidentData resident_;
  Pixels pixels_;  // on the host, of what was placed last
  bool streamed_ = false;
  std::unique_ptr<Workspace> work_;
};

}  // namespace assay
