#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "assay/attack.hpp"
#include "assay/core/error.hpp"
#include "assay/corruption.hpp"
#include "assay/output_metric.hpp"
#include "assay/source.hpp"
#include "assay/sweep.hpp"
#include "core/text.hpp"
#include "engine/check_params.hpp"
#include "engine/config_tree.hpp"
#include "engine/scores.hpp"

namespace assay {
namespace {

// A cell is at least one pass over the data, so a product of axes beyond this is a slip, caught before it fills memory.
constexpr std::size_t kMaxPerturbations = 100'000;

const ConfigValue::Table& table_of(const ConfigValue& value, const std::string& heading) {
  if (value.table() == nullptr) {
    config_error(value.where, fmt::format("{} is expected to be a table, found {}", heading, value.shown()));
  }
  return *value.table();
}

void check_keys(const ConfigValue& value, const std::string& heading, const std::vector<std::string>& valid) {
  for (const ConfigEntry& entry : table_of(value, heading)) {
    if (std::ranges::find(valid, entry.key) != valid.end()) continue;
    config_error(entry.where, fmt::format("unknown key '{}' in {}; {}", shortened(entry.key), heading,
                                          did_you_mean(entry.key, valid)));
  }
}

const ConfigValue& required(const ConfigValue& table, const std::string& key, const std::string& heading) {
  const ConfigValue* value = table.find(key);
  if (value == nullptr) config_error(table.where, fmt::format("missing '{}' in {}", key, heading));
  return *value;
}

/// The scalar itself, of whatever type; lists, tables and the rest are refused in the spec's words.
Param scalar(const ConfigValue& value, const ParamSpec& spec) {
  if (const auto* boolean = std::get_if<bool>(&value.data)) return *boolean;
  if (const auto* integer = std::get_if<std::int64_t>(&value.data)) return *integer;
  if (const auto* real = std::get_if<double>(&value.data)) return *real;
  if (const auto* text = std::get_if<std::string>(&value.data)) return *text;
  config_error(value.where, fmt::format("{} = {}: {} is expected", spec.name, value.shown(), expected(spec)));
}

std::int64_t integer_of(const ConfigValue& value, const std::string& name, double min,
                        double max = std::numeric_limits<double>::infinity()) {
  const ParamSpec spec{.name = name, .type = ParamType::integer, .about = {}, .min = min, .max = max};
  return std::get<std::int64_t>(checked(spec, scalar(value, spec), value.where));
}

bool bool_of(const ConfigValue& value, const std::string& name) {
  const ParamSpec spec{.name = name, .type = ParamType::boolean, .about = {}};
  return std::get<bool>(checked(spec, scalar(value, spec), value.where));
}

/// A text that says something; it reaches file names, tables and terminals, so control characters are refused.
std::string text_of(const ConfigValue& value, const std::string& name) {
  const ParamSpec spec{.name = name, .type = ParamType::text, .about = {}};
  const std::string text = std::get<std::string>(checked(spec, scalar(value, spec), value.where));
  if (text.empty()) config_error(value.where, name + " is empty");
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) {
    config_error(value.where, fmt::format("{} = {}: control characters are not allowed", name, value.shown()));
  }
  return text;
}

const ConfigValue::List& list_of(const ConfigValue& value, const std::string& name, const std::string& of) {
  if (value.list() == nullptr) {
    config_error(value.where, fmt::format("{} = {}: a list of {} is expected", name, value.shown(), of));
  }
  if (value.list()->empty()) config_error(value.where, name + " is an empty list");
  return *value.list();
}

/// A value or a list of values: an axis.
std::vector<const ConfigValue*> axis(const ConfigValue& value, const std::string& name) {
  if (value.list() == nullptr) return {&value};
  std::vector<const ConfigValue*> values;
  for (const ConfigValue& element : list_of(value, name, "values")) values.push_back(&element);
  return values;
}

std::string device_of(const ConfigValue& value) {
  const std::string device = text_of(value, "device");
  const std::string index = device.starts_with("cuda:") ? device.substr(5) : "";
  const bool numbered =
      !index.empty() && index.size() <= 3 && std::ranges::all_of(index, [](char c) { return c >= '0' && c <= '9'; });
  if (device != "auto" && device != "cpu" && device != "cuda" && !numbered) {
    config_error(value.where, fmt::format("device = {}: auto, cpu, cuda or cuda:N is expected", value.shown()));
  }
  return device;
}

bool keeps_logits(const ConfigValue* value) {
  if (value == nullptr) return false;
  if (text_of(*value, "keep") != "logits")
    config_error(value->where, fmt::format("keep = {}: \"logits\" is expected, or nothing", value->shown()));
  return true;
}

std::vector<std::string> metrics_of(const ConfigValue* value, bool keep_logits) {
  std::vector<std::string> metrics;
  if (value == nullptr) {
    for (const char* name : {"accuracy", "robust_accuracy", "nll", "brier", "ece"}) {
      if (Registry<Metric>::find(name) != nullptr) metrics.emplace_back(name);
    }
    return metrics;
  }
  for (const ConfigValue& element : list_of(*value, "metrics", "names")) {
    const std::string name = text_of(element, "metrics");
    const OutputMetric* output = Registry<OutputMetric>::find(name);
    if (output != nullptr && output->nonconformity != nullptr)
      config_error(element.where,
                   fmt::format("metric '{}' is fitted on a held-out split: `assay score --run` has it", name));
    if (output != nullptr && !keep_logits)
      config_error(element.where, fmt::format("metric '{}' needs the probabilities of all classes: write keep = "
                                              "\"logits\" (4 bytes a class, sample and cell)",
                                              name));
    if (output == nullptr && Registry<Metric>::find(name) == nullptr) {
      std::vector<std::string> known = keys(Registry<Metric>::all());
      for (const auto& [key, entry] : Registry<OutputMetric>::all()) known.push_back(key);
      config_error(element.where, fmt::format("unknown metric '{}'; {}", shortened(name), did_you_mean(name, known)));
    }
    if (std::ranges::find(metrics, name) != metrics.end()) {
      config_error(element.where, fmt::format("metric '{}' is listed twice", name));
    }
    metrics.push_back(name);
  }
  return metrics;
}

std::string profile_of(const ConfigValue& value) {
  const std::string asked = text_of(value, "profile");
  const std::optional<std::string> found = find_profile(asked);
  if (!found)
    config_error(value.where,
                 fmt::format("unknown profile '{}'; {}", shortened(asked), did_you_mean(asked, profiles())));
  return *found;
}

void read_data(const ConfigValue& data, Sweep& sweep) {
  check_keys(data, "[data]", {"source", "limit"});
  const ConfigValue& source = required(data, "source", "[data]");
  sweep.source = text_of(source, "source");
  const std::size_t colon = sweep.source.find(':');
  const std::string kind = sweep.source.substr(0, colon);
  const Source* found = Registry<Source>::find(kind);
  if (found == nullptr) {
    config_error(source.where, fmt::format("unknown source '{}'; {}", shortened(kind),
                                           did_you_mean(kind, keys(Registry<Source>::all()))));
  }
  if (found->takes_path != (colon != std::string::npos && colon + 1 < sweep.source.size())) {
    config_error(source.where, fmt::format("source = {}: '{}' is expected", source.shown(),
                                           found->takes_path ? kind + ":FOLDER" : kind));
  }
  try {
    check_source(sweep.source);
  } catch (const Error& error) {
    config_error(source.where, error.what(), error.hint());
  }
  if (const ConfigValue* limit = data.find("limit")) sweep.limit = integer_of(*limit, "limit", 1);
}

/// The mean or std of a model. Normalisation runs in 32-bit floats, so there a std must still be above 0.
std::vector<double> channels_of(const ConfigValue& value, const std::string& name) {
  const ParamSpec spec{.name = name, .type = ParamType::real, .about = {}};
  std::vector<double> channels;
  for (const ConfigValue& element : list_of(value, name, "numbers")) {
    const double channel = std::get<double>(checked(spec, scalar(element, spec), element.where));
    if (!std::isfinite(static_cast<float>(channel)) || (name == "std" && !(static_cast<float>(channel) > 0))) {
      config_error(element.where, fmt::format("{} = {}: {} 32-bit float is expected", name, element.shown(),
                                              name == "std" ? "a positive" : "a"));
    }
    channels.push_back(channel);
  }
  if (channels.size() != 1 && channels.size() != 3) {
    config_error(value.where, fmt::format("{} has {} values; 1 (gray) or 3 (RGB) are expected", name, channels.size()));
  }
  return channels;
}

std::string sha256_of(const ConfigValue& value) {
  std::string digest = text_of(value, "sha256");
  for (char& c : digest) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos) {
    config_error(value.where, fmt::format("sha256 = {}: 64 hexadecimal digits are expected", value.shown()));
  }
  return digest;
}

