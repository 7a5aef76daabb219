#include <fmt/format.h>

#include "cli/cli.hpp"

namespace assay::cli {
namespace {

struct Options {
  std::string config, out;
  DeviceOptions device;
  bool json = false;
};

ExitCode plan(const Options& options) {
  const Prepared p = prepare(options.config, options.device, {});
  if (!options.out.empty()) replace_file(options.out, to_json(p.plan).dump(1) + "\n");
  if (options.json) {
    print_json(to_json(p.plan));
    return ExitCode::done;
  }
  for (std::size_t c = 0; c < p.plan.cells.size(); ++c) fmt::print("{:>3}  {}\n", c, p.plan.describe(p.plan.cells[c]));
  fmt::print("{} cells, {} units of up to {} images of {}; plan {}\n", p.plan.cells.size(), p.plan.units.size(),
             p.plan.unit_size, p.plan.source, p.plan.id.substr(0, 12));
  return ExitCode::done;
}

}  // namespace

Verb add_plan(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("plan", "Print the cells and units of a sweep");
  verb->add_option("sweep", options->config, "the sweep, TOML or JSON")->required();
  verb->add_option("-o,--out", options->out, "write the plan to this file")->check(not_empty());
  add_device_options(*verb, options->device);
  verb->add_flag("--json", options->json, "print the plan as JSON");
  return {verb, [options] { return plan(*options); }};
}

}  // namespace assay::cli
