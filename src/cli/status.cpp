#include <fmt/format.h>

#include "cli/cli.hpp"

namespace assay::cli {
namespace {

struct Options {
  std::string out;
  bool json = false;
};

ExitCode status(const Options& options) {
  const Store store(options.out);
  const Plan plan = plan_in(store);
  const PlanStatus s = plan_status(plan, store);
  if (options.json)
    print_json({{"schema", 1},
                {"plan_id", plan.id},
                {"units", s.units},
                {"done", s.done},
                {"failed", s.failed},
                {"missing", s.missing()}});
  else
    fmt::print("{} of {} units done, {} failed, {} missing\n", s.done, s.units, s.failed, s.missing());
  return ExitCode::done;
}

ExitCode merge(const Options& options) {
  const Store store(options.out);
  return merge_and_print(plan_in(store), store, options.json, {});
}

Verb add_folder_verb(CLI::App& app, const char* name, const char* about, ExitCode (*action)(const Options&)) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(name, about);
  verb->add_option("dir", options->out, "the --out folder of `assay run`")->required()->check(not_empty());
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options, action] { return action(*options); }};
}

}  // namespace

Verb add_status(CLI::App& app) {
  return add_folder_verb(app, "status", "How much of a sweep is done", status);
}
Verb add_merge(CLI::App& app) {
  return add_folder_verb(app, "merge", "Join the units of all shards into results.json", merge);
}

}  // namespace assay::cli
