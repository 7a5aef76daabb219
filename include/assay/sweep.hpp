#pragma once
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "assay/core/params.hpp"

namespace assay {

struct Textures;

struct ModelSpec {
  std::string name;
  std::filesystem::path path;                                      ///< absolute, or relative to the working directory
  std::vector<double> mean, std;                                   ///< a value a channel; empty: the model takes [0, 1]
  std::variant<std::monostate, std::int64_t, std::string> output;  ///< element of a tuple, key of a dict
  std::optional<int> classes;  ///< set when the head is wider than the data on purpose
  std::string sha256 = {};     ///< checked before loading, when given
  /// Frozen, with batch norms folded into the convolutions before them: cheaper passes, logits within 1e-5 of the
  /// largest. Absent: where that holds.
  std::optional<bool> fold = {};
  bool channels_last = false;  ///< weights of convolutions in that memory format; logits within 1e-5 too
};

/// One attack or corruption with all parameters filled in; lists in the config are already expanded.
struct Perturbation {
  enum class Kind { attack, corruption } kind = Kind::attack;
  std::string name;
  Params params;
  /// The radii, rising, of attacks that are computed together as params["mode"] says; empty: this one stands alone.
  std::vector<double> curve = {};
  /// Of a corruption with the parameter "textures", which names their folder before it is planned and is their digest
  /// in a plan. Absent where nothing is to be computed.
  std::shared_ptr<const Textures> textures = {};
  /// Corruptions that the images go through first, in this order.
  std::vector<Perturbation> before = {};
};

/// Whose errors a sweep's corruption errors are divided by: a model's of the sweep, or of another run.
struct BaselineSpec {
  std::string model;              ///< empty: the only one in `results`
  std::filesystem::path results;  ///< another run's results.json, relative to the config; empty: the sweep's own
};

/// A checked sweep. Every model gets a clean cell and one cell for each perturbation.
struct Sweep {
  std::uint64_t seed = 0;
  int batch = 128;
  std::optional<int> unit_size;  ///< images a unit, a multiple of batch; default: one batch
  std::string device = "auto";
  std::vector<std::string> metrics;
  std::string profile;       ///< that the metrics follow, see Metric
  bool keep_logits = false;  ///< of every sample's last point, for metrics of all classes
  std::string source;
  std::filesystem::path base;  ///< folder that the config's relative paths start from
  std::optional<std::int64_t> limit;
  std::vector<ModelSpec> models;
  std::vector<Perturbation> perturbations;
  std::optional<BaselineSpec> baseline;  ///< absent: AlexNet as published

  /// Whether models will be asked for gradients.
  bool attacks() const {
    return std::any_of(perturbations.begin(), perturbations.end(),
                       [](const Perturbation& p) { return p.kind == Perturbation::Kind::attack; });
  }
};

/// Reads and checks a sweep, TOML or (by extension .json) JSON. Throws assay::Error, exit 2, with file, line, column,
/// what was found and, for unknown names, the nearest valid one.
Sweep read_sweep(const std::filesystem::path& file);

struct AttackEntry;
struct Corruption;
/// What an attack takes: its own parameters and those of every attack.
std::vector<ParamSpec> attack_params(const AttackEntry& attack);

/// What a corruption takes: severity, table and pipeline, and textures where it needs them.
std::vector<ParamSpec> corruption_params(const Corruption& corruption);

/// Fills in defaults and checks types and ranges of one perturbation as read_sweep does; `where` begins its messages.
Perturbation check_perturbation(Perturbation::Kind kind, const std::string& name, Params given,
                                const std::string& where);

}  // namespace assay
