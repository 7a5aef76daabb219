#include "engine/scores.hpp"

#include <algorithm>
#include <set>

namespace assay {

ChosenMetric choose_metric(const std::string& name, const std::string& profile) {
  if (const Metric* metric = Registry<Metric>::find(name)) return {name, &metric->by(profile), nullptr};
  return {name, nullptr, Registry<OutputMetric>::find(name)};
}

std::vector<std::string> profiles() {
  std::set<std::string> names;
  for (const auto& [name, metric] : Registry<Metric>::all())
    for (const Metric& variant : metric.profiles) names.insert(variant.profile);
  return {names.begin(), names.end()};
}

std::optional<std::string> find_profile(const std::string& asked) {
  if (asked == "assay") return "";
  for (const std::string& name : profiles())
    if (asked == name || asked == name.substr(0, name.rfind('-'))) return name;
  return std::nullopt;
}

Scores::Scores(std::span<const ChosenMetric> metrics, int classes, std::span<const double> thresholds)
    : metrics_(metrics), classes_(classes), thresholds_(thresholds.begin(), thresholds.end()) {
  for (const ChosenMetric& chosen : metrics)
    states_.emplace_back(
        static_cast<std::size_t>(chosen.metric != nullptr ? chosen.metric->words : chosen.output->words(classes)));
}

void Scores::expect(std::int64_t samples) {
  if (std::ranges::any_of(metrics_, [](const ChosenMetric& chosen) {
        return chosen.metric != nullptr && chosen.metric->rank != nullptr;
      }))
    order_.expect(samples);
}

void Scores::add(const Outputs& outputs) {
  bool ranked = false;
  for (std::size_t m = 0; m < metrics_.size(); ++m) {
    const ChosenMetric& chosen = metrics_[m];
    if (chosen.output != nullptr)
      chosen.output->reduce(outputs, thresholds_[m], states_[m].data());
    else if (chosen.metric->rank != nullptr)
      ranked = true;
    else
      chosen.metric->reduce({}, outputs.rows, outputs.n, states_[m].data());
  }
  const std::span rows(outputs.rows, static_cast<std::size_t>(outputs.n));
  if (ranked) order_.add(rows);
  n_ += outputs.n;
  undecided_ += outputs.undecided >= 0
                    ? outputs.undecided
                    : std::ranges::count_if(rows, [](const SampleRow& row) { return row.has(SampleRow::undecided); });
}

std::vector<Estimate> Scores::finish() {
  const Ranking ranking = order_.ranking();
  std::vector<Estimate> estimates;
  for (std::size_t m = 0; m < metrics_.size(); ++m) {
    const ChosenMetric& chosen = metrics_[m];
    if (chosen.output != nullptr)
      estimates.push_back(chosen.output->finish(states_[m].data(), classes_));
    else
      estimates.push_back(chosen.metric->rank != nullptr ? chosen.metric->rank(ranking)
                                                         : chosen.metric->finish(states_[m].data()));
  }
  return estimates;
}

}  // namespace assay
