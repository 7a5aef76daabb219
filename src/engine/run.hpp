#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "assay/results.hpp"
#include "engine/evaluate.hpp"
#include "engine/plan.hpp"
#include "engine/store.hpp"

namespace assay {

/// Told about a run as it goes.
struct RunObserver {
  virtual ~RunObserver() = default;
  /// `done` of `total` units of this process are there, `reused` of them from before; `images` were computed so far,
  /// and the work done is `share` (0..1) of what was missing at the start.
  virtual void progress(int done, int total, int reused, std::int64_t images, double share) = 0;
  virtual void failed(const std::string& cell, std::int64_t lo, std::int64_t hi, const std::string& why) = 0;
};

struct RunSummary {
  int planned = 0, reused = 0, computed = 0, failed = 0;  ///< units of this process's shard
  bool interrupted = false;
  double seconds = 0, model_seconds = 0;  ///< in units computed: all, and inside models
  std::uint64_t host_bytes = 0;           ///< that units fetched from the device
  struct CellTime {
    double seconds = 0, model_seconds = 0;
  };
  std::vector<CellTime> cells;  ///< by plan cell
};

/// Gives a model of the plan by index; called at most once for each, and only for models with missing units.
using ModelLoader = std::function<std::unique_ptr<Model>(int model)>;

/// Computes and commits the missing units of the jobs (indices into plan.jobs). Units that fail are recorded and passed
/// over; stops at `stop`, keeping what is committed. With `witnesses`, an attack's unit is missing until the points
/// that fool the model are saved too.
RunSummary run_jobs(const Exec& exec, const Plan& plan, const DataSet& data, const std::vector<int>& jobs,
                    const Store& store, const ModelLoader& load, const StopFlag& stop, RunObserver& observer,
                    bool witnesses = false);

/// What is done of a plan.
struct PlanStatus {
  int units = 0, done = 0, failed = 0;
  int missing() const { return units - done - failed; }
};
PlanStatus plan_status(const Plan& plan, const Store& store);

/// Merges all units, in plan order; `exec` sorts. Units that failed count as undecided samples. Throws assay::Error
/// (exit 4) when units are missing.
Results merge_units(const Plan& plan, const Store& store, PlanStatus& status, const Exec& exec);

}  // namespace assay
