// results.json: sorted keys, shortest round-trip floats, null where a number is undefined; nothing of the machine or
// run.
#include "sinks/json.hpp"

#include <cmath>

#include "engine/plan.hpp"

namespace assay {

nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

nlohmann::json to_json(const Estimate& estimate, const std::string& definition) {
  return {{"value", number(estimate.value)},
          {"lo", number(estimate.lo)},
          {"hi", number(estimate.hi)},
          {"confidence", number(estimate.confidence)},
          {"definition", definition}};
}

nlohmann::json to_json(const Results& results) {
  using nlohmann::json;
  json cells = json::array();
  for (const CellResult& cell : results.cells) {
    json perturbation = json::array(), metrics = json::object(), curves = json::object();
    for (const Perturbation& p : cell.perturbation) perturbation.push_back(to_json(p));
    for (const auto& [name, estimate] : cell.metrics) {
      metrics[name] = to_json(estimate, cell.definition(name));
      for (const auto& [curve, values] : estimate.curves) {
        json list = json::array();
        for (const double value : values) list.push_back(number(value));
        curves[name][curve] = list;
      }
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
  return {{"schema", 1}, {"cells", cells}};
}

namespace {
std::string render(const Results& results) {
  return to_json(results).dump(1) + "\n";
}
ASSAY_SINK("json", "everything, for programs", "results.json", render);
}  // namespace
}  // namespace assay
