#include "engine/bench.hpp"

#include <fmt/format.h>
#include <omp.h>

#include "cli/cli.hpp"

namespace assay::cli {
namespace {

struct Options {
  DeviceOptions device;
  BenchOptions bench;
  bool json = false;
};

ExitCode bench(const Options& options) {
  const Device device = choose_device(options.device.device.empty() ? "cpu" : options.device.device);
  const int threads = options.device.threads > 0 ? options.device.threads : omp_get_num_procs();
  omp_set_num_threads(threads);
  nlohmann::json lines = nlohmann::json::array();
  if (!options.json)
    fmt::print("{:<46} {:>9} {:>20} {:>9} {:>8} {:>8} {:>6}\n", "kernel and shape", "ms", "fastest .. slowest", "MB",
               "GB/s", "a copy's", "share");
  bench_kernels(device.exec(), options.bench, [&](const BenchLine& l) {
    const double share = l.gb_s / l.copy_gb_s;
    lines.push_back({{"kind", l.kind}, {"name", l.name}, {"shape", l.shape}, {"bytes", l.bytes}, {"share", share}});
    lines.back().update({{"ms", l.ms}, {"fastest_ms", l.fastest_ms}, {"slowest_ms", l.slowest_ms}});
    lines.back().update({{"gb_s", l.gb_s}, {"copy_gb_s", l.copy_gb_s}});
    if (options.json) return;
    fmt::print("{:<46} {:>9.4f} {:>8.4f} .. {:<8.4f} {:>9.2f} {:>8.1f} {:>8.1f} {:>5.0f}%\n",
               l.kind + " " + l.name + " " + l.shape, l.ms, l.fastest_ms, l.slowest_ms,
               static_cast<double>(l.bytes) * 1e-6, l.gb_s, l.copy_gb_s, 100 * share);
    std::fflush(stdout);  // it takes a while
  });
  if (lines.empty())
    throw Error(ExitCode::usage, "nothing to time has '" + options.bench.filter + "' in its kind, name or shape",
                "such as --filter pgd, --filter loss or --filter 224");
  if (options.json)
    print_json({{"schema", 1}, {"environment", environment(device)}, {"threads", threads}, {"lines", lines}});
  return ExitCode::done;
}

}  // namespace

Verb add_bench(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("bench", "Time every kernel alone, beside a copy of as many bytes");
  add_device_options(*verb, options->device);
  verb->add_option("--filter", options->bench.filter, "only lines whose kind, name and shape contain this");
  verb->add_option("--severity", options->bench.severity, "of corruptions, default 3")->check(CLI::Range(1, 5));
  verb->add_option("--table", options->bench.table,
                   "of corruptions: auto (by size), 32, 64, 224 or imagecorruptions-1.1.2");
  verb->add_option("--repeat", options->bench.repeat, "timed loops of each")->check(CLI::Range(1, 1000));
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return bench(*options); }};
}

}  // namespace assay::cli
