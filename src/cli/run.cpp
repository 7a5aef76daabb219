#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "cli/cli.hpp"

namespace assay::cli {
namespace {

struct Options {
  std::string config, out;
  std::optional<std::string> shard;
  DeviceOptions device;
  bool dry_run = false, json = false, save_adversarials = false;
};

/// "i/N"; {0, 1} when absent. An empty text is refused: a job whose variable is not set would else compute everything.
std::pair<int, int> parse_shard(const std::optional<std::string>& option) {
  if (!option) return {0, 1};
  const std::string& text = *option;
  int shard = -1, shards = 0;
  const char* end = text.data() + text.size();
  const auto a = std::from_chars(text.data(), end, shard);
  const bool slash = a.ec == std::errc{} && a.ptr != end && *a.ptr == '/';
  const auto b = slash ? std::from_chars(a.ptr + 1, end, shards) : a;
  if (!slash || b.ec != std::errc{} || b.ptr != end || shards < 1 || shard < 0 || shard >= shards)
    throw Error(ExitCode::usage, "--shard '" + text + "': expected i/N with 0 <= i < N, such as 0/4");
  return {shard, shards};
}

nlohmann::json run_info(const Prepared& p, const RunSummary& summary, const std::vector<std::string>& models) {
  using nlohmann::json;
  json cells = json::array(), files = json::array();
  for (std::size_t c = 0; c < summary.cells.size(); ++c)
    cells.push_back({{"cell", p.plan.describe(p.plan.cells[c])},
                     {"seconds", summary.cells[c].seconds},
                     {"model_seconds", summary.cells[c].model_seconds}});
  for (std::size_t m = 0; m < models.size(); ++m)
    files.push_back({{"name", p.plan.models[m].name},
                     {"path", models[m]},
                     {"sha256", p.plan.models[m].sha256},
                     {"fold", p.plan.models[m].fold},
                     {"channels_last", p.plan.models[m].channels_last}});
  return {{"schema", 1},
          {"plan_id", p.plan.id},
          {"environment", environment(p.device)},
          {"threads", p.plan.threads},
          {"data",
           {{"source", p.plan.source},
            {"sha256", p.plan.data_sha256},
            {"path", p.data.path},
            {"left_out", p.data.left_out}}},
          {"models", files},
          {"units",
           {{"planned", summary.planned},
            {"reused", summary.reused},
            {"computed", summary.computed},
            {"failed", summary.failed}}},
          {"host_bytes", summary.host_bytes},
          {"interrupted", summary.interrupted},
          {"seconds", {{"total", summary.seconds}, {"model", summary.model_seconds}}},
          {"cells", cells}};
}

void print_dry_run(const Plan& plan, const std::vector<int>& jobs, const Store& store, bool as_json) {
  nlohmann::json cells = nlohmann::json::array();
  std::vector<int> units(plan.cells.size()), missing(plan.cells.size());
  double passes = 0;
  for (const int j : jobs) {
    const Job& job = plan.jobs[static_cast<std::size_t>(j)];
    passes += job.cost;
    for (const int u : job.units) {
      const Unit& unit = plan.units[static_cast<std::size_t>(u)];
      ++units[static_cast<std::size_t>(unit.cell)];
      const bool kept = !plan.keep_logits || store.logits(unit);
      if (!kept || !store.read(unit)) ++missing[static_cast<std::size_t>(unit.cell)];
    }
  }
  int all = 0, left = 0;
  for (std::size_t c = 0; c < plan.cells.size(); ++c) {
    all += units[c];
    left += missing[c];
    if (as_json)
      cells.push_back({{"cell", plan.describe(plan.cells[c])}, {"units", units[c]}, {"missing", missing[c]}});
    else if (units[c] > 0)
      fmt::print("{:<70} {:>4} units, {:>4} missing\n", plan.describe(plan.cells[c]), units[c], missing[c]);
  }
  if (as_json)
    print_json({{"schema", 1},
                {"plan_id", plan.id},
                {"cells", cells},
                {"units", all},
                {"missing", left},
                {"images", plan.n},
                {"forward_passes", passes}});
  else
    fmt::print(
        "{} cells, {} units of up to {} images, {} missing; about {:.0f} forward passes in all (a backward pass counts "
        "two)\n",
        plan.cells.size(), all, plan.unit_size, left, passes);
}

ExitCode run(const Options& options) {
  if (!options.dry_run) handle_signals();
  const auto [shard, shards] = parse_shard(options.shard);
  std::filesystem::path out = options.out;
  if (out.empty()) out = std::filesystem::path("out") / std::filesystem::path(options.config).stem();
  Prepared p = prepare(options.config, options.device, out);
  const std::vector<int> jobs = shard_jobs(p.plan, shard, shards);
  if (options.save_adversarials)
    for (const Perturbation& one : p.plan.perturbations)
      if (one.kind == Perturbation::Kind::attack && !one.before.empty())
        throw Error(
            ExitCode::usage,
            fmt::format("--save-adversarials: '{}' attacks corrupted images, which `assay verify` does not have",
                        describe(one)),
            "write them by `assay corrupt`, and attack those");
  const Store store(out);
  if (options.dry_run) {
    print_dry_run(p.plan, jobs, store, options.json);
    return ExitCode::done;
  }

  const Exec exec = p.device.exec();
  store.claim(p.plan);
  const ModelLoader loader = [&](int model) {
    const auto m = static_cast<std::size_t>(model);
    return p.models[m] != nullptr ? std::move(p.models[m])
                                  : load_model(exec, p.sweep.models[m], p.data, p.plan.batch, p.sweep.attacks()).model;
  };
  RunSummary summary;
  {
    Progress progress;
    summary = run_jobs(exec, p.plan, p.data, jobs, store, loader, stop_flag(), progress, options.save_adversarials);
  }
  std::vector<std::string> paths;
  for (const ModelSpec& spec : p.sweep.models) paths.push_back(spec.path.string());
  const std::string info = shards == 1 ? "run-info.json" : fmt::format("run-info.{}-of-{}.json", shard, shards);
  // Names of files may be no UTF-8.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  store.write(info, run_info(p, summary, paths).dump(1, ' ', false, kReplace) + "\n");
  fmt::print(stderr, "units: {} planned, {} from before, {} computed, {} failed\n", summary.planned, summary.reused,
             summary.computed, summary.failed);
  if (summary.interrupted) {
    fmt::print(stderr, "interrupted: what is finished is kept; run the same command again to go on\n");
    return ExitCode::interrupted;
  }
  if (shards == 1) return merge_and_print(p.plan, store, options.json, exec);
  const ExitCode code = summary.failed > 0 ? ExitCode::units_failed : ExitCode::done;
  if (options.json)
    print_json(
        {{"schema", 1},
         {"plan_id", p.plan.id},
         {"shard", shard},
         {"shards", shards},
         {"units",
          {{"planned", summary.planned}, {"done", summary.reused + summary.computed}, {"failed", summary.failed}}}});
  else
    fmt::print("shard {}/{} is done; when all are, `assay merge {}` writes the results\n", shard, shards, out.string());
  return code;
}

}  // namespace

Verb add_run(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("run", "Run a sweep; run it again to go on after an interruption");
  verb->add_option("sweep", options->config, "the sweep, TOML or JSON")->required();
  verb->add_option("--out", options->out, "output folder (default: out/<name of the sweep>)")->check(not_empty());
  verb->add_option("--shard", options->shard, "i/N: compute only the i-th of N parts; `assay merge` joins them");
  add_device_options(*verb, options->device);
  verb->add_flag("--save-adversarials", options->save_adversarials,
                 "also save the points that fool a model, for `assay verify`");
  verb->add_flag("--dry-run", options->dry_run, "print the cells and units, compute nothing");
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return run(*options); }};
}

}  // namespace assay::cli
