#include <fmt/format.h>
#include <omp.h>

#include <cmath>

#include "cli/cli.hpp"
#include "data/npy.hpp"
#include "engine/check_params.hpp"
#include "engine/make_attacks.hpp"
#include "engine/witness.hpp"

namespace assay::cli {
namespace {

struct Options {
  std::string model, data, name, out;
  std::uint64_t seed = 0;
  std::int64_t limit = 0, batch = 128;
  ModelOptions model_options;
  DeviceOptions device;
  bool json = false, full = false, trace = false;
};

std::string class_text(std::uint16_t target) {
  return target == kNoTarget ? std::string() : std::to_string(target);
}

std::string trace_csv(const std::vector<TraceStep>& trace) {
  const auto number = [](float v) { return std::isfinite(v) ? fmt::format("{}", v) : std::string(); };
  std::string csv = "index,item,target,query,loss,step\n";
  for (const TraceStep& one : trace)
    csv += fmt::format("{},{},{},{},{},{}\n", one.sample, one.item, class_text(one.target), one.query, number(one.loss),
                       number(one.step));
  return csv;
}

ExitCode attack(const Options& options, Params given) {
  if (options.full) given["full"] = true;
  handle_signals();
  const Perturbation p = check_perturbation(Perturbation::Kind::attack, options.name, given, "command line");
  const Device device = choose_device(options.device.device.empty() ? "cpu" : options.device.device);
  const Exec exec = device.exec();
  torch().set_threads(options.device.threads > 0 ? options.device.threads : omp_get_num_procs());
  const DataSet data = load_source(options.data, ".");
  const std::int64_t n = options.limit > 0 ? std::min(options.limit, data.n) : data.n;
  std::vector<float> starts;
  if (const std::string file = start_file(p.params); !file.empty())
    starts = read_images(file, {n, data.c, data.h, data.w});
  ModelSpec spec = options.model_options.spec(options.model);
  const LoadedModel loaded = load_model(exec, spec, data, options.batch, true);
  Model& model = *loaded.model;
  check_classes(p, model.classes(), "the model");
  AttackExport exported;
  if (options.trace) exported.trace.emplace();
  UnitResult clean, attacked;
  try {
    Evaluator evaluator(exec, data, options.batch, options.seed, stop_flag());
    clean = evaluator.plain(nullptr, 0, n, {&model}).front();
    if (clean.error.empty()) attacked = evaluator.attacked(p, 0, n, model, &exported, starts);
  } catch (const Interrupted&) {
    throw Error(ExitCode::interrupted, "interrupted; nothing was written");
  }
  for (const UnitResult* result : {&clean, &attacked})
    if (!result->error.empty()) throw Error(ExitCode::internal, result->error);

  spec.fold = loaded.folded;
  Witnesses found;
  found.model = plan_model(spec, loaded.sha256);
  found.classes = model.classes();
  found.source = data.name;
  found.data_sha256 = data.sha256;
  found.attack = p;
  found.norm = Registry<AttackEntry>::find(options.name)->norm;
  found.epsilon = real_param(p.params, "epsilon");
  found.asked = exported.asked;
  found.model_path = std::filesystem::absolute(options.model).string();
  found.data_path = data.path;
  found.shape = {n, data.c, data.h, data.w};
  std::string csv = "index,label,pred_clean,pred_adv,success,norm,loss,forward,backward";
  csv += found.targeted() ? ",target\n" : "\n";
  std::int64_t right = 0, fooled = 0, undecided = 0, label_is_target = 0;
  found.points = std::move(exported.points);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const SampleRow &before = clean.rows[at], &after = attacked.rows[at];
    const bool was_right = before.has(SampleRow::correct);
    const bool success = is_witness(after);
    const std::uint16_t target = found.targeted() ? exported.targets[at] : kNoTarget;
    if (success) found.add(data, i, after.prediction, i);
    if (success && found.targeted()) found.target.push_back(target);
    right += was_right ? 1 : 0;
    fooled += success ? 1 : 0;
    undecided += after.has(SampleRow::undecided) ? 1 : 0;
    label_is_target += after.has(SampleRow::label_is_target) ? 1 : 0;
    const auto prediction = [](const SampleRow& row) {
      return row.has(SampleRow::undecided) ? std::string() : std::to_string(row.prediction);
    };
    csv += fmt::format("{},{},{},{},{},{},{},{},{}", i, data.labels[at], prediction(before), prediction(after),
                       success ? 1 : 0, distance(found.norm, data, i, found.points.data() + i * data.dim()), after.nll,
                       exported.passes[at] >> 32, exported.passes[at] & 0xFFFFFFFFu);
    if (found.targeted()) csv += ',' + class_text(target);
    csv += '\n';
  }
  const std::filesystem::path out = options.out;
  write_witnesses(out / "witnesses.json", "adversarial.npy", found);
  replace_file(out / "samples.csv", csv);
  if (exported.trace)
    replace_file(out / "trace.csv", trace_csv(*exported.trace));
  else
    std::filesystem::remove(out / "trace.csv");  // of an earlier attack
  if (options.json) {
    nlohmann::json all = {{"schema", 1},
                          {"n", n},
                          {"clean_correct", right},
                          {"fooled", fooled},
                          {"undecided", undecided},
                          {"attack", to_json(p)},
                          {"out", options.out}};
    if (found.targeted()) all["label_is_target"] = label_is_target;
    print_json(all);
  } else {
    const std::string what = found.targeted() ? "taken for their targets under" : "fooled by";
    fmt::print("{} images: {} right when clean, {} of them {} {}; {}\n", n, right, fooled, what, options.name,
               (out / "adversarial.npy").string());
    if (label_is_target > 0)
      fmt::print("{} images are of the target's class, where nothing is a success\n", label_is_target);
  }
  if (undecided > 0)
    fmt::print(stderr, "warning: {} samples are undecided: their logits or gradients were not finite\n", undecided);
  return ExitCode::done;
}

}  // namespace

Verb add_attack(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("attack", "Attack a model and write the adversarial images");
  verb->add_option("model", options->model, "TorchScript file; loading it runs the code inside")->required();
  verb->add_option("data", options->data, "source, such as fashion_mnist or npy:DIR")->required();
  verb->add_option("name", options->name, "an attack, see `assay list attacks`; its parameters follow as --name value")
      ->required();
  verb->add_option("--out", options->out, "output folder")->required()->check(not_empty());
  verb->add_option("--seed", options->seed, "same seed, same random starts")->check(CLI::Range(std::int64_t{0}, kMost));
  verb->add_option("--limit", options->limit, "only the first images")->check(CLI::Range(std::int64_t{1}, kMost));
  verb->add_option("--batch", options->batch, "images at a time")->check(CLI::Range(1, 65536));
  add_model_options(*verb, options->model_options);
  add_device_options(*verb, options->device);
  verb->add_flag("--full", options->full, "attack every image to the last query and write last iterates");
  verb->add_flag("--trace", options->trace, "write trace.csv: loss and step size at every point of every item");
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->allow_extras();
  return {verb, [options, verb] { return attack(*options, parse_params(verb->remaining())); }};
}

}  // namespace assay::cli
