#include <fmt/format.h>

#include <cmath>

#include "assay/attack.hpp"
#include "assay/corruption.hpp"
#include "assay/loss.hpp"
#include "assay/output_metric.hpp"
#include "assay/results.hpp"
#include "assay/scaling.hpp"
#include "assay/source.hpp"
#include "cli/cli.hpp"
#include "core/text.hpp"

namespace assay::cli {
namespace {

using nlohmann::json;

json param_json(const ParamSpec& spec) {
  static constexpr const char* kTypes[] = {"bool", "int", "float", "string"};
  json fallback = std::visit(
      [](const auto& v) -> json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>)
          return nullptr;
        else
          return v;
      },
      spec.fallback);
  if (fallback.is_null() && !spec.default_rule.empty()) fallback = spec.default_rule;
  const bool is_number = spec.type == ParamType::integer || spec.type == ParamType::real;
  const auto bound = [&](double v) { return is_number && std::abs(v) <= 1e300 ? json(v) : json(nullptr); };
  json out = {{"name", spec.name},      {"type", kTypes[static_cast<int>(spec.type)]},
              {"about", spec.about},    {"default", fallback},
              {"min", bound(spec.min)}, {"max", bound(spec.max)}};
  if (const auto choices = choices_of(spec); !choices.empty()) out["choices"] = choices;
  return out;
}

json everything() {
  json all = json::array();
  const auto add = [&](const char* kind, const std::string& name, const std::string& about, const std::string& source,
                       const std::vector<ParamSpec>& params) {
    json list = json::array();
    for (const ParamSpec& spec : params) list.push_back(param_json(spec));
    all.push_back({{"kind", kind}, {"name", name}, {"about", about}, {"source", source}, {"params", list}});
  };
  for (const auto& [name, e] : Registry<AttackEntry>::all()) add("attack", name, e.about, e.source, attack_params(e));
  for (const auto& [name, e] : Registry<Corruption>::all())
    add("corruption", name, e.about, e.source, corruption_params(e));
  for (const auto& [name, e] : Registry<Loss>::all()) add("loss", name, e.about, e.about, {});
  for (const auto& [name, e] : Registry<Metric>::all()) {
    add("metric", name, e.definition, e.definition, {});
    for (const Metric& variant : e.profiles) all.back()["profiles"][variant.profile] = variant.definition;
  }
  for (const auto& [name, e] : Registry<OutputMetric>::all()) add("metric", name, e.definition, e.definition, {});
  for (const auto& [name, e] : Registry<Scaling>::all()) add("scaling", name, e.definition, e.definition, {});
  for (const auto& [name, e] : Registry<Source>::all())
    add("source", name, e.about, e.takes_path ? name + ":PATH" : name, e.options);
  for (const auto& [name, e] : Registry<Sink>::all()) add("sink", name, e.about, e.file, {});
  return all;
}

std::string plural(const std::string& kind) {
  return kind + (kind.ends_with('s') ? "es" : "s");
}

std::string line(const json& p) {
  const json& fallback = p["default"];
  const std::string shown = fallback.is_null()                       ? "required"
                            : fallback.is_string() && fallback != "" ? "default " + fallback.get<std::string>()
                                                                     : "default " + fallback.dump();
  return fmt::format("      {:<18} {} ({})\n", p["name"].get<std::string>(), p["about"].get<std::string>(), shown);
}

struct Options {
  std::string kind;
  bool json = false;
};

ExitCode list(const Options& options) {
  json chosen = json::array();
  std::vector<std::string> kinds;
  for (const json& entry : everything()) {
    const auto kind = entry["kind"].get<std::string>();
    if (kinds.empty() || kinds.back() != kind) kinds.push_back(kind);
    if (options.kind.empty() || options.kind == kind || options.kind == plural(kind)) chosen.push_back(entry);
  }
  if (chosen.empty())
    throw Error(ExitCode::usage, "unknown kind '" + options.kind + "'", did_you_mean(options.kind, kinds));
  if (options.json) {
    print_json(chosen);
    return ExitCode::done;
  }
  std::string kind;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const json& entry = chosen[i];
    if (entry["kind"] != kind) {
      fmt::print("{}{}\n", kind.empty() ? "" : "\n", plural(entry["kind"].get<std::string>()));
      kind = entry["kind"].get<std::string>();
    }
    fmt::print("  {:<30} {}\n", entry["name"].get<std::string>(), entry["about"].get<std::string>());
    const json profiles = entry.value("profiles", json::object());
    for (const auto& [profile, definition] : profiles.items())
      fmt::print("      {:<26} {}\n", profile, definition.get<std::string>());
    // What all corruptions take is said below the last.
    const std::size_t common = kind == "corruption" ? corruption_params({}).size() : 0;
    for (std::size_t k = common; k < entry["params"].size(); ++k) fmt::print("{}", line(entry["params"][k]));
    if (common == 0 || (i + 1 < chosen.size() && chosen[i + 1]["kind"] == kind)) continue;
    fmt::print("    each takes\n");
    for (std::size_t k = 0; k < common; ++k) fmt::print("{}", line(entry["params"][k]));
  }
  return ExitCode::done;
}

}  // namespace

Verb add_list(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("list", "Attacks, corruptions, losses, metrics, scalings, sources and sinks");
  verb->add_option("kind", options->kind, "only this kind");
  verb->add_flag("--json", options->json, "print JSON");
  return {verb, [options] { return list(*options); }};
}

}  // namespace assay::cli
