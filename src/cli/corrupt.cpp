#include "engine/corrupt.hpp"

#include <fmt/format.h>
#include <omp.h>

#include "cli/cli.hpp"
#include "data/npy.hpp"
#include "engine/textures.hpp"

namespace assay::cli {
namespace {

struct Options {
  std::string data, name, out, table = "auto", pipeline = "in_memory", textures;
  int severity = 0;
  std::uint64_t seed = 0;
  std::int64_t limit = 0, index = -1;
  DeviceOptions device;
  bool floats = false, draws = false, json = false;
};

ExitCode corrupt(const Options& options) {
  handle_signals();
  Params params = {
      {"severity", std::int64_t{options.severity}}, {"table", options.table}, {"pipeline", options.pipeline}};
  if (!options.textures.empty()) params["textures"] = options.textures;
  check_perturbation(Perturbation::Kind::corruption, options.name, params, "command line");
  const Device device = choose_device(options.device.device.empty() ? "cpu" : options.device.device);
  if (options.device.threads > 0) omp_set_num_threads(options.device.threads);
  const DataSet data = load_source(options.data, ".");
  CorruptRequest request;
  request.name = options.name;
  request.args = {options.severity, choose_table(options.table, std::max(data.h, data.w))};
  if (!options.textures.empty()) request.args.textures = load_textures(options.textures);
  request.seed = options.seed;
  request.hi = options.limit > 0 ? std::min(options.limit, data.n) : data.n;
  if (options.index >= 0) {
    if (options.index >= data.n)
      throw Error(ExitCode::usage,
                  fmt::format("--index {}: '{}' has images 0 to {}", options.index, data.name, data.n - 1));
    request.lo = options.index;
    request.hi = options.index + 1;
  }
  request.stored = options.pipeline == "stored";
  request.floats = options.floats;
  request.draws = options.draws;
  CorruptedImages images;
  try {
    images = corrupt_images(device.exec(), data, request, stop_flag());
  } catch (const Interrupted&) {
    throw Error(ExitCode::interrupted, "interrupted; nothing was written");
  }
  const std::filesystem::path out = options.out;
  const std::int64_t n = request.hi - request.lo;
  const auto write = [&](const std::filesystem::path& name, const std::string& type,
                         const std::vector<std::int64_t>& shape, const auto& values) {
    replace_file(out / name, npy_bytes(type, shape, values.data(), values.size() * sizeof(values[0])));
  };
  const std::vector<std::int64_t> shape = {n, data.h, data.w, data.c};
  write("images.npy", "|u1", shape, channels_last(images.bytes, data.c, data.h * data.w));
  const std::vector<std::uint16_t> labels(data.labels.begin() + request.lo, data.labels.begin() + request.hi);
  write("labels.npy", "<u2", {n}, labels);
  if (options.floats) write("float.npy", "<f4", shape, channels_last(images.floats, data.c, data.h * data.w));
  for (const auto& [name, drawn] : images.draws) {
    std::vector<std::int64_t> drawn_shape = drawn.shape;
    drawn_shape.insert(drawn_shape.begin(), n);
    write("draws/" + name + ".npy", "<f4", drawn_shape, drawn.values);
  }
  const std::string table = table_name(request.args.table);
  // The benchmarks' tables are numbers.
  const nlohmann::json numbered = request.args.table == Table::imagecorruptions
                                      ? nlohmann::json(table)
                                      : nlohmann::json(static_cast<int>(request.args.table));
  if (options.json)
    print_json({{"schema", 1},
                {"n", n},
                {"corruption", options.name},
                {"severity", options.severity},
                {"table", numbered},
                {"pipeline", options.pipeline},
                {"seed", options.seed},
                {"out", options.out}});
  else
    fmt::print("{} images, {} severity {} (table {}, pipeline {}, seed {}): {}\n", n, options.name, options.severity,
               table, options.pipeline, options.seed, (out / "images.npy").string());
  return ExitCode::done;
}

}  // namespace

Verb add_corrupt(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("corrupt", "Write a corrupted copy of a data set");
  verb->add_option("data", options->data, "source, such as fashion_mnist or npy:DIR")->required();
  verb->add_option("name", options->name, "a corruption, see `assay list corruptions`")->required();
  verb->add_option("--severity", options->severity, "1 (mild) to 5 (severe)")->required();
  verb->add_option("--out", options->out, "output folder")->required()->check(not_empty());
  verb->add_option("--table", options->table,
                   "constants: auto (by size), 32 (CIFAR-10-C), 64 (Tiny-ImageNet-C) or 224 (ImageNet-C); or "
                   "imagecorruptions-1.1.2, what that Python package computes");
  verb->add_option("--pipeline", options->pipeline,
                   "in_memory, or stored: through JPEG at quality 85 afterwards, as the published files");
  verb->add_option("--textures", options->textures, "frost's folder of pictures")->check(not_empty());
  verb->add_option("--seed", options->seed, "same seed, same images")->check(CLI::Range(std::int64_t{0}, kMost));
  CLI::Option* limit = verb->add_option("--limit", options->limit, "only the first images");
  limit->check(CLI::Range(std::int64_t{1}, kMost));
  verb->add_option("--index", options->index, "only this image")
      ->check(CLI::Range(std::int64_t{0}, kMost))
      ->excludes(limit);
  verb->add_flag("--float", options->floats, "also float.npy: float32 in [0, 1] before quantisation");
  verb->add_flag("--dump-draws", options->draws, "also draws/*.npy: what was drawn, mostly N x 3 x H x W");
  add_device_options(*verb, options->device);
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return corrupt(*options); }};
}

}  // namespace assay::cli
