#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <set>

#include "cli/cli.hpp"
#include "core/sha256.hpp"
#include "engine/witness.hpp"

namespace assay::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string dir, data;
  std::vector<std::string> models;
  std::optional<bool> fold;
  std::int64_t batch = 128;
  DeviceOptions device;
  bool json = false;
};

/// Where models and data were when a run of this folder ended.
struct Places {
  std::vector<fs::path> models;
  std::vector<std::string> data;
};

Places places_in(const fs::path& folder) {
  Places places;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("run-info.") || !name.ends_with(".json")) continue;
    const auto text = read_if_there(entry.path());
    const nlohmann::json info = nlohmann::json::parse(text.value_or(""), nullptr, false);
    try {
      for (const auto& model : info.at("models")) places.models.emplace_back(model.at("path").get<std::string>());
      places.data.push_back(info.at("data").at("path").get<std::string>());
    } catch (const nlohmann::json::exception&) {
      continue;  // of another version: --model and --data say what it does not
    }
  }
  return places;
}

ModelSpec find_model(const Witnesses& w, std::vector<fs::path> candidates) {
  if (!w.model_path.empty()) candidates.emplace_back(w.model_path);
  for (const fs::path& path : candidates) {
    std::error_code none;
    if (fs::is_regular_file(path, none) && sha256_file(path) == w.model.sha256) return model_spec(w.model, path);
  }
  throw Error(ExitCode::input,
              "found no file of model '" + w.model.name + "', expected one with SHA-256 " + w.model.sha256,
              "give it: --model FILE");
}

/// Everything that is loaded, once.
class Loaded {
 public:
  Loaded(const Options& options, const Exec& exec) : options_(options), exec_(exec), places_(places_in(options.dir)) {
    for (const std::string& path : options.models) {
      if (!fs::is_regular_file(path))
        throw Error(ExitCode::input, "cannot read '" + path + "': found no such file, expected a model");
      files_.emplace_back(path);
    }
    files_.insert(files_.end(), places_.models.begin(), places_.models.end());
  }

  const DataSet& data(const Witnesses& w) {
    std::string source = options_.data;
    if (source.empty()) source = w.data_path;
    if (source.empty()) source = places_.data.empty() ? w.source : places_.data.front();
    if (!data_ || source != source_) {
      data_ = std::make_unique<DataSet>(load_source(source, "."));
      source_ = source;
    }
    return *data_;
  }

  /// A file that was given and is the model of no witness would pass for checked.
  void require_all_used() const {
    for (const std::string& path : options_.models)
      if (const std::string digest = sha256_file(path); !used_.contains(digest))
        throw Error(ExitCode::input, "'" + path + "' with SHA-256 " + digest + " is the model of no witness",
                    "remove this --model, or give the file that was attacked");
  }

  Model& model(const Witnesses& w) {
    used_.insert(w.model.sha256);
    auto& model = models_[to_json(w.model).dump()];
    if (!model) {
      ModelSpec spec = find_model(w, files_);
      if (options_.fold) spec.fold = options_.fold;
      spec.classes = w.classes;
      model = load_model(exec_, spec, *data_, options_.batch, false).model;
    }
    return *model;
  }

 private:
  const Options& options_;
  Exec exec_;
  Places places_;
  std::vector<fs::path> files_;
  std::set<std::string> used_;  // digests of models
  std::string source_;
  std::unique_ptr<DataSet> data_;
  std::map<std::string, std::unique_ptr<Model>> models_;
};

struct Count {
  std::int64_t witnesses = 0;
  std::vector<Refuted> refuted;
};

ExitCode verify(const Options& options) {
  const std::vector<fs::path> manifests = find_witnesses(options.dir);
  if (manifests.empty())
    throw Error(ExitCode::input, "'" + options.dir + "' holds no witnesses",
                "`assay run --save-adversarials` and `assay attack` write them");
  const Device device = choose_device(options.device.device.empty() ? "cpu" : options.device.device);
  torch().set_threads(options.device.threads > 0 ? options.device.threads : omp_get_num_procs());
  Loaded loaded(options, device.exec());
  std::map<std::string, Count> cells;
  std::int64_t witnesses = 0, refuted = 0;
  for (const fs::path& manifest : manifests) {
    const Witnesses w = read_witnesses(manifest);
    const DataSet& data = loaded.data(w);
    std::vector<Refuted> wrong = verify_witnesses(device.exec(), loaded.model(w), data, w, options.batch);
    Count& count = cells[w.model.name + ' ' + describe(w.attack)];
    count.witnesses += static_cast<std::int64_t>(w.index.size());
    witnesses += static_cast<std::int64_t>(w.index.size());
    refuted += static_cast<std::int64_t>(wrong.size());
    std::ranges::move(wrong, std::back_inserter(count.refuted));
  }

  loaded.require_all_used();
  nlohmann::json listed = nlohmann::json::array();
  for (auto& [cell, count] : cells) {
    std::ranges::sort(count.refuted, {}, &Refuted::index);
    if (options.json) {
      nlohmann::json wrong = nlohmann::json::array();
      for (const Refuted& r : count.refuted) wrong.push_back({{"index", r.index}, {"why", r.why}});
      listed.push_back({{"cell", cell}, {"witnesses", count.witnesses}, {"refuted", wrong}});
      continue;
    }
    const auto hold = count.witnesses - static_cast<std::int64_t>(count.refuted.size());
    fmt::print("{}: {} of {} witnesses hold\n", cell, hold, count.witnesses);
    for (const Refuted& r : count.refuted) fmt::print("  image {}: {}\n", r.index, r.why);
  }
  if (options.json)
    print_json({{"schema", 1}, {"witnesses", witnesses}, {"refuted", refuted}, {"cells", listed}});
  else
    fmt::print("{} of {} witnesses hold\n", witnesses - refuted, witnesses);
  return refuted == 0 ? ExitCode::done : ExitCode::gate_failed;
}

}  // namespace

Verb add_verify(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("verify", "Check every saved adversarial image against its model");
  verb->add_option("dir", options->dir, "what `assay run --save-adversarials` or `assay attack` wrote")
      ->required()
      ->check(not_empty());
  verb->add_option("--model", options->models, "a model's file, where it is not where it was; may be given again")
      ->check(not_empty());
  verb->add_option("--data", options->data, "the source, where it is not where it was")->check(not_empty());
  add_fold_options(*verb, options->fold, "the form that was attacked");
  verb->add_option("--batch", options->batch, "images at a time")->check(CLI::Range(1, 65536));
  add_device_options(*verb, options->device);
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return verify(*options); }};
}

}  // namespace assay::cli