ModelSpec model_of(const ConfigValue& value, const std::filesystem::path& folder) {
  const std::string heading = "[[model]]";
  check_keys(value, heading, {"name", "path", "mean", "std", "output", "classes", "sha256", "fold", "channels_last"});
  ModelSpec model;
  const ConfigValue& path = required(value, "path", heading);
  model.path = folder / text_of(path, "path");
  const ConfigValue* name = value.find("name");
  model.name = name != nullptr ? text_of(*name, "name") : model.path.stem().string();
  if (model.name.empty()) config_error(path.where, fmt::format("path = {}: a file is expected", path.shown()));

  const ConfigValue* mean = value.find("mean");
  const ConfigValue* std = value.find("std");
  if ((mean == nullptr) != (std == nullptr)) {
    config_error((mean != nullptr ? mean : std)->where, "mean and std are given together or not at all");
  }
  if (mean != nullptr) {
    model.mean = channels_of(*mean, "mean");
    model.std = channels_of(*std, "std");
    if (model.mean.size() != model.std.size()) {
      config_error(std->where, fmt::format("std has {} values, mean {}", model.std.size(), model.mean.size()));
    }
  }
  if (const ConfigValue* output = value.find("output")) {
    if (std::holds_alternative<std::string>(output->data)) {
      model.output = text_of(*output, "output");
    } else {
      model.output = integer_of(*output, "output", 0);
    }
  }
  // Predictions are kept as 16-bit numbers.
  if (const ConfigValue* classes = value.find("classes")) {
    model.classes = static_cast<int>(integer_of(*classes, "classes", 2, 65536));
  }
  if (const ConfigValue* digest = value.find("sha256")) model.sha256 = sha256_of(*digest);
  if (const ConfigValue* fold = value.find("fold")) model.fold = bool_of(*fold, "fold");
  if (const ConfigValue* format = value.find("channels_last")) model.channels_last = bool_of(*format, "channels_last");
  return model;
}

