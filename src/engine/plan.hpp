#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "assay/metric.hpp"
#include "assay/source.hpp"
#include "assay/sweep.hpp"
#include "engine/corruption_errors.hpp"

namespace assay {

/// Bumped when our own arithmetic or the unit's content changes: units of another revision are not mixed.
constexpr int kNumericsRevision = 11;

/// What decides a model's answers.
struct PlanModel {
  std::string name, sha256;
  std::vector<double> mean, std;
  std::string output;                        ///< "", an index or a key
  bool fold = false, channels_last = false;  ///< of ModelSpec
};
/// Of a model whose `fold` is decided (absent counts as false).
PlanModel plan_model(const ModelSpec& spec, const std::string& sha256);
/// And back, of the file at `path`, which must have that digest. Throws assay::Error (exit 65) for an output that
/// plan_model didn't write.
ModelSpec model_spec(const PlanModel& model, const std::filesystem::path& path);

/// One row of the results: a model on the clean data (perturbation -1) or under one perturbation.
struct Cell {
  int model = 0;
  int perturbation = -1;
};

/// Samples [lo, hi) of one cell: what is computed, committed and resumed as a whole.
struct Unit {
  int cell = 0;
  std::int64_t lo = 0, hi = 0;
  std::string key;  ///< SHA-256 of everything that decides its content
};

/// Units that are computed together: an attack's alone, or those of all radii of a curve; a corruption's (or the clean
/// data's) for all models, so that the perturbed images are generated once.
struct Job {
  int perturbation = -1;   ///< the first one
  int perturbations = 1;   ///< as many from there on
  std::vector<int> units;  ///< indices into Plan::units, all with the same range
  double cost = 0;         ///< images times passes, in forward passes
};

/// A sweep as it will be computed: the same on every machine of a numerics class, and independent of shards.
struct Plan {
  std::uint64_t seed = 0;
  std::int64_t batch = 0, unit_size = 0, threads = 0;
  std::map<std::string, std::string> numerics;
  std::string source, data_sha256;
  std::int64_t n = 0, c = 0, h = 0, w = 0;
  std::vector<PlanModel> models;
  std::vector<Perturbation> perturbations;
  // Not part of the identity, units don't depend on them:
  std::vector<std::string> metrics;
  std::string profile;
  bool keep_logits = false;
  std::optional<CorruptionBaseline> baseline;
  // Derived from the above:
  std::vector<Cell> cells;
  std::vector<Unit> units;
  std::vector<Job> jobs;
  std::string id;

  CellKind kind(const Cell& cell) const;
  /// Its perturbation with what comes before it, in order; empty: clean.
  std::vector<Perturbation> steps(const Cell& cell) const;
  /// "robust clean", "robust pgd_linf epsilon=0.1 ...", for people.
  std::string describe(const Cell& cell) const;
};

/// Plans `sweep` on `data`; each model's `fold` is decided by now (absent counts as false). `digests`: the models'
/// SHA-256, in order. `numerics`: versions and device class.
Plan make_plan(const Sweep& sweep, const DataSet& data, const std::vector<std::string>& digests,
               const std::map<std::string, std::string>& numerics, int threads);

/// plan.json's content, and back. from_json throws assay::Error (exit 65) for anything that to_json didn't write.
nlohmann::json to_json(const Plan& plan);
Plan plan_from_json(const nlohmann::json& json);

/// "pgd_linf epsilon=0.1 ...", for people.
std::string describe(const Perturbation& perturbation);
/// As they stand in plan.json, and back; nlohmann's exceptions where they do not.
nlohmann::json to_json(const PlanModel& model);
PlanModel plan_model_from_json(const nlohmann::json& json);
/// A perturbation as it stands in results.json too.
nlohmann::json to_json(const Perturbation& perturbation);
Perturbation perturbation_from_json(const nlohmann::json& json);
/// Plan::steps as results.json has them.
nlohmann::json perturbation_list(const Plan& plan, const Cell& cell);

/// The jobs of shard i of n: contiguous runs of about equal cost. Throws assay::Error (exit 2) unless 0 <= i < n.
std::vector<int> shard_jobs(const Plan& plan, int shard, int shards);

}  // namespace assay
