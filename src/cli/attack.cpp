#include <fmt/format.h>
#include <omp.h>

#include <cmath>

#include "cli/cli.hpp"
#include "data/npy.hpp"
#include "engine/make_attacks.hpp"

namespace assay::cli {
namespace {

struct Options {
  std::string model, data, name, out;
  std::uint64_t seed = 0;
  std::int64_t limit = 0, batch = 128;
  ModelOptions model_options;
  DeviceOptions device;
  bool json = false, full = false;
};

double distance(const std::string& norm, const DataSet& data, std::int64_t sample, const float* point) {
  double largest = 0, squares = 0, sum = 0;
  const auto dim = static_cast<std::size_t>(data.dim()), at = static_cast<std::size_t>(sample) * dim;
  for (std::size_t i = 0; i < dim; ++i) {
    const float clean = data.bytes.empty() ? data.floats[at + i] : static_cast<float>(data.bytes[at + i]) / 255.f;
    const double d = static_cast<double>(point[i]) - static_cast<double>(clean);
    largest = std::max(largest, std::abs(d));
    squares += d * d;
    sum += std::abs(d);
  }
  return norm == "linf" ? largest : norm == "l2" ? std::sqrt(squares) : sum;
}

ExitCode attack(const Options& options, Params given) {
  if (options.full) given["full"] = true;
  handle_signals();
  const Perturbation p = check_perturbation(Perturbation::Kind::attack, options.name, given, "command line");
  const Device device = choose_device(options.device.device.empty() ? "cpu" : options.device.device);
  const Exec exec = device.exec();
  set_threads(options.device.threads > 0 ? options.device.threads : omp_get_num_procs());
  const DataSet data = load_data(options.data, ".");
  const std::unique_ptr<Model> model =
      load_model(exec, options.model_options.spec(options.model), data, options.batch, true).model;
  check_classes(p, model->classes(), "the model");
  const std::int64_t n = options.limit > 0 ? std::min(options.limit, data.n) : data.n;
  AttackExport exported;
  UnitResult clean, attacked;
  try {
    Evaluator evaluator(exec, data, options.batch, options.seed, stop_flag());
    clean = evaluator.plain(nullptr, 0, n, {model.get()}).front();
    if (clean.error.empty()) attacked = evaluator.attacked(p, 0, n, *model, &exported);
  } catch (const Interrupted&) {
    throw Error(ExitCode::interrupted, "interrupted; nothing was written");
  }
  for (const UnitResult* result : {&clean, &attacked})
    if (!result->error.empty()) throw Error(ExitCode::internal, result->error);

  const std::string& norm = Registry<AttackEntry>::find(options.name)->norm;
  std::string csv = "index,label,pred_clean,pred_adv,success,norm,loss,forward,backward\n";
  std::int64_t right = 0, fooled = 0, undecided = 0;
  const std::vector<float>& points = exported.points;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const SampleRow &before = clean.rows[at], &after = attacked.rows[at];
    const bool was_right = before.has(SampleRow::correct);
    const bool success = was_right && after.has(SampleRow::fooled_final) && !after.has(SampleRow::undecided);
    right += was_right ? 1 : 0;
    fooled += success ? 1 : 0;
    undecided += after.has(SampleRow::undecided) ? 1 : 0;
    const auto prediction = [](const SampleRow& row) {
      return row.has(SampleRow::undecided) ? std::string() : std::to_string(row.prediction);
    };
    csv += fmt::format("{},{},{},{},{},{},{},{},{}\n", i, data.labels[at], prediction(before), prediction(after),
                       success ? 1 : 0, distance(norm, data, i, points.data() + i * data.dim()), after.nll,
                       exported.passes[at] >> 32, exported.passes[at] & 0xFFFFFFFFu);
  }
  const std::filesystem::path out = options.out;
  replace_file(out / "adversarial.npy",
               npy_bytes("<f4", {n, data.c, data.h, data.w}, points.data(), points.size() * sizeof(float)));
  replace_file(out / "samples.csv", csv);
  if (options.json)
    print_json({{"schema", 1},
                {"n", n},
                {"clean_correct", right},
                {"fooled", fooled},
                {"undecided", undecided},
                {"attack", to_json(p)},
                {"out", options.out}});
  else
    fmt::print("{} images: {} right when clean, {} of them fooled by {}; {}\n", n, right, fooled, options.name,
               (out / "adversarial.npy").string());
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
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->allow_extras();
  return {verb, [options, verb] { return attack(*options, parse_params(verb->remaining())); }};
}

}  // namespace assay::cli