std::vector<ModelSpec> models_of(const ConfigValue& root, const std::filesystem::path& folder) {
  const ConfigValue* value = root.find("model");
  if (value == nullptr) config_error(root.where, "at least one [[model]] is needed");
  std::vector<ModelSpec> models;
  std::map<std::string, std::string> first;
  if (value->table() != nullptr) config_error(value->where, "[model] is one table; write [[model]], as it may repeat");
  for (const ConfigValue& element : list_of(*value, "model", "tables")) {
    models.push_back(model_of(element, folder));
    const auto [it, fresh] = first.emplace(models.back().name, element.where);
    if (!fresh) {
      config_error(element.where, fmt::format("a model '{}' is already at {}", shortened(it->first), it->second),
                   "give each [[model]] a name of its own; the default is the file's stem");
    }
  }
  return models;
}

BaselineSpec baseline_of(const ConfigValue& value, const std::vector<ModelSpec>& models) {
  check_keys(value, "[baseline]", {"model", "results"});
  BaselineSpec baseline;
  if (const ConfigValue* results = value.find("results")) baseline.results = text_of(*results, "results");
  const ConfigValue* model = value.find("model");
  if (model != nullptr) baseline.model = text_of(*model, "model");
  if (!baseline.results.empty()) return baseline;
  if (model == nullptr)
    config_error(
        value.where, "[baseline] names neither a model of this sweep nor the results of another run",
        "model = \"NAME\", or results = \"out/OTHER/results.json\"; leave [baseline] out for AlexNet as published");
  std::vector<std::string> names;
  for (const ModelSpec& one : models) names.push_back(one.name);
  if (std::ranges::find(names, baseline.model) == names.end())
    config_error(model->where,
                 fmt::format("[baseline] names '{}', no model of this sweep; {}", shortened(baseline.model),
                             did_you_mean(baseline.model, names)),
                 "with results = \"out/OTHER/results.json\" it is a model of that run");
  return baseline;
}

