#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "cli/cli.hpp"
#include "core/text.hpp"

namespace assay::cli {
namespace {

/// N of "cuda:N", 0 of "cuda".
int device_index(const std::string& device) {
  if (device == "cuda") return 0;
  int index = -1;
  const char *end = device.data() + device.size(), *last = nullptr;
  if (device.starts_with("cuda:")) last = std::from_chars(device.data() + 5, end, index).ptr;
  if (last != end || index < 0)
    throw Error(ExitCode::usage, "unknown device '" + device + "'", "expected auto, cpu, cuda or cuda:N");
  return index;
}

}  // namespace

std::string one_line(std::string text) {
  std::ranges::replace_if(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, '?');
  return text;
}

CLI::Validator not_empty() {
  return {[](std::string& path) { return path.empty() ? "is empty, expected a path" : ""; }, ""};
}

void add_device_options(CLI::App& app, DeviceOptions& options) {
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N");
  app.add_option("--threads", options.threads, "CPU threads (default: the plan's, else one a processor)")
      ->check(CLI::Range(1, 4096));
}

std::map<std::string, std::string> Device::numerics() const {
  auto numerics = cuda ? cuda->numerics() : torch().torch_numerics();
  if (!cuda) numerics["device"] = "cpu";
  numerics["lag"] = std::to_string(lag_of(exec().backend));
  return numerics;
}

Device choose_device(const std::string& device) {
  if (device == "cpu") return {};
  const bool automatic = device == "auto";
  const int index = automatic ? 0 : device_index(device);
  if (const std::string why_not = torch().cuda_survey().why_not(index); !why_not.empty()) {
    if (!automatic)
      throw Error(ExitCode::device, "device '" + device + "' was asked for, but " + why_not,
                  "use --device cpu or --device auto");
    fmt::print(stderr, "device: cpu (no CUDA device: {})\n", why_not);
    return {};
  }
  Device open{torch().open_cuda(index)};
  if (automatic) fmt::print(stderr, "device: {}\n", open.cuda->describe());
  return open;
}

void note_idle_profile(const std::vector<std::string>& metrics, const std::string& profile) {
  const auto follows = [&](const std::string& name) {
    const Metric* metric = Registry<Metric>::find(name);
    return metric != nullptr && metric->by(profile).profile == profile;
  };
  if (!profile.empty() && std::ranges::none_of(metrics, follows))
    say(fmt::format("note: none of these metrics has a rule of {}; `assay list metrics` shows which do", profile));
}

Prepared prepare(const std::string& config, const DeviceOptions& options, const std::filesystem::path& out) {
  Prepared p;
  p.sweep = read_sweep(config);
  note_idle_profile(p.sweep.metrics, p.sweep.profile);
  if (!options.device.empty()) p.sweep.device = options.device;
  p.device = choose_device(p.sweep.device);
  const std::optional<Plan> there = out.empty() ? std::nullopt : Store(out).plan();
  int threads = options.threads;
  if (threads == 0) threads = there ? static_cast<int>(there->threads) : omp_get_num_procs();
  torch().set_threads(threads);
  p.data = load_source(p.sweep.source, p.sweep.base);
  std::vector<std::string> digests;
  for (const ModelSpec& model : p.sweep.models) digests.push_back(torch().model_digest(model));
  p.models.resize(digests.size());
  for (std::size_t m = 0; m < digests.size(); ++m) {
    ModelSpec& spec = p.sweep.models[m];
    if (!spec.fold && there && m < there->models.size() && there->models[m].sha256 == digests[m])
      spec.fold = there->models[m].fold;
    // In a new folder all are loaded before it is claimed: a model that is refused must not leave a plan there which
    // the mended one, another file, no longer fits.
    if (spec.fold && there) continue;
    LoadedModel loaded = load_model(p.device.exec(), spec, p.data, p.sweep.batch, p.sweep.attacks());
    spec.fold = loaded.folded;
    p.models[m] = std::move(loaded.model);
    if (stop_flag())
      throw Error(ExitCode::interrupted, "interrupted before the first unit", "run the same command again to go on");
  }
  p.plan = make_plan(p.sweep, p.data, digests, p.device.numerics(), threads);
  return p;
}

Plan plan_in(const Store& store) {
  auto plan = store.plan();
  if (!plan)
    throw Error(ExitCode::input, "'" + store.root().string() + "' holds no plan.json",
                "give the --out folder of `assay run`");
  return std::move(*plan);
}

DataSet load_source(const std::string& source, const std::filesystem::path& base) {
  DataSet data = load_data(source, base);
  if (data.left_out.empty()) return data;
  constexpr std::size_t kNamed = 10;
  std::vector<std::string> named = data.left_out;
  if (named.size() > kNamed) named.resize(kNamed);
  say(one_line(fmt::format("warning: {} of {} images are left out: {}{}", data.left_out.size(),
                           data.left_out.size() + static_cast<std::size_t>(data.n), join(named, "; "),
                           data.left_out.size() > kNamed ? "; and more" : "")));
  return data;
}

LoadedModel load_model(const Exec& exec, const ModelSpec& spec, const DataSet& data, std::int64_t batch,
                       bool gradients) {
  LoadedModel loaded = torch().load_script_model(exec, spec, data, static_cast<int>(batch), gradients);
  say(fmt::format("model {}: {}, sha256 {}{}{}", spec.name, spec.path.filename().string(), loaded.sha256,
                  loaded.folded ? ", folded" : "", spec.channels_last ? ", channels last" : ""));
  for (const std::string& note : loaded.notes) say("note: " + note);
  return loaded;
}

nlohmann::json environment(const Device& device) {
  nlohmann::json backends = {"cpu"};
  if (torch().cuda_survey().built) backends.push_back("cuda");
  return {{"version", ASSAY_VERSION},
          {"numerics", device.numerics()},
          {"processors", omp_get_num_procs()},
          {"device", device.cuda ? device.cuda->describe() : "cpu"},
          {"backends", backends}};
}

ExitCode merge_and_print(const Plan& plan, const Store& store, bool json, const Exec& exec) {
  PlanStatus status;
  const Results results = merge_units(plan, store, status, exec);
  std::uint64_t undecided = 0;
  for (const CellResult& cell : results.cells) undecided += cell.undecided;
  for (const auto& [name, sink] : Registry<Sink>::all())
    if (!sink.file.empty()) store.write(sink.file, sink.render(results));
  const std::string path = (store.root() / "results.json").string();
  if (json)
    print_json({{"schema", 1},
                {"plan_id", plan.id},
                {"results", path},
                {"units", {{"planned", status.units}, {"done", status.done}, {"failed", status.failed}}},
                {"undecided", undecided}});
  else
    fmt::print("{}\nresults: {}\n", Registry<Sink>::find("table")->render(results), path);
  if (undecided > 0)
    fmt::print(stderr,
               "warning: {} samples over all cells are undecided (outputs not finite, or their unit failed); they "
               "count as wrong and not robust\n",
               undecided);
  if (status.failed > 0) {
    fmt::print(stderr, "warning: {} of {} units failed, see {}; running again retries them\n", status.failed,
               status.units, (store.root() / "failures").string());
    return ExitCode::units_failed;
  }
  return ExitCode::done;
}

void add_fold_options(CLI::App& app, std::optional<bool>& fold, const char* otherwise) {
  // Callbacks, since CLI11 writes false to an optional whose flag is not there.
  CLI::Option* on = app.add_flag_callback(
      "--fold", [&fold] { fold = true; },
      std::string("freeze the model and fold its batch norms (default: ") + otherwise + ')');
  app.add_flag_callback("--no-fold", [&fold] { fold = false; }, "run the model as it was saved")->excludes(on);
}

void add_model_options(CLI::App& app, ModelOptions& options) {
  app.add_option("--mean", options.mean, "mean a channel that the model's input is normalised with");
  app.add_option("--std", options.std, "standard deviation a channel");
  app.add_option("--output", options.output, "element of a tuple or key of a dict that the model returns");
  app.add_option("--classes", options.classes, "classes of the model's head, where it is wider than the data");
  app.add_option("--sha256", options.sha256, "digest that the model's file must have");
  add_fold_options(app, options.fold, "fold, where logits stay within 1e-5");
  app.add_flag("--channels-last", options.channels_last, "keep the weights of convolutions in channels-last format");
}

ModelSpec ModelOptions::spec(const std::string& path) const {
  ModelSpec spec;
  spec.path = path;
  spec.name = spec.path.stem().string();
  if (mean.size() != std.size()) throw Error(ExitCode::usage, "--mean and --std need the same number of values");
  for (const double s : std)
    if (!(s > 0)) throw Error(ExitCode::usage, "--std must be above 0");
  spec.mean = mean;
  spec.std = std;
  if (!output.empty()) {
    std::int64_t index = 0;
    const auto r = std::from_chars(output.data(), output.data() + output.size(), index);
    if (r.ec == std::errc{} && r.ptr == output.data() + output.size())
      spec.output = index;
    else
      spec.output = output;
  }
  if (classes > 0) spec.classes = classes;
  spec.sha256 = sha256;
  spec.fold = fold;
  spec.channels_last = channels_last;
  return spec;
}

}  // namespace assay::cli
