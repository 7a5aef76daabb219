// What a person reads at the end of a run: a block a model, a row a cell, a column a metric.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "assay/results.hpp"

namespace assay {
namespace {

std::string text(const Param& value) {
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{:.4g}", *real);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return std::get<std::string>(value);
}

/// True where no cell has another step for the same parameters: by default it is a multiple of epsilon.
bool step_follows(const Results& results, const Perturbation& p) {
  const auto without_step = [](Params params) {
    params.erase("step");
    return params;
  };
  return std::none_of(results.cells.begin(), results.cells.end(), [&](const CellResult& cell) {
    return std::any_of(cell.perturbation.begin(), cell.perturbation.end(), [&](const Perturbation& q) {
      return q.name == p.name && q.params != p.params && without_step(q.params) == without_step(p.params);
    });
  });
}

/// The name, its strength, and the parameters in which cells of that name differ.
std::string label(const Results& results, const CellResult& cell) {
  if (cell.perturbation.empty()) return "clean";
  std::string line;
  for (const Perturbation& p : cell.perturbation) {
    line += (line.empty() ? "" : " + ") + p.name;
    for (const auto& [name, value] : p.params) {
      const bool varies =
          std::any_of(results.cells.begin(), results.cells.end(), [&, &key = name, &own = value](const auto& other) {
            return std::any_of(other.perturbation.begin(), other.perturbation.end(), [&](const Perturbation& q) {
              return q.name == p.name && q.params.contains(key) && q.params.at(key) != own;
            });
          });
      if (name == "epsilon" || name == "severity" || name == "target" ||
          (varies && !(name == "step" && step_follows(results, p))))
        line += fmt::format(" {}={}", name, text(value));
    }
  }
  return line;
}

std::string shown(const Estimate& e) {
  if (!std::isfinite(e.value)) return "undefined";
  return std::isnan(e.confidence) ? fmt::format("{:.4f}", e.value) : fmt::format("{:.1f}%", 100 * e.value);
}

std::string percent(double share) {
  if (!std::isfinite(share)) return "undefined";
  return fmt::format("{:.1f}%", 100 * share);
}

std::string render(const Results& results) {
  std::set<std::string> present;
  std::size_t width = 0;
  double widest = 0;
  std::uint64_t n = 0;
  for (const CellResult& cell : results.cells) {
    n = std::max(n, cell.n);
    width = std::max(width, label(results, cell).size());
    for (const auto& [name, e] : cell.metrics) {
      present.insert(name);
      if (!std::isnan(e.confidence)) widest = std::max({widest, e.hi - e.value, e.value - e.lo});
    }
  }
  // Shares first, in the order in which they are read; what else there is follows by name.
  std::vector<std::string> columns;
  for (const char* name : {"accuracy", "top5_accuracy", "robust_accuracy", "robust_accuracy_final"})
    if (present.erase(name) != 0) columns.emplace_back(name);
  columns.insert(columns.end(), present.begin(), present.end());

  std::size_t longest = 0;
  for (const std::string& name : columns) longest = std::max(longest, name.size());

  std::string out = fmt::format("{}: {} images\n", results.source, n);
  std::string model;
  for (const CellResult& cell : results.cells) {
    if (cell.model != model || &cell == &results.cells.front()) {
      model = cell.model;
      out += fmt::format("\n{:<{}}", model, width + 2);
      for (const std::string& name : columns) out += fmt::format("  {:>8}", name);
      out += '\n';
    }
    out += fmt::format("  {:<{}}", label(results, cell), width);
    for (const std::string& name : columns) {
      const auto found = cell.metrics.find(name);
      out += fmt::format("  {:>{}}", found == cell.metrics.end() ? "-" : shown(found->second),
                         std::max<std::size_t>(8, name.size()));
    }
    if (cell.label_is_target > 0) out += fmt::format("  ({} of the target's class)", cell.label_is_target);
    if (cell.undecided > 0) out += fmt::format("  ({} undecided)", cell.undecided);
    out += '\n';
  }
  if (widest > 0)
    out += fmt::format("\n95% intervals are at most {:.1f} points to a side; each stands in results.json.\n",
                       100 * widest);
  out += "\nThe columns:\n";
  const bool targeted = std::ranges::any_of(results.cells, &CellResult::targeted);
  for (const std::string& name : columns) {
    if (const OutputMetric* output = Registry<OutputMetric>::find(name))
      out += fmt::format("  {:<{}}  {}\n", name, longest, output->definition);
    if (Registry<Metric>::find(name) == nullptr) continue;
    const Metric& metric = Registry<Metric>::find(name)->by(results.profile);
    out += fmt::format("  {:<{}}  {}\n", name, longest, metric.definition);
    if (targeted && !metric.targeted.empty())
      out += fmt::format("  {:<{}}  with a target: {}\n", "", longest, metric.targeted);
  }
  out += '\n';

  // The one sentence a model is judged by.
  for (std::size_t first = 0; first < results.cells.size();) {
    std::size_t end = first;
    const CellResult* weakest = nullptr;
    const CellResult* clean = nullptr;
    for (; end < results.cells.size() && results.cells[end].model == results.cells[first].model; ++end) {
      const CellResult& cell = results.cells[end];
      if (cell.kind == CellKind::clean && cell.metrics.contains("accuracy")) clean = &cell;
      if (cell.metrics.contains("robust_accuracy") &&
          (weakest == nullptr ||
           cell.metrics.at("robust_accuracy").value < weakest->metrics.at("robust_accuracy").value))
        weakest = &cell;
    }
    if (clean != nullptr && weakest != nullptr)
      out += fmt::format("{}: {} accurate on clean images, {} at worst under attack ({}).\n", clean->model,
                         shown(clean->metrics.at("accuracy")), shown(weakest->metrics.at("robust_accuracy")),
                         label(results, *weakest));
    first = end;
  }
  for (const CorruptionErrors& errors : results.corruption_errors) {
    const bool compared = !errors.baseline.empty();
    const std::string whose =
        errors.baseline == "alexnet" ? "AlexNet" : errors.baseline.substr(errors.baseline.find(':') + 1);
    out += fmt::format("{}: errors at severities 1 to 5, and their mean{} (table {}, pipeline {}):\n", errors.model,
                       compared ? " alone and over " + whose + "'s" : "", errors.table, errors.pipeline);
    for (const auto& [name, one] : errors.corruptions) {
      out += fmt::format("  {:<18}", name);
      for (const double error : one.by_severity) out += fmt::format(" {:>6}", percent(error));
      out += fmt::format("  {:>6}", percent(one.error));
      out += compared ? fmt::format("  {:>6}\n", percent(one.ce)) : "\n";
    }
    if (!std::isfinite(errors.mean_error)) continue;
    out += fmt::format("{}: error {} clean, {} over the 15 corruptions of ImageNet-C", errors.model,
                       percent(errors.clean_error), percent(errors.mean_error));
    if (compared)
      out += fmt::format(", mCE {}, relative mCE {} of {}'s", percent(errors.mce), percent(errors.relative_mce), whose);
    out += ".\n";
  }
  return out;
}
ASSAY_SINK("table", "for the terminal", "", render);

}  // namespace
}  // namespace assay