class PerturbationReader {
 public:
  explicit PerturbationReader(std::vector<Perturbation>& out) : out_(out) {}

  void read(const ConfigValue& root, Perturbation::Kind kind) {
    const ConfigValue* value = root.find(kind_name(kind));
    if (value == nullptr) return;
    const std::string heading = fmt::format("[[{}]]", kind_name(kind));
    if (value->table() != nullptr) {
      config_error(value->where,
                   fmt::format("[{}] is one table; write {}, as it may repeat", kind_name(kind), heading));
    }
    if (value->list() == nullptr) {
      config_error(value->where, fmt::format("{} = {}: a list of tables is expected", kind_name(kind), value->shown()));
    }
    for (const ConfigValue& element : *value->list()) read_table(element, kind, heading);
  }

 private:
  inline static const std::string kAfter = "after";

  struct Axis {
    const ParamSpec* spec;
    std::vector<const ConfigValue*> values;
    std::size_t at = 0;
  };

  void read_table(const ConfigValue& table, Perturbation::Kind kind, const std::string& heading) {
    table_of(table, heading);
    std::vector<std::string> names;
    for (const ConfigValue* value : axis(required(table, "name", heading), "name")) {
      names.push_back(text_of(*value, "name"));
      std::vector<std::string> valid = {"name"};
      if (kind == Perturbation::Kind::attack) valid.emplace_back("mode");
      for (const ParamSpec& spec : params_of(kind, names.back(), value->where)) valid.push_back(spec.name);
      if (heading != kAfter) valid.push_back(kAfter);
      check_keys(table, heading, valid);
    }
    for (const std::string& name : names)
      for (const std::vector<Perturbation>& before : chains(table)) expand(table, kind, name, before);
  }

  /// What the corruptions under "after" multiply to, one after the other; one empty chain where there are none.
  static std::vector<std::vector<Perturbation>> chains(const ConfigValue& table) {
    std::vector<std::vector<Perturbation>> all = {{}};
    const ConfigValue* after = table.find(kAfter);
    if (after == nullptr) return all;
    std::vector<const ConfigValue*> tables = {after};
    if (after->table() == nullptr) {
      tables.clear();
      for (const ConfigValue& element : list_of(*after, kAfter, "corruptions")) tables.push_back(&element);
    }
    for (const ConfigValue* one : tables) {
      std::vector<Perturbation> found;
      PerturbationReader(found).read_table(*one, Perturbation::Kind::corruption, kAfter);
      std::vector<std::vector<Perturbation>> longer;
      for (const std::vector<Perturbation>& chain : all)
        for (const Perturbation& last : found) {
          longer.push_back(chain);
          longer.back().push_back(last);
          if (longer.size() > kMaxPerturbations)
            config_error(one->where,
                         fmt::format("the lists multiply to more than {} perturbations", kMaxPerturbations));
        }
      all = std::move(longer);
    }
    return all;
  }

