#include <fmt/format.h>
#include <omp.h>

#include <algorithm>

#include "assay/source.hpp"
#include "cli/cli.hpp"

namespace assay::cli {
namespace {

struct Options {
  DeviceOptions device;
  std::string tune;
  bool json = false;
};

nlohmann::json cuda_report() {
  const CudaSurvey& survey = torch().cuda_survey();
  nlohmann::json devices = nlohmann::json::array();
  for (std::size_t i = 0; i < survey.devices.size(); ++i) {
    const CudaDeviceInfo& device = survey.devices[i];
    devices.push_back({{"name", device.name},
                       {"compute_capability", device.capability()},
                       {"memory", device.memory},
                       {"reason", survey.why_not(static_cast<int>(i))}});
  }
  const auto version = [](int number) { return number > 0 ? nlohmann::json(cuda_version(number)) : nlohmann::json(); };
  return {{"available", survey.why_not(0).empty()},
          {"reason", survey.why_not(0)},
          {"driver", version(survey.driver)},
          {"runtime", version(survey.runtime)},
          {"devices", devices}};
}

void print_cuda() {
  const CudaSurvey& survey = torch().cuda_survey();
  if (survey.devices.empty()) fmt::print("cuda       no device: {}\n", survey.why_none);
  for (int i = 0; i < static_cast<int>(survey.devices.size()); ++i) {
    const std::string why_not = survey.why_not(i);
    fmt::print("cuda       {}\n", why_not.empty() ? survey.devices[static_cast<std::size_t>(i)].describe(i) : why_not);
  }
  if (survey.runtime > 0)
    fmt::print("cuda       runtime {}, driver {}\n", cuda_version(survey.runtime),
               survey.driver > 0 ? "for " + cuda_version(survey.driver) : "none");
}

/// A form that a model may be run in, and how long its passes take.
struct Form {
  bool fold = false, channels_last = false;
  std::string why_not = {};
  std::unique_ptr<Model> model = {};
  std::vector<double> ms = {};
  double median() const { return ms[ms.size() / 2]; }
  std::string keys() const { return fmt::format("fold = {}, channels_last = {}", fold, channels_last); }
};

/// Times every form in turn on the sweep's first batch: four steps of PGD, or clean passes where it attacks nothing.
void time_forms(std::vector<Form>& forms, const Exec& exec, const Sweep& sweep, const DataSet& data, bool attacks) {
  constexpr int kTurns = 7;
  const Perturbation pgd =
      check_perturbation(Perturbation::Kind::attack, "pgd_linf",
                         {{"epsilon", 0.03}, {"steps", std::int64_t{4}}, {"full", true}}, "doctor --tune");
  Evaluator evaluator(exec, data, sweep.batch, 0, stop_flag());
  const std::int64_t n = std::min<std::int64_t>(sweep.batch, data.n);
  for (int turn = 0; turn <= kTurns; ++turn)  // the first one warms up
    for (Form& form : forms) {
      if (form.model == nullptr) continue;
      const UnitResult result = attacks ? evaluator.attacked(pgd, 0, n, *form.model)
                                        : evaluator.plain(nullptr, 0, n, {form.model.get()}).front();
      if (!result.error.empty()) throw Error(ExitCode::internal, result.error);
      if (turn > 0) form.ms.push_back(1e3 * result.seconds);
    }
  for (Form& form : forms) std::ranges::sort(form.ms);
}

ExitCode tune(const Options& options) {
  const Sweep sweep = read_sweep(options.tune);
  const Device device = choose_device(options.device.device.empty() ? sweep.device : options.device.device);
  torch().set_threads(options.device.threads > 0 ? options.device.threads : omp_get_num_procs());
  const DataSet data = load_source(sweep.source, sweep.base);
  const bool attacks = sweep.attacks();
  if (!options.json)
    fmt::print("{} on {} images: ms, median (fastest .. slowest) of 7 turns\n",
               attacks ? "four steps of PGD" : "a clean pass", std::min<std::int64_t>(sweep.batch, data.n));
  nlohmann::json models = nlohmann::json::array();
  for (const ModelSpec& given : sweep.models) {
    std::vector<Form> forms;
    for (const bool channels_last : {false, true})
      for (const bool fold : {false, true}) forms.push_back({fold, channels_last});
    for (Form& form : forms) {
      ModelSpec spec = given;
      spec.fold = form.fold;
      spec.channels_last = form.channels_last;
      try {
        form.model = torch().load_script_model(device.exec(), spec, data, sweep.batch, attacks).model;
      } catch (const Error& e) {
        if (!form.fold && !form.channels_last) throw;
        form.why_not = e.what();
      }
    }
    time_forms(forms, device.exec(), sweep, data, attacks);
    const Form* best = &forms.front();
    nlohmann::json lines = nlohmann::json::array();
    if (!options.json) fmt::print("model {}\n", given.name);
    for (const Form& form : forms) {
      if (form.ms.empty()) {
        lines.push_back({{"fold", form.fold}, {"channels_last", form.channels_last}, {"reason", form.why_not}});
        if (!options.json) fmt::print("  {:<38} {}\n", form.keys(), form.why_not);
        continue;
      }
      if (form.median() < best->median()) best = &form;
      lines.push_back({{"fold", form.fold},
                       {"channels_last", form.channels_last},
                       {"ms", form.median()},
                       {"fastest_ms", form.ms.front()},
                       {"slowest_ms", form.ms.back()}});
      if (!options.json)
        fmt::print("  {:<38} {:>8.1f} ({:.1f} .. {:.1f}), {:.2f} x as saved\n", form.keys(), form.median(),
                   form.ms.front(), form.ms.back(), forms.front().median() / form.median());
    }
    if (!options.json) fmt::print("  fastest: write {} under this [[model]]\n", best->keys());
    models.push_back({{"name", given.name},
                      {"forms", lines},
                      {"fastest", {{"fold", best->fold}, {"channels_last", best->channels_last}}}});
  }
  if (options.json) print_json({{"schema", 1}, {"environment", environment(device)}, {"models", models}});
  return ExitCode::done;
}

ExitCode doctor(const Options& options) {
  if (!options.tune.empty()) return tune(options);
  const Device device = choose_device(options.device.device.empty() ? "cpu" : options.device.device);
  nlohmann::json report = environment(device);
  report["cuda"] = cuda_report();
  try {
    load_data("fashion_mnist", ".");
    report["fashion_mnist"] = "found";
  } catch (const Error& e) {
    report["fashion_mnist"] = e.what();
  }
  if (options.json) {
    print_json(report);
    return ExitCode::done;
  }
  fmt::print("assay      {}\n", ASSAY_VERSION);
  for (const auto& [name, value] : report["numerics"].items())
    if (name != "device") fmt::print("{:<10} {}\n", name, value.get<std::string>());
  fmt::print("processors {}\n", report["processors"].get<int>());
  fmt::print("device     {}\n", report["device"].get<std::string>());
  print_cuda();
  fmt::print("demo data  {}\n", report["fashion_mnist"].get<std::string>());
  return ExitCode::done;
}

}  // namespace

Verb add_doctor(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("doctor", "What this program found on this machine");
  add_device_options(*verb, options->device);
  verb->add_option("--tune", options->tune, "time a sweep's models in every form and say which keys are fastest")
      ->check(not_empty());
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return doctor(*options); }};
}

}  // namespace assay::cli
