#pragma once
#include <CLI/CLI.hpp>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "assay/core/error.hpp"
#include "assay/sweep.hpp"
#include "engine/evaluate.hpp"
#include "engine/plan.hpp"
#include "engine/run.hpp"
#include "engine/store.hpp"
#include "torch/library.hpp"

// The command line: parses and checks, calls the library, prints. stdout has results, stderr progress and messages.
namespace assay::cli {

/// Set by SIGINT, SIGTERM and SIGUSR1.
StopFlag& stop_flag();
/// From here on those signals ask for an orderly end with exit code 75 instead of killing; a second one kills.
void handle_signals();

/// The text without line breaks and other control characters, which names of files may have.
std::string one_line(std::string text);

/// What runs models. Loaded on the first call: throws assay::Error (exit 70) where it is not beside the program.
const TorchLibrary& torch();

/// Prints a line to stderr, over the progress line where one is drawn.
void say(const std::string& line);

/// A verb: its options, and what it does; returns the exit code.
using Action = std::function<ExitCode()>;
struct Verb {
  CLI::App* app;
  Action action;
};

Verb add_run(CLI::App& app);
Verb add_plan(CLI::App& app);
Verb add_status(CLI::App& app);
Verb add_merge(CLI::App& app);
Verb add_list(CLI::App& app);
Verb add_doctor(CLI::App& app);
Verb add_attack(CLI::App& app);
Verb add_corrupt(CLI::App& app);
Verb add_score(CLI::App& app);
Verb add_verify(CLI::App& app);
Verb add_bench(CLI::App& app);

/// The largest seed, count or index, as in a config. CLI11 alone wraps a negative one where the option is unsigned.
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

/// Refuses an empty path: a script whose variable is not set would else write where it did not mean to.
CLI::Validator not_empty();

/// Options that `attack`, `corrupt`, `run` and `plan` share.
struct DeviceOptions {
  std::string device;  ///< empty: the config's
  int threads = 0;     ///< 0: the plan's, else one a processor
};
void add_device_options(CLI::App& app, DeviceOptions& options);

/// Where a verb computes. Made before, and destroyed after, all that has memory there.
struct Device {
  std::unique_ptr<CudaDevice> cuda;  ///< null: the CPU
  Exec exec() const { return cuda ? cuda->exec() : Exec{}; }
  /// For a plan: what decides bits on it, its kind among them.
  std::map<std::string, std::string> numerics() const;
};

/// "auto", "cpu", "cuda" or "cuda:N", opened; says on stderr what auto chose. Throws assay::Error: exit 69 when CUDA is
/// asked for and not there, exit 2 for another word.
Device choose_device(const std::string& device);

/// A sweep with everything that a plan needs.
struct Prepared {
  Device device;
  Sweep sweep;
  DataSet data;
  Plan plan;
  std::vector<std::unique_ptr<Model>> models;  ///< of the sweep; null: not loaded yet
};
/// Reads the sweep, loads the data, hashes the models and plans. `out` may hold a plan: its thread count is then taken
/// unless --threads is given, and what it says of a model's form; else models are loaded to decide on it. Throws
/// assay::Error, exit 75, when a signal came meanwhile.
Prepared prepare(const std::string& config, const DeviceOptions& options, const std::filesystem::path& out);

/// The plan of a folder that a sweep was run in. Throws assay::Error (exit 65) where there is none.
Plan plan_in(const Store& store);

/// load_data; warns on stderr of what was left out.
DataSet load_source(const std::string& source, const std::filesystem::path& base);

/// Loads and probes a model; prints its hash and notes to stderr.
LoadedModel load_model(const Exec& exec, const ModelSpec& spec, const DataSet& data, std::int64_t batch,
                       bool gradients);

/// What the run's progress says, on a terminal redrawn in place and otherwise a plain line every 30 s.
class Progress final : public RunObserver {
 public:
  Progress();
  ~Progress() override;
  void progress(int done, int total, int reused, std::int64_t images, double share) override;
  void failed(const std::string& cell, std::int64_t lo, std::int64_t hi, const std::string& why) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Versions, device and class, for run-info.json and doctor.
nlohmann::json environment(const Device& device);

/// Says so where `profile` changes none of the metrics.
void note_idle_profile(const std::vector<std::string>& metrics, const std::string& profile);

/// Merges `plan` in `store`, writes every sink's file, prints the table or JSON; exit code 0
/// or 3.
ExitCode merge_and_print(const Plan& plan, const Store& store, bool json, const Exec& exec);

/// Prints one JSON object to stdout.
void print_json(const nlohmann::json& value);

/// `--epsilon 0.1 --steps 20` left over on the command line, as config parameters of a registered perturbation.
Params parse_params(const std::vector<std::string>& words);

/// Model options of the command line, as the keys of [[model]].
struct ModelOptions {
  std::vector<double> mean, std;
  std::string output, sha256;
  int classes = 0;
  std::optional<bool> fold;
  bool channels_last = false;
  ModelSpec spec(const std::string& path) const;
};
void add_model_options(CLI::App& app, ModelOptions& options);
/// --fold and --no-fold; `otherwise` says in the help what holds without them.
void add_fold_options(CLI::App& app, std::optional<bool>& fold, const char* otherwise);

}  // namespace assay::cli