  /// Twice the same corruption at one severity would draw the same numbers twice, where it draws any.
  static void check_draws(const Perturbation& one, const std::vector<Perturbation>& before, const std::string& where) {
    const auto draws_as = [&one](const Perturbation& other) {
      return other.name == one.name && other.params.at("severity") == one.params.at("severity");
    };
    if (one.kind == Perturbation::Kind::corruption && !Registry<Corruption>::find(one.name)->draws.empty() &&
        std::ranges::any_of(before, draws_as))
      config_error(where,
                   fmt::format("{} of severity {} comes after itself, with the same random numbers", one.name,
                               shown(one.params.at("severity"))),
                   "choose another severity or corruption");
  }

  void expand(const ConfigValue& table, Perturbation::Kind kind, const std::string& name,
              const std::vector<Perturbation>& before) {
    std::vector<Axis> axes;
    const std::vector<ParamSpec> specs = params_of(kind, name, table.where);
    for (const ParamSpec& spec : specs) {
      if (const ConfigValue* value = table.find(spec.name)) axes.push_back({&spec, axis(*value, spec.name)});
    }
    std::size_t radii = 0;
    const std::string mode = kind == Perturbation::Kind::attack ? mode_of(table) : "separate";
    if (mode != "separate") {
      // The curve's attacks follow each other.
      const auto epsilon = std::ranges::find_if(axes, [](const Axis& one) { return one.spec->name == "epsilon"; });
      if (epsilon == axes.end())
        config_error(table.where, fmt::format("missing 'epsilon': attack '{}' needs it", name));
      radii = epsilon->values.size();
      std::rotate(epsilon, epsilon + 1, axes.end());
    }
    const std::size_t first = out_.size();
    // Before they are made: lists of a few hundred values each multiply to billions.
    std::size_t made = 1;
    for (const Axis& one : axes) made = std::min(made * one.values.size(), kMaxPerturbations + 1);
    if (first + made > kMaxPerturbations)
      config_error(table.where, fmt::format("the lists multiply to more than {} perturbations", kMaxPerturbations));
    do {
      add(table, kind, name, axes, before);
    } while (next(axes));
    if (mode == "separate") return;
    for (std::size_t begin = first; begin < out_.size(); begin += radii) {
      std::vector<double> curve;
      for (std::size_t i = 0; i < radii; ++i) curve.push_back(real_param(out_[begin + i].params, "epsilon"));
      std::ranges::sort(curve);
      for (std::size_t i = 0; i < radii; ++i) {
        Perturbation& one = out_[begin + i];
        if (bool_param(one.params, "full"))
          config_error(table.where,
                       fmt::format("mode = \"{}\" attacks no sample that has fallen, full = true does", mode),
                       "leave one of them out");
        one.curve = curve;
        one.params["mode"] = mode;
      }
    }
  }

  /// How the attacks of an epsilon list belong together.
  static std::string mode_of(const ConfigValue& table) {
    const ConfigValue* value = table.find("mode");
    if (value == nullptr) return "separate";
    static const ParamSpec spec{"mode", ParamType::text, "", "separate", {}, {}, {"separate", "exact", "bisect"}, {}};
    return std::get<std::string>(checked(spec, scalar(*value, spec), value->where));
  }

  /// The next combination, the last axis fastest; false after the last one.
  static bool next(std::vector<Axis>& axes) {
    for (auto it = axes.rbegin(); it != axes.rend(); ++it) {
      if (++it->at < it->values.size()) return true;
      it->at = 0;
    }
    return false;
  }

