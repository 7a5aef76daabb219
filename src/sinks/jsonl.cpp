// results.jsonl: one JSON object a line, a line a cell and metric.
#include "engine/plan.hpp"
#include "sinks/json.hpp"

namespace assay {
namespace {

std::string render(const Results& results) {
  using nlohmann::json;
  std::string out;
  for (const CellResult& cell : results.cells) {
    json perturbation = json::array();
    for (const Perturbation& p : cell.perturbation) perturbation.push_back(to_json(p));
    for (const auto& [metric, estimate] : cell.metrics) {
      json line = to_json(estimate, results.definition(metric, cell));
      line.update({{"model", cell.model},
                   {"data", results.source},
                   {"perturbation", perturbation},
                   {"n", cell.n},
                   {"undecided", cell.undecided},
                   {"metric", metric}});
      out += line.dump() + "\n";
    }
  }
  return out;
}
ASSAY_SINK("jsonl", "a line a cell and metric, for log tools", "results.jsonl", render);

}  // namespace
}  // namespace assay
