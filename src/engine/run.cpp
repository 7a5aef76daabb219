#include "engine/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "assay/core/error.hpp"
#include "assay/rank.hpp"
#include "core/probabilities.hpp"
#include "core/score.hpp"
#include "data/npy.hpp"
#include "engine/corruption_errors.hpp"
#include "engine/kept.hpp"
#include "engine/make_attacks.hpp"
#include "engine/scores.hpp"

namespace assay {
namespace {

/// Of a unit whose samples' points were exported.
Witnesses witnesses_of(const Plan& plan, const Unit& unit, const DataSet& data, const UnitResult& result,
                       const AttackExport& exported, int classes) {
  const Cell& cell = plan.cells[static_cast<std::size_t>(unit.cell)];
  Witnesses w;
  w.model = plan.models[static_cast<std::size_t>(cell.model)];
  w.classes = classes;
  w.source = plan.source;
  w.data_sha256 = plan.data_sha256;
  w.attack = plan.perturbations[static_cast<std::size_t>(cell.perturbation)];
  w.norm = Registry<AttackEntry>::find(w.attack.name)->norm;
  w.epsilon = real_param(w.attack.params, "epsilon");
  w.asked = exported.asked;
  for (std::int64_t u = 0; u < unit.hi - unit.lo; ++u) {
    const SampleRow& row = result.rows[static_cast<std::size_t>(u)];
    if (!is_witness(row)) continue;
    w.add(data, unit.lo + u, row.prediction, static_cast<std::int64_t>(w.index.size()));
    if (w.targeted()) w.target.push_back(exported.targets[static_cast<std::size_t>(u)]);
    const auto from = exported.points.begin() + u * data.dim();
    w.points.insert(w.points.end(), from, from + data.dim());
  }
  w.shape = {static_cast<std::int64_t>(w.index.size()), data.c, data.h, data.w};
  return w;
}

/// The metrics of all classes of a cell, from what is kept of its units.
void measure_outputs(const Plan& plan, const Store& store, int cell, const std::vector<std::uint16_t>& labels,
                     std::span<const ChosenMetric> metrics, CellResult& result) {
  std::optional<Scores> scores;
  std::vector<SampleRow> failed;
  std::vector<std::uint16_t> failed_labels;
  const std::vector<double> no_thresholds(metrics.size());
  for (const Unit& unit : plan.units) {
    if (unit.cell != cell) continue;
    const KeptUnit kept = read_kept(plan, store, unit, labels);
    if (kept.classes == 0) {
      failed.insert(failed.end(), kept.rows.begin(), kept.rows.end());
      failed_labels.insert(failed_labels.end(), labels.begin() + unit.lo, labels.begin() + unit.hi);
      continue;
    }
    if (!scores) scores.emplace(metrics, kept.classes, no_thresholds);
    std::vector<float> probabilities(kept.logits.size());
    probabilities_of(unit.hi - unit.lo, kept.classes, kept.logits.data(), kept.rows.data(), probabilities.data());
    scores->add({unit.hi - unit.lo, kept.classes, probabilities.data(), labels.data() + unit.lo, kept.rows.data()});
  }
  if (!scores) {
    for (const ChosenMetric& chosen : metrics)
      result.metrics[chosen.name] = {std::nan(""), std::nan(""), std::nan(""),
                                     std::nan(""), {},           "no unit was computed"};
    return;
  }
  check_kept_labels(store, failed_labels, scores->classes());
  // No probability is read of what is undecided.
  scores->add({std::ssize(failed), scores->classes(), nullptr, failed_labels.data(), failed.data()});
  const std::vector<Estimate> estimates = scores->finish();
  for (std::size_t m = 0; m < metrics.size(); ++m) result.metrics[metrics[m].name] = estimates[m];
}

}  // namespace

RunSummary run_jobs(const Exec& exec, const Plan& plan, const DataSet& data, const std::vector<int>& jobs,
                    const Store& store, const ModelLoader& load, const StopFlag& stop, RunObserver& observer,
                    bool witnesses) {
  RunSummary summary;
  summary.cells.resize(plan.cells.size());
  const auto unit_at = [&](int u) -> const Unit& { return plan.units[static_cast<std::size_t>(u)]; };
  const auto model_of = [&](int u) { return plan.cells[static_cast<std::size_t>(unit_at(u).cell)].model; };

  struct Todo {
    const Job* job;
    std::vector<int> missing;
    double cost;
  };
  std::vector<Todo> todo;
  double missing_cost = 0, done_cost = 0;
  for (const int j : jobs) {
    const Job& job = plan.jobs[static_cast<std::size_t>(j)];
    std::vector<int> missing;
    for (const int unit : job.units) {
      ++summary.planned;
      const bool saved = !witnesses ||
                         plan.kind(plan.cells[static_cast<std::size_t>(unit_at(unit).cell)]) != CellKind::attacked ||
                         store.has_witnesses(unit_at(unit));
      const bool kept = !plan.keep_logits || store.logits(unit_at(unit));
      if (saved && kept && store.read(unit_at(unit)))
        ++summary.reused;
      else
        missing.push_back(unit);
    }
    if (missing.empty()) continue;
    const double cost = job.cost * static_cast<double>(missing.size()) / static_cast<double>(job.units.size());
    missing_cost += cost;
    todo.push_back({&job, std::move(missing), cost});
  }

  std::int64_t images = 0;
  int done = summary.reused;
  const auto report = [&] {
    observer.progress(done, summary.planned, summary.reused, images, missing_cost > 0 ? done_cost / missing_cost : 1.0);
  };
  report();
  if (plan.keep_logits)
    store.write(kKeptLabels, npy_bytes("<u2", {plan.n}, data.labels.data(),
                                       static_cast<std::size_t>(plan.n) * sizeof(data.labels[0])));
  if (todo.empty()) return summary;

  std::vector<std::unique_ptr<Model>> models(plan.models.size());
  for (const Todo& t : todo)
    for (const int unit : t.missing) {
      auto& model = models[static_cast<std::size_t>(model_of(unit))];
      if (model == nullptr && !stop) model = load(model_of(unit));
      const int p = t.job->perturbation;
      for (const std::string& name : plan.metrics)
        if (const OutputMetric* output = Registry<OutputMetric>::find(name); output != nullptr && model != nullptr)
          output->words(model->classes());  // throws where that is too many
      if (model != nullptr && p >= 0)
        check_classes(plan.perturbations[static_cast<std::size_t>(p)], model->classes(),
                      "model '" + plan.models[static_cast<std::size_t>(model_of(unit))].name + "'");
    }
  Evaluator evaluator(exec, data, plan.batch, plan.seed, stop, plan.keep_logits);
  try {
    for (const Todo& t : todo) {
      const Unit& range = unit_at(t.missing.front());
      const Perturbation* perturbation =
          t.job->perturbation < 0 ? nullptr : &plan.perturbations[static_cast<std::size_t>(t.job->perturbation)];
      if (stop) throw Interrupted{};
      std::vector<Model*> asked;
      for (const int unit : t.missing) asked.push_back(models[static_cast<std::size_t>(model_of(unit))].get());
      std::vector<UnitResult> results;
      AttackExport exported;
      if (perturbation != nullptr && perturbation->kind == Perturbation::Kind::attack) {
        const std::vector<UnitResult> all =
            evaluator.curve({perturbation, static_cast<std::size_t>(t.job->perturbations)}, range.lo, range.hi,
                            *asked.front(), witnesses ? &exported : nullptr);
        for (const int unit : t.missing) {
          const Cell& cell = plan.cells[static_cast<std::size_t>(unit_at(unit).cell)];
          results.push_back(all[static_cast<std::size_t>(cell.perturbation - t.job->perturbation)]);
        }
      } else {
        results = evaluator.plain(perturbation, range.lo, range.hi, asked);
      }
      for (std::size_t i = 0; i < t.missing.size(); ++i) {
        const Unit& unit = unit_at(t.missing[i]);
        const UnitResult& result = results[i];
        auto& time = summary.cells[static_cast<std::size_t>(unit.cell)];
        time.seconds += result.seconds;
        time.model_seconds += result.model_seconds;
        summary.seconds += result.seconds;
        summary.model_seconds += result.model_seconds;
        summary.host_bytes += result.host_bytes;
        if (result.error.empty()) {
          if (witnesses && perturbation != nullptr && perturbation->kind == Perturbation::Kind::attack)
            store.save_witnesses(unit, witnesses_of(plan, unit, data, result, exported, asked.front()->classes()));
          store.commit(plan, unit, result);
          if (plan.keep_logits)
            store.save_logits(unit, std::ssize(result.logits) / (unit.hi - unit.lo), result.logits,
                              std::span(data.labels).subspan(static_cast<std::size_t>(unit.lo), result.rows.size()));
          ++summary.computed;
          ++done;
          images += unit.hi - unit.lo;
        } else {
          store.record_failure(plan, unit, result.error);
          ++summary.failed;
          observer.failed(plan.describe(plan.cells[static_cast<std::size_t>(unit.cell)]), unit.lo, unit.hi,
                          result.error);
        }
      }
      done_cost += t.cost;
      report();
    }
  } catch (const Interrupted&) {
    summary.interrupted = true;
  }
  return summary;
}

PlanStatus plan_status(const Plan& plan, const Store& store) {
  PlanStatus status;
  status.units = static_cast<int>(plan.units.size());
  for (const Unit& unit : plan.units) {
    const bool kept = !plan.keep_logits || store.logits(unit);
    if (kept && store.read(unit))
      ++status.done;
    else if (store.failure(unit))
      ++status.failed;
  }
  return status;
}

Results merge_units(const Plan& plan, const Store& store, PlanStatus& status, const Exec& exec) {
  Results results;
  results.source = plan.source;
  results.profile = plan.profile;
  std::vector<std::map<std::string, std::vector<std::uint64_t>>> states(plan.cells.size());
  std::vector<ChosenMetric> metrics, outputs;
  for (const std::string& name : plan.metrics) {
    const ChosenMetric chosen = choose_metric(name, plan.profile);
    (chosen.output != nullptr ? outputs : metrics).push_back(chosen);
  }
  const bool ranked =
      std::ranges::any_of(metrics, [](const ChosenMetric& chosen) { return chosen.metric->rank != nullptr; });
  std::vector<ByConfidence> order(plan.cells.size());
  for (const Cell& cell : plan.cells) {
    CellResult result;
    result.model = plan.models[static_cast<std::size_t>(cell.model)].name;
    result.perturbation = plan.steps(cell);
    result.kind = plan.kind(cell);
    results.cells.push_back(std::move(result));
  }
  status = {};
  status.units = static_cast<int>(plan.units.size());
  std::string missing;
  for (const Unit& unit : plan.units) {
    const auto at = static_cast<std::size_t>(unit.cell);
    CellResult& cell = results.cells[at];
    auto record = store.read(unit);
    if (record) {
      ++status.done;
    } else if (store.failure(unit)) {
      ++status.failed;
      record.emplace();  // fail closed: every sample of it is undecided
      record->rows.assign(static_cast<std::size_t>(unit.hi - unit.lo), undecided_row(0));
      if (std::find(cell.flags.begin(), cell.flags.end(), "failed_units") == cell.flags.end())
        cell.flags.emplace_back("failed_units");
    } else {
      if (missing.empty())
        missing = fmt::format("{}, images {} to {}", plan.describe(plan.cells[at]), unit.lo, unit.hi - 1);
      continue;
    }
    cell.n += record->rows.size();
    for (const SampleRow& row : record->rows) {
      cell.correct += row.has(SampleRow::correct) ? 1u : 0u;
      cell.undecided += row.has(SampleRow::undecided) ? 1u : 0u;
      cell.label_is_target += row.has(SampleRow::label_is_target) ? 1u : 0u;
    }
    if (ranked) order[at].add(record->rows);
    cell.passes += record->passes;
    cell.evaluated += record->evaluated;
    for (const auto& [name, metric, output] : metrics) {
      if (!metric->applies(cell.kind) || metric->rank != nullptr) continue;
      auto& total = states[at][name];
      total.resize(static_cast<std::size_t>(metric->words));
      auto found = record->states.find(name);
      std::vector<std::uint64_t> own(static_cast<std::size_t>(metric->words));
      if (metric->profile.empty() && found != record->states.end() && found->second.size() == own.size())
        own = found->second;
      else  // a profile's, or of a unit from before this metric existed
        metric->reduce(Exec{}, record->rows.data(), static_cast<std::int64_t>(record->rows.size()), own.data());
      for (std::size_t w = 0; w < own.size(); ++w) total[w] += own[w];
    }
  }
  if (status.missing() > 0)
    throw Error(ExitCode::merge_incomplete,
                fmt::format("{} of {} units are missing in '{}' (the first: {})", status.missing(), status.units,
                            store.root().string(), missing),
                "run the sweep again, or its other shards, then `assay merge " + store.root().string() + "`");
  std::vector<std::uint16_t> labels;
  if (!outputs.empty()) labels = kept_labels(plan, store);
  for (std::size_t c = 0; c < results.cells.size(); ++c) {
    CellResult& cell = results.cells[c];
    if (cell.undecided > 0) cell.flags.emplace_back("undecided_samples");
    const Ranking ranking = ranked ? order[c].ranking(exec) : Ranking{};
    for (const auto& [name, metric, output] : metrics) {
      if (!metric->applies(cell.kind)) continue;
      cell.metrics[name] = metric->rank != nullptr ? metric->rank(ranking) : metric->finish(states[c].at(name).data());
    }
    if (!outputs.empty()) measure_outputs(plan, store, static_cast<int>(c), labels, outputs, cell);
  }
  results.corruption_errors = corruption_errors(results.cells, plan.baseline);
  return results;
}

}  // namespace assay