  void add(const ConfigValue& table, Perturbation::Kind kind, const std::string& name, const std::vector<Axis>& axes,
           const std::vector<Perturbation>& before) {
    Params given;
    std::map<std::string, std::string> where;
    for (const Axis& one : axes) {
      const ConfigValue& value = *one.values[one.at];
      given[one.spec->name] = scalar(value, *one.spec);
      where[one.spec->name] = value.where;
    }
    Perturbation found = complete_perturbation(kind, name, given, [&](const std::string& key) {
      const auto it = where.find(key);
      return it != where.end() ? it->second : table.where;
    });
    if (!start_file(found.params).empty())
      config_error(where["start"], fmt::format("start = {}: a sweep takes no starting points, `assay attack` does",
                                               shown(found.params.at("start"))));
    for (std::size_t i = 1; i < before.size(); ++i)
      check_draws(before[i], {before.begin(), before.begin() + static_cast<std::ptrdiff_t>(i)}, table.where);
    check_draws(found, before, table.where);
    std::vector<std::pair<std::string, Params>> steps;
    for (const Perturbation& one : before) steps.emplace_back(one.name, one.params);
    steps.emplace_back(name, found.params);
    const auto [it, fresh] = first_.emplace(std::pair(kind, steps), table.where);
    if (!fresh) {
      std::vector<std::string> params;
      for (const auto& [key, value] : found.params) params.push_back(key + " = " + shown(value));
      config_error(table.where, fmt::format("{} '{}' with {} is given twice, first at {}", kind_name(kind), name,
                                            params.empty() ? "no parameters" : join(params), it->second));
    }
    found.before = before;
    out_.push_back(std::move(found));
  }

  std::vector<Perturbation>& out_;
  std::map<std::pair<Perturbation::Kind, std::vector<std::pair<std::string, Params>>>, std::string> first_;
};

}  // namespace

Sweep read_sweep(const std::filesystem::path& file) {
  const ConfigValue root = read_config(file);
  check_keys(root, "the sweep",
             {"seed", "batch", "unit_size", "device", "metrics", "profile", "keep", "data", "model", "attack",
              "corruption", "baseline"});
  Sweep sweep;
  sweep.base = file.has_parent_path() ? file.parent_path() : ".";
  if (const ConfigValue* seed = root.find("seed"))
    sweep.seed = static_cast<std::uint64_t>(integer_of(*seed, "seed", 0));
  if (const ConfigValue* batch = root.find("batch")) {
    sweep.batch = static_cast<int>(integer_of(*batch, "batch", 1, 65536));
  }
  if (const ConfigValue* unit = root.find("unit_size")) {
    sweep.unit_size = static_cast<int>(integer_of(*unit, "unit_size", 1, std::numeric_limits<int>::max()));
    if (*sweep.unit_size % sweep.batch != 0) {
      config_error(unit->where,
                   fmt::format("unit_size = {}: a multiple of batch ({}) is expected", *sweep.unit_size, sweep.batch));
    }
  }
  if (const ConfigValue* device = root.find("device")) sweep.device = device_of(*device);
  sweep.keep_logits = keeps_logits(root.find("keep"));
  sweep.metrics = metrics_of(root.find("metrics"), sweep.keep_logits);
  if (const ConfigValue* profile = root.find("profile")) sweep.profile = profile_of(*profile);
  const ConfigValue* data = root.find("data");
  if (data == nullptr) config_error(root.where, "missing [data] with its source");
  read_data(*data, sweep);
  sweep.models = models_of(root, file.parent_path());
  if (const ConfigValue* baseline = root.find("baseline")) sweep.baseline = baseline_of(*baseline, sweep.models);
  PerturbationReader perturbations(sweep.perturbations);
  perturbations.read(root, Perturbation::Kind::attack);
  perturbations.read(root, Perturbation::Kind::corruption);
  if (sweep.keep_logits)
    for (const Perturbation& one : sweep.perturbations)
      if (!one.curve.empty())
        config_error(root.find("keep")->where,
                     fmt::format("keep = \"logits\" and {} as a curve, which keeps no point of each radius; write mode "
                                 "= \"separate\" there",
                                 one.name));
  return sweep;
}

}  // namespace assay
