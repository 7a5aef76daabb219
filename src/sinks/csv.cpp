// results.csv: a row a cell and metric (RFC 4180 quoting; parameters as a JSON object a step, steps joined by " + ",
// the kind being the last one's; empty where undefined).
#include <fmt/format.h>

#include "engine/plan.hpp"
#include "sinks/json.hpp"

namespace assay {
namespace {

std::string csv_quote(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string field(double value) {
  const nlohmann::json json = number(value);
  return json.is_null() ? "" : json.dump();
}

std::string render(const Results& results) {
  std::string out = "model,data,kind,perturbation,params,n,undecided,metric,value,lo,hi,confidence,definition\n";
  for (const CellResult& cell : results.cells) {
    std::string kind = "clean", name, params;
    for (const Perturbation& step : cell.perturbation) {
      const nlohmann::json p = to_json(step);
      kind = p["kind"].get<std::string>();
      name += (name.empty() ? "" : " + ") + p["name"].get<std::string>();
      params += (params.empty() ? "" : " + ") + p["params"].dump();
    }
    for (const auto& [metric, e] : cell.metrics)
      out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_quote(cell.model), csv_quote(results.source),
                         kind, name, csv_quote(params), cell.n, cell.undecided, metric, field(e.value), field(e.lo),
                         field(e.hi), field(e.confidence), csv_quote(results.definition(metric, cell)));
  }
  return out;
}
ASSAY_SINK("csv", "a row a cell and metric, for spreadsheets", "results.csv", render);

}  // namespace
}  // namespace assay
