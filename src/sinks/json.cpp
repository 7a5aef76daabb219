// results.json: sorted keys, shortest round-trip floats, null where a number is undefined; nothing of the machine or
// run.
#include "sinks/json.hpp"

#include <cmath>

#include "engine/corruption_errors.hpp"
#include "engine/plan.hpp"

namespace assay {

nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

nlohmann::json numbers(const std::vector<double>& values) {
  nlohmann::json list = nlohmann::json::array();
  for (const double value : values) list.push_back(number(value));
  return list;
}

nlohmann::json to_json(const Estimate& estimate, const std::string& definition) {
  nlohmann::json json = {{"value", number(estimate.value)},
                         {"lo", number(estimate.lo)},
                         {"hi", number(estimate.hi)},
                         {"confidence", number(estimate.confidence)},
                         {"definition", definition}};
  if (!estimate.undefined.empty()) json["undefined"] = estimate.undefined;
  return json;
}

nlohmann::json to_json(const CorruptionErrors& errors) {
  using nlohmann::json;
  json corruptions = json::object();
  for (const auto& [name, one] : errors.corruptions)
    corruptions[name] = {{"by_severity", one.by_severity},
                         {"error", number(one.error)},
                         {"ce", number(one.ce)},
                         {"relative_ce", number(one.relative_ce)}};
  return {{"model", errors.model},
          {"table", errors.table},
          {"pipeline", errors.pipeline},
          {"baseline", errors.baseline.empty() ? json(nullptr) : json(errors.baseline)},
          {"clean_error", number(errors.clean_error)},
          {"corruptions", corruptions},
          {"mean_error", number(errors.mean_error)},
          {"mce", number(errors.mce)},
          {"relative_mce", number(errors.relative_mce)},
          {"definition", definition_of(errors)}};
}

nlohmann::json to_json(const Results& results) {
  using nlohmann::json;
  json cells = json::array();
  for (const CellResult& cell : results.cells) {
    json perturbation = json::array(), metrics = json::object(), curves = json::object();
    for (const Perturbation& p : cell.perturbation) perturbation.push_back(to_json(p));
    for (const auto& [name, estimate] : cell.metrics) {
      metrics[name] = to_json(estimate, results.definition(name, cell));
      for (const auto& [curve, values] : estimate.curves) curves[name][curve] = numbers(values);
    }
    cells.push_back({{"model", cell.model},
                     {"data", {{"source", results.source}, {"curves", curves}}},
                     {"perturbation", perturbation},
                     {"n", cell.n},
                     {"undecided", cell.undecided},
                     {"passes", {{"forward", cell.passes.forward}, {"backward", cell.passes.backward}}},
                     {"evaluated", {{"forward", cell.evaluated.forward}, {"backward", cell.evaluated.backward}}},
                     {"flags", cell.flags},
                     {"metrics", metrics}});
    if (cell.targeted()) cells.back()["label_is_target"] = cell.label_is_target;
  }
  json all = {{"schema", 1}, {"cells", cells}};
  if (!results.profile.empty()) all["profile"] = results.profile;
  for (const CorruptionErrors& errors : results.corruption_errors) all["corruption_errors"].push_back(to_json(errors));
  return all;
}

namespace {
std::string render(const Results& results) {
  return to_json(results).dump(1) + "\n";
}
ASSAY_SINK("json", "everything, for programs", "results.json", render);
}  // namespace
}  // namespace assay
