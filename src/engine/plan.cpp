#include "engine/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "assay/attack.hpp"
#include "assay/core/error.hpp"
#include "assay/corruption.hpp"
#include "core/sha256.hpp"
#include "engine/corrupt.hpp"
#include "engine/loaded_corruption.hpp"
#include "engine/scores.hpp"
#include "engine/textures.hpp"

namespace assay {
namespace {

using nlohmann::json;

json to_json(const Param& value) {
  return std::visit([](const auto& v) { return json(v); }, value);
}

std::string text(const Param& value) {
  return std::holds_alternative<std::string>(value) ? std::get<std::string>(value) : to_json(value).dump();
}

/// Everything but what units don't depend on and what is derived.
json identity(const Plan& plan) {
  json models = json::array(), perturbations = json::array();
  for (const PlanModel& model : plan.models) models.push_back(to_json(model));
  for (const Perturbation& perturbation : plan.perturbations) {
    json one = to_json(perturbation);
    if (!perturbation.curve.empty()) one["curve"] = perturbation.curve;
    for (const Perturbation& first : perturbation.before) one["before"].push_back(to_json(first));
    perturbations.push_back(std::move(one));
  }
  return {{"schema", 1},
          {"seed", plan.seed},
          {"batch", plan.batch},
          {"unit_size", plan.unit_size},
          {"threads", plan.threads},
          {"numerics", plan.numerics},
          {"data",
           {{"source", plan.source}, {"sha256", plan.data_sha256}, {"n", plan.n}, {"shape", {plan.c, plan.h, plan.w}}}},
          {"models", models},
          {"perturbations", perturbations}};
}

/// Everything that decides a unit's content, and nothing else: no name of the model, no other cell, no metric.
std::string unit_key(const Plan& plan, const Unit& unit) {
  const Cell& cell = plan.cells[static_cast<std::size_t>(unit.cell)];
  json model = to_json(plan.models[static_cast<std::size_t>(cell.model)]);
  model.erase("name");
  json content = {{"schema", 1},
                  {"numerics", plan.numerics},
                  {"threads", plan.threads},
                  {"batch", plan.batch},
                  {"seed", plan.seed},
                  {"data", plan.data_sha256},
                  {"lo", unit.lo},
                  {"hi", unit.hi},
                  {"model", model},
                  {"perturbation", perturbation_list(plan, cell)}};
  if (cell.perturbation >= 0) {
    const auto& curve = plan.perturbations[static_cast<std::size_t>(cell.perturbation)].curve;
    if (!curve.empty()) content["curve"] = curve;
  }
  return sha256(content.dump());
}

/// In forward passes an image; a backward pass counts two.
double passes(const Perturbation* perturbation) {
  if (perturbation == nullptr || perturbation->kind == Perturbation::Kind::corruption) return 1;
  double all = 0;
  for (const auto& attack : make_attacks(perturbation->name, perturbation->params))
    all += (attack->loss.empty() ? 1.0 : 3.0) * attack->draws * attack->queries * attack->restarts *
           std::max(attack->targets, 1);
  return all;
}

void derive(Plan& plan) {
  const int perturbations = static_cast<int>(plan.perturbations.size());
  for (int m = 0; m < static_cast<int>(plan.models.size()); ++m)
    for (int p = -1; p < perturbations; ++p) plan.cells.push_back({m, p});
  std::vector<std::vector<int>> units_of(plan.cells.size());
  for (int cell = 0; cell < static_cast<int>(plan.cells.size()); ++cell)
    for (std::int64_t lo = 0; lo < plan.n; lo += plan.unit_size) {
      units_of[static_cast<std::size_t>(cell)].push_back(static_cast<int>(plan.units.size()));
      plan.units.push_back({cell, lo, std::min(lo + plan.unit_size, plan.n), {}});
    }
  for (Unit& unit : plan.units) unit.key = unit_key(plan, unit);

  const auto ranges = static_cast<std::size_t>((plan.n + plan.unit_size - 1) / plan.unit_size);
  const auto cell_of = [&](std::size_t model, int p) {
    return model * static_cast<std::size_t>(perturbations + 1) + static_cast<std::size_t>(p + 1);
  };
  for (int p = -1, together = 1; p < perturbations; p += together) {
    const Perturbation* perturbation = p < 0 ? nullptr : &plan.perturbations[static_cast<std::size_t>(p)];
    const bool shared = perturbation == nullptr || perturbation->kind == Perturbation::Kind::corruption;
    const double cost = passes(perturbation);
    together = perturbation == nullptr ? 1 : std::max(1, static_cast<int>(perturbation->curve.size()));
    const auto add = [&](std::size_t first_model, std::size_t end_model, std::size_t range) {
      Job job{p, together, {}, 0};
      for (std::size_t m = first_model; m < end_model; ++m)
        for (int q = p; q < p + together; ++q) {
          const int unit = units_of[cell_of(m, q)][range];
          job.units.push_back(unit);
          const Unit& u = plan.units[static_cast<std::size_t>(unit)];
          job.cost += cost * static_cast<double>(u.hi - u.lo);
        }
      plan.jobs.push_back(std::move(job));
    };
    if (shared)
      for (std::size_t range = 0; range < ranges; ++range) add(0, plan.models.size(), range);
    else
      for (std::size_t m = 0; m < plan.models.size(); ++m)
        for (std::size_t range = 0; range < ranges; ++range) add(m, m + 1, range);
  }
  plan.id = sha256(identity(plan).dump());
}

Param param_from_json(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<double>();
  return value.get<std::string>();
}

}  // namespace

CellKind Plan::kind(const Cell& cell) const {
  if (cell.perturbation < 0) return CellKind::clean;
  return perturbations[static_cast<std::size_t>(cell.perturbation)].kind == Perturbation::Kind::attack
             ? CellKind::attacked
             : CellKind::corrupted;
}

std::vector<Perturbation> Plan::steps(const Cell& cell) const {
  if (cell.perturbation < 0) return {};
  const Perturbation& last = perturbations[static_cast<std::size_t>(cell.perturbation)];
  std::vector<Perturbation> steps = last.before;
  steps.push_back(last);
  return steps;
}

std::string Plan::describe(const Cell& cell) const {
  const std::string& model = models[static_cast<std::size_t>(cell.model)].name;
  if (cell.perturbation < 0) return model + " clean";
  return model + ' ' + assay::describe(perturbations[static_cast<std::size_t>(cell.perturbation)]);
}

std::string describe(const Perturbation& perturbation) {
  std::string line;
  for (const Perturbation& first : perturbation.before) line += describe(first) + " + ";
  line += perturbation.name;
  for (const auto& [name, value] : perturbation.params) line += ' ' + name + '=' + text(value);
  return line;
}

json to_json(const PlanModel& model) {
  return {{"name", model.name},
          {"sha256", model.sha256},
          {"mean", model.mean},
          {"std", model.std},
          {"output", model.output},
          {"fold", model.fold},
          {"channels_last", model.channels_last}};
}

PlanModel plan_model_from_json(const json& m) {
  return {m.at("name").get<std::string>(),         m.at("sha256").get<std::string>(),
          m.at("mean").get<std::vector<double>>(), m.at("std").get<std::vector<double>>(),
          m.at("output").get<std::string>(),       m.at("fold").get<bool>(),
          m.at("channels_last").get<bool>()};
}

PlanModel plan_model(const ModelSpec& spec, const std::string& sha256) {
  std::string output;
  if (const auto* index = std::get_if<std::int64_t>(&spec.output)) output = std::to_string(*index);
  if (const auto* name = std::get_if<std::string>(&spec.output)) output = '"' + *name + '"';
  return {spec.name, sha256, spec.mean, spec.std, output, spec.fold.value_or(false), spec.channels_last};
}

ModelSpec model_spec(const PlanModel& model, const std::filesystem::path& path) {
  ModelSpec spec{model.name, path, model.mean, model.std, {}, {}, model.sha256, model.fold, model.channels_last};
  const std::string& output = model.output;
  if (output.empty()) return spec;
  std::int64_t index = 0;
  const char* const end = output.data() + output.size();
  if (const auto read = std::from_chars(output.data(), end, index); read.ec == std::errc{} && read.ptr == end)
    spec.output = index;
  else if (output.size() > 1 && output.front() == '"' && output.back() == '"')
    spec.output = output.substr(1, output.size() - 2);
  else
    throw Error(ExitCode::input,
                "found the output " + output + " of model '" + model.name + "', expected an index or a key in quotes");
  return spec;
}

json to_json(const Perturbation& perturbation) {
  json params = json::object();
  for (const auto& [name, value] : perturbation.params) params[name] = to_json(value);
  return {{"kind", perturbation.kind == Perturbation::Kind::attack ? "attack" : "corruption"},
          {"name", perturbation.name},
          {"params", params}};
}

Perturbation perturbation_from_json(const json& p) {
  Perturbation perturbation;
  perturbation.kind = p.at("kind") == "attack" ? Perturbation::Kind::attack : Perturbation::Kind::corruption;
  perturbation.name = p.at("name").get<std::string>();
  for (const auto& [name, value] : p.at("params").items()) perturbation.params[name] = param_from_json(value);
  return perturbation;
}

json perturbation_list(const Plan& plan, const Cell& cell) {
  json list = json::array();
  for (const Perturbation& one : plan.steps(cell)) list.push_back(to_json(one));
  return list;
}

Plan make_plan(const Sweep& sweep, const DataSet& data, const std::vector<std::string>& digests,
               const std::map<std::string, std::string>& numerics, int threads) {
  Plan plan;
  plan.seed = sweep.seed;
  plan.batch = sweep.batch;
  plan.unit_size = sweep.unit_size.value_or(sweep.batch);
  plan.threads = threads;
  plan.numerics = numerics;
  plan.numerics["assay"] = std::to_string(kNumericsRevision);
  plan.source = data.name;
  plan.data_sha256 = data.sha256;
  plan.n = sweep.limit ? std::min(*sweep.limit, data.n) : data.n;
  plan.c = data.c;
  plan.h = data.h;
  plan.w = data.w;
  plan.metrics = sweep.metrics;
  plan.profile = sweep.profile;
  plan.keep_logits = sweep.keep_logits;
  if (sweep.baseline)
    plan.baseline = sweep.baseline->results.empty()
                        ? CorruptionBaseline{sweep.baseline->model, {}}
                        : read_baseline(sweep.base / sweep.baseline->results, sweep.baseline->model);
  plan.perturbations = sweep.perturbations;
  std::map<std::string, std::shared_ptr<const Textures>> textures;  // by their folder
  const auto settle = [&](Perturbation& perturbation) {
    if (perturbation.kind != Perturbation::Kind::corruption) return;
    Params& params = perturbation.params;
    const Table table = choose_table(text_param(params, "table"), std::max(data.h, data.w));
    params["table"] = table_name(table);
    if (const auto folder = params.find("textures"); folder != params.end()) {
      const std::string path = (sweep.base / std::get<std::string>(folder->second)).string();
      std::shared_ptr<const Textures>& loaded = textures[path];
      if (loaded == nullptr) loaded = load_textures(path);
      perturbation.textures = loaded;
      folder->second = loaded->sha256;
    }
    check_images(perturbation.name, data, corruption_args(perturbation));
  };
  for (Perturbation& perturbation : plan.perturbations) {
    for (Perturbation& first : perturbation.before) settle(first);
    settle(perturbation);
  }
  for (std::size_t i = 0; i < sweep.models.size(); ++i) plan.models.push_back(plan_model(sweep.models[i], digests[i]));
  derive(plan);
  return plan;
}

json to_json(const Plan& plan) {
  json all = identity(plan);
  all["plan_id"] = plan.id;
  all["metrics"] = plan.metrics;
  if (!plan.profile.empty()) all["profile"] = plan.profile;
  if (plan.keep_logits) all["keep"] = "logits";
  if (plan.baseline) all["baseline"] = to_json(*plan.baseline);
  json units = json::array();
  for (const Unit& unit : plan.units)
    units.push_back({{"cell", unit.cell}, {"lo", unit.lo}, {"hi", unit.hi}, {"key", unit.key}});
  all["units"] = units;
  return all;
}

Plan plan_from_json(const json& all) {
  Plan plan;
  try {
    if (all.at("schema") != 1)
      throw Error(ExitCode::input, "the plan has schema " + all.at("schema").dump() + ", expected 1");
    plan.seed = all.at("seed").get<std::uint64_t>();
    plan.batch = all.at("batch").get<std::int64_t>();
    plan.unit_size = all.at("unit_size").get<std::int64_t>();
    plan.threads = all.at("threads").get<std::int64_t>();
    plan.numerics = all.at("numerics").get<std::map<std::string, std::string>>();
    const json& data = all.at("data");
    plan.source = data.at("source").get<std::string>();
    plan.data_sha256 = data.at("sha256").get<std::string>();
    plan.n = data.at("n").get<std::int64_t>();
    plan.c = data.at("shape").at(0).get<std::int64_t>();
    plan.h = data.at("shape").at(1).get<std::int64_t>();
    plan.w = data.at("shape").at(2).get<std::int64_t>();
    if (plan.n < 1 || plan.unit_size < 1) throw Error(ExitCode::input, "the plan has no samples or an empty unit size");
    for (const json& m : all.at("models")) plan.models.push_back(plan_model_from_json(m));
    const auto known = [](const json& p) {
      Perturbation perturbation = perturbation_from_json(p);
      const bool found = perturbation.kind == Perturbation::Kind::attack
                             ? Registry<AttackEntry>::find(perturbation.name) != nullptr
                             : Registry<Corruption>::find(perturbation.name) != nullptr;
      if (!found)
        throw Error(ExitCode::input,
                    "the plan has '" + perturbation.name + "', which this version of assay does not have");
      return perturbation;
    };
    for (const json& p : all.at("perturbations")) {
      Perturbation& perturbation = plan.perturbations.emplace_back(known(p));
      if (p.contains("curve")) perturbation.curve = p.at("curve").get<std::vector<double>>();
      if (p.contains("before"))
        for (const json& first : p.at("before")) perturbation.before.push_back(known(first));
    }
    plan.metrics = all.at("metrics").get<std::vector<std::string>>();
    for (const std::string& metric : plan.metrics)
      if (Registry<Metric>::find(metric) == nullptr && Registry<OutputMetric>::find(metric) == nullptr)
        throw Error(ExitCode::input,
                    "the plan has the metric '" + metric + "', which this version of assay does not have");
    if (all.contains("profile")) plan.profile = all.at("profile").get<std::string>();
    if (!plan.profile.empty() && find_profile(plan.profile) != plan.profile)
      throw Error(ExitCode::input,
                  "the plan has the profile '" + plan.profile + "', which this version of assay does not have");
    plan.keep_logits = all.contains("keep");
    if (all.contains("baseline")) plan.baseline = baseline_from_json(all.at("baseline"));
    // Before anything is derived: a damaged number of samples could ask for more units than there is memory.
    if (all.at("plan_id") != sha256(identity(plan).dump()))
      throw Error(ExitCode::input, "the plan's content does not match its plan_id");
    derive(plan);
  } catch (const json::exception& e) {
    throw Error(ExitCode::input, std::string("the plan is damaged: ") + e.what());
  }
  return plan;
}

std::vector<int> shard_jobs(const Plan& plan, int shard, int shards) {
  if (shards < 1 || shard < 0 || shard >= shards)
    throw Error(ExitCode::usage,
                fmt::format("shard {}/{} does not exist; expected i/N with 0 <= i < N", shard, shards));
  double total = 0;
  for (const Job& job : plan.jobs) total += job.cost;
  // A job belongs to the shard in whose share of the cost its middle lies.
  std::vector<int> mine;
  double before = 0;
  for (int j = 0; j < static_cast<int>(plan.jobs.size()); ++j) {
    const double cost = plan.jobs[static_cast<std::size_t>(j)].cost, middle = before + cost / 2;
    before += cost;
    if (std::min(shards - 1, static_cast<int>(middle / total * shards)) == shard) mine.push_back(j);
  }
  return mine;
}

}  // namespace assay
