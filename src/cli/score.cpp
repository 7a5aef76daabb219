#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>

#include "assay/scaling.hpp"
#include "assay/statistics.hpp"
#include "cli/cli.hpp"
#include "cli/saved_cell.hpp"
#include "cli/saved_outputs.hpp"
#include "core/probabilities.hpp"
#include "core/rows.hpp"
#include "core/text.hpp"
#include "core/top_label.hpp"
#include "engine/scores.hpp"
#include "sinks/json.hpp"

namespace assay::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string logits, probabilities, labels, profile, dtype = "auto";
  std::string fit_logits, fit_probabilities, fit_labels, groups, class_groups;
  std::string run, fit_samples;
  std::vector<std::string> metrics, scalings, filters;
  double alpha = 0.1;
  bool by_class = false, json = false;
};

ChosenMetric choose(const std::string& name, const std::string& profile) {
  const auto of_outputs = [](const Metric& metric) { return metric.applies(CellKind::clean); };
  const ChosenMetric chosen = choose_metric(name, profile);
  if (chosen.metric != nullptr && !of_outputs(*chosen.metric))
    throw Error(ExitCode::usage, "metric '" + name + "' is of what an attack did, not of outputs",
                "the results.json of a sweep has it");
  if (chosen.metric != nullptr || chosen.output != nullptr) return chosen;
  std::vector<std::string> names = keys(Registry<OutputMetric>::all());
  for (const auto& [key, entry] : Registry<Metric>::all())
    if (of_outputs(entry)) names.push_back(key);
  throw Error(ExitCode::usage, "no metric '" + name + "' of logits", did_you_mean(name, names));
}

std::string profile_of(const std::string& asked) {
  const std::string found = find_profile(asked);
  if (found.empty() && !asked.empty())
    throw Error(ExitCode::usage, "no profile '" + asked + "'", did_you_mean(asked, profiles()));
  return found;
}

const Scaling& scaling_of(const std::string& name) {
  if (const Scaling* scaling = Registry<Scaling>::find(name)) return *scaling;
  throw Error(ExitCode::usage, "no scaling '" + name + "'", did_you_mean(name, keys(Registry<Scaling>::all())));
}

/// Turns what a model said into what metrics read, batch by batch.
class Scorer {
 public:
  explicit Scorer(std::span<const ChosenMetric> metrics) {
    for (const ChosenMetric& chosen : metrics) {
      all_classes_ = all_classes_ || chosen.output != nullptr;
      top_label_ =
          top_label_ && chosen.metric != nullptr && (chosen.metric->rank != nullptr || chosen.metric->top_label);
    }
  }

  /// `known`: the rows of these logits where they have been scored before, else null.
  Outputs of_logits(std::int64_t n, int classes, const float* logits, const std::uint16_t* labels,
                    const SampleRow* known = nullptr) {
    if (known == nullptr) {
      rows_.resize(static_cast<std::size_t>(n));
      score_logits({}, n, classes, logits, labels, nullptr, rows_.data());
      known = rows_.data();
    }
    if (!all_classes_) return {n, classes, nullptr, labels, known};
    probabilities_.resize(static_cast<std::size_t>(n * classes));
    probabilities_of(n, classes, logits, known, probabilities_.data());
    return {n, classes, probabilities_.data(), labels, known};
  }

  Outputs of_probabilities(std::int64_t n, int classes, const float* values, const std::uint16_t* labels) {
    rows_.resize(static_cast<std::size_t>(n));
    score_probabilities({}, n, classes, values, labels, rows_.data());
    return {n, classes, values, labels, rows_.data()};
  }

  /// Samples [first, first + n) of what was saved.
  Outputs of(SavedOutputs& saved, std::int64_t first, std::int64_t n, const std::uint16_t* labels) {
    const float* values = saved.values(first, n);
    if (saved.logits()) return of_logits(n, saved.classes(), values, labels, saved.rows(first, n));
    rows_.resize(static_cast<std::size_t>(n));
    // A margin for sums in another order and in float32: rows in doubt are looked at again.
    const auto tolerance = 0.9f * static_cast<float>(saved.rounding());
    const auto undecided = top_labels(n, saved.classes(), values, labels, tolerance, rows_.data());
    if (undecided && top_label_) return {n, saved.classes(), values, labels, rows_.data(), *undecided};
    if (!undecided) saved.check_probabilities(values, first, n);
    return of_probabilities(n, saved.classes(), values, labels);
  }

 private:
  bool all_classes_ = false, top_label_ = true;
  std::vector<SampleRow> rows_;
  std::vector<float> probabilities_;
};

/// The samples' groups: of each one, or of its label's.
struct Groups {
  std::string by;  ///< empty: there are none
  std::vector<std::uint16_t> of_sample, of_label;
  std::vector<std::uint16_t> ids;  ///< rising

  Groups(const Options& options, std::int64_t n, int classes) {
    if (!options.groups.empty()) {
      by = "group";
      ids = of_sample = read_column(options.groups, n, "a group a row");
    } else if (!options.class_groups.empty()) {
      by = "group of the label";
      ids = of_label = read_column(options.class_groups, classes, "a group a class");
    } else if (options.by_class) {
      by = "label";
      of_label.resize(static_cast<std::size_t>(classes));
      std::iota(of_label.begin(), of_label.end(), std::uint16_t{0});
      ids = of_label;
    }
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
  }
  std::uint16_t of(std::int64_t sample, std::uint16_t label) const {
    return of_sample.empty() ? of_label[label] : of_sample[static_cast<std::size_t>(sample)];
  }
};

/// The metrics of all samples and of their groups, of the outputs as they are or after a scaling.
class Pass {
 public:
  Pass(std::span<const ChosenMetric> metrics, int classes, const std::vector<double>& thresholds, const Groups& groups)
      : groups_(groups), all_(metrics, classes, thresholds) {
    std::int64_t words = 0;
    for (const ChosenMetric& chosen : metrics)
      words += chosen.metric != nullptr ? chosen.metric->words : chosen.output->words(classes);
    constexpr std::int64_t kMost = std::int64_t{1} << 27;
    if (words * static_cast<std::int64_t>(groups.ids.size()) > kMost)
      throw Error(ExitCode::usage,
                  fmt::format("{} groups of these metrics take {:.1f} GB, expected at most 1", groups.ids.size(),
                              8e-9 * static_cast<double>(words) * static_cast<double>(groups.ids.size())),
                  "ask for fewer groups, or for fewer metrics at once");
    for (std::size_t g = 0; g < groups.ids.size(); ++g) by_group_.emplace_back(metrics, classes, thresholds);
  }

  void add(const Outputs& outputs, std::int64_t first) {
    all_.add(outputs);
    if (by_group_.empty()) return;
    std::vector<std::vector<std::int64_t>> members(by_group_.size());
    for (std::int64_t i = 0; i < outputs.n; ++i) {
      const auto at = std::ranges::lower_bound(groups_.ids, groups_.of(first + i, outputs.labels[i]));
      members[static_cast<std::size_t>(at - groups_.ids.begin())].push_back(i);
    }
    for (std::size_t g = 0; g < members.size(); ++g)
      if (!members[g].empty()) add_members(outputs, members[g], by_group_[g]);
  }

  Scores& all() { return all_; }
  std::vector<Scores>& by_group() { return by_group_; }

 private:
  void add_members(const Outputs& outputs, const std::vector<std::int64_t>& members, Scores& scores) {
    rows_.clear();
    labels_.clear();
    probabilities_.clear();
    for (const std::int64_t i : members) {
      rows_.push_back(outputs.rows[i]);
      labels_.push_back(outputs.labels[i]);
      if (outputs.probabilities != nullptr)
        probabilities_.insert(probabilities_.end(), outputs.probabilities + i * outputs.classes,
                              outputs.probabilities + (i + 1) * outputs.classes);
    }
    scores.add({static_cast<std::int64_t>(members.size()), outputs.classes, probabilities_.data(), labels_.data(),
                rows_.data()});
  }

  const Groups& groups_;
  Scores all_;
  std::vector<Scores> by_group_;
  std::vector<SampleRow> rows_;
  std::vector<std::uint16_t> labels_;
  std::vector<float> probabilities_;
};

/// Applies a scaling, where there is one.
struct Scaled {
  const Scaling* scaling = nullptr;
  Parameters fitted = {};
  std::vector<float> values = {};

  Outputs of(Scorer& scorer, SavedOutputs& saved, std::int64_t first, std::int64_t n, const std::uint16_t* labels) {
    if (scaling == nullptr) return scorer.of(saved, first, n, labels);
    values.resize(static_cast<std::size_t>(n * saved.classes()));
    scaling->apply(fitted, saved.classes(), n, saved.values(first, n), values.data());
    return scaling->to_logits ? scorer.of_logits(n, saved.classes(), values.data(), labels)
                              : scorer.of_probabilities(n, saved.classes(), values.data(), labels);
  }
};

/// Some of what was saved.
struct Samples {
  struct Range {
    std::int64_t lo, hi;
  };
  SavedOutputs* saved = nullptr;  // null: none
  std::vector<Range> ranges = {};

  static Samples all(SavedOutputs& saved) { return {&saved, {{0, saved.n()}}}; }
  std::int64_t n() const {
    std::int64_t n = 0;
    for (const Range& range : ranges) n += range.hi - range.lo;
    return n;
  }
  /// f(first, rows), as many at once as may be.
  template <class F>
  void each_block(const F& f) const {
    for (const auto& [lo, hi] : ranges)
      for (std::int64_t first = lo, n = 0; first < hi; first += n) {
        n = std::min(saved->at_once() - first % saved->at_once(), hi - first);  // no block goes through two units
        f(first, n);
      }
  }
};

bool is_conformal(const ChosenMetric& metric) {
  return metric.output != nullptr && metric.output->nonconformity != nullptr;
}

/// The conformal quantiles of a held-out split, a metric each.
std::vector<double> thresholds_of(std::span<const ChosenMetric> metrics, Scaled& scaled, const Samples& held_out,
                                  double alpha) {
  std::vector<double> thresholds(metrics.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<std::vector<double>> scores(metrics.size());
  if (std::ranges::none_of(metrics, is_conformal)) return thresholds;
  Scorer scorer(metrics);
  held_out.each_block([&](std::int64_t first, std::int64_t n) {
    const std::span<const std::uint16_t> labels = held_out.saved->labels(first, n);
    const Outputs outputs = scaled.of(scorer, *held_out.saved, first, n, labels.data());
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      if (!is_conformal(metrics[m])) continue;
      const std::size_t before = scores[m].size();
      scores[m].resize(before + static_cast<std::size_t>(n));
      metrics[m].output->nonconformity(outputs, scores[m].data() + before);
    }
  });
  for (std::size_t m = 0; m < metrics.size(); ++m)
    if (is_conformal(metrics[m])) thresholds[m] = conformal_quantile(std::move(scores[m]), alpha);
  return thresholds;
}

/// What a held-out split decides.
struct Fitted {
  std::vector<Scaled> forms;                    ///< the first: outputs as they are
  std::vector<std::vector<double>> thresholds;  ///< a form each

  Fitted(const Options& options, std::span<const ChosenMetric> metrics, const Samples& held_out) : forms(1) {
    for (const std::string& name : options.scalings) forms.push_back({&scaling_of(name)});
    const HeldOut split{held_out.saved != nullptr ? held_out.saved->classes() : 0, held_out.n(),
                        [&](const HeldOut::Visit& visit) {
                          held_out.each_block([&](std::int64_t first, std::int64_t n) {
                            const std::span<const std::uint16_t> labels = held_out.saved->labels(first, n);
                            visit(held_out.saved->values(first, n), labels.data(), n);
                          });
                        }};
    for (Scaled& form : forms) {
      if (form.scaling != nullptr) form.fitted = form.scaling->fit(split);
      thresholds.push_back(thresholds_of(metrics, form, held_out, options.alpha));
    }
  }
};

/// Finds out whether samples were fitted on: rows, with their labels, that occur once in both files. Those of a model
/// of few answers occur more often, and tell nothing.
class Overlap {
 public:
  void fitted_on(SavedOutputs& saved, std::int64_t first, std::int64_t n, std::span<const std::uint16_t> labels) {
    each_hash(saved, first, n, labels, [&](std::size_t hash) { ++seen_[hash].fitted; });
  }
  void tested_on(SavedOutputs& saved, std::int64_t first, std::int64_t n, std::span<const std::uint16_t> labels) {
    if (seen_.empty()) return;
    each_hash(saved, first, n, labels, [&](std::size_t hash) {
      if (const auto found = seen_.find(hash); found != seen_.end()) ++found->second.tested;
    });
  }
  void check(const SavedOutputs& tested, const SavedOutputs& held_out) const {
    const std::int64_t both = std::ranges::count_if(
        seen_, [](const auto& entry) { return entry.second.fitted == 1 && entry.second.tested == 1; });
    if (2 * both > std::min(tested.n(), held_out.n()))
      throw Error(ExitCode::input,
                  fmt::format("{} of the {} rows of '{}' are in '{}' too, with their labels", both, tested.n(),
                              tested.name(), held_out.name()),
                  "fit on samples that are not scored");
  }

 private:
  template <class F>
  static void each_hash(SavedOutputs& saved, std::int64_t first, std::int64_t n, std::span<const std::uint16_t> labels,
                        const F& f) {
    const auto* values = reinterpret_cast<const char*>(saved.values(first, n));
    const std::size_t bytes = static_cast<std::size_t>(saved.classes()) * sizeof(float);
    for (const std::uint16_t label : labels) {
      f(std::hash<std::string_view>{}({values, bytes}) * 31 + label);
      values += bytes;
    }
  }
  struct Times {
    std::uint32_t fitted = 0, tested = 0;
  };
  std::unordered_map<std::size_t, Times> seen_;
};

/// What is fitted needs a held-out split, and two fits on one split spoil the second. `option` names it.
void check_fits(const Options& options, std::span<const ChosenMetric> metrics, bool held_out,
                const std::string& option) {
  const auto conformal = std::ranges::find_if(metrics, is_conformal);
  if (conformal == metrics.end() && options.scalings.empty()) return;
  if (!held_out)
    throw Error(ExitCode::usage,
                fmt::format("{} is fitted on a held-out split",
                            conformal != metrics.end() ? conformal->name : options.scalings[0]),
                "give it with " + option);
  if (conformal != metrics.end() && !options.scalings.empty())
    throw Error(ExitCode::usage,
                fmt::format("{} and {} on one held-out split, whose labels the scaling has seen", conformal->name,
                            options.scalings[0]),
                "ask for them apart: sets cover what they promise only by labels that nothing was fitted on");
}

std::unique_ptr<SavedFiles> held_out_of(const Options& options, const SavedFiles& saved,
                                        std::span<const ChosenMetric> metrics) {
  if (!saved.logits() && !options.scalings.empty())
    throw Error(ExitCode::usage, "scalings change logits, found probabilities", "give --logits and --fit-logits");
  const std::string& file = saved.logits() ? options.fit_logits : options.fit_probabilities;
  const std::string option = saved.logits() ? "--fit-logits" : "--fit-probs";
  if (!(saved.logits() ? options.fit_probabilities : options.fit_logits).empty())
    throw Error(ExitCode::usage, fmt::format("a held-out split of the other kind, expected {}", option));
  if (file.empty() != options.fit_labels.empty())
    throw Error(ExitCode::usage, fmt::format("give {} and --fit-labels together", option));
  check_fits(options, metrics, !file.empty(), option + " and --fit-labels");
  if (file.empty()) return nullptr;
  auto held_out = std::make_unique<SavedFiles>(file, options.fit_labels, saved.logits(), options.dtype == "bf16");
  if (held_out->classes() != saved.classes())
    throw Error(ExitCode::input, fmt::format("'{}' has {} classes, expected {} as '{}' has", file, held_out->classes(),
                                             saved.classes(), saved.name()));
  if (fs::equivalent(file, saved.name()))
    throw Error(ExitCode::input, fmt::format("'{}' is both scored and fitted on", file),
                "fit on samples that are not scored");
  return held_out;
}

nlohmann::json report_of(std::span<const ChosenMetric> metrics, Scores& scores, const std::vector<double>& thresholds,
                         double alpha) {
  nlohmann::json report = nlohmann::json::object();
  const std::vector<Estimate> estimates = scores.finish();
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    nlohmann::json entry = to_json(estimates[m], metrics[m].definition());
    for (const auto& [name, curve] : estimates[m].curves) entry["data"][name] = numbers(curve);
    if (metrics[m].output != nullptr && metrics[m].output->nonconformity != nullptr)
      entry["data"].update({{"alpha", alpha}, {"threshold", number(thresholds[m])}});
    report[metrics[m].name] = entry;
  }
  return report;
}

nlohmann::json report_of_groups(std::span<const ChosenMetric> metrics, Pass& pass, const Groups& groups) {
  using nlohmann::json;
  json report = {{"by", groups.by}, {"ids", groups.ids}, {"n", json::array()}, {"metrics", json::object()}};
  std::vector<std::vector<Estimate>> estimates;
  for (Scores& scores : pass.by_group()) {
    report["n"].push_back(scores.n());
    estimates.push_back(scores.finish());
  }
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    json values = json::array(), undefined = json::object();
    std::size_t worst = estimates.size(), best = estimates.size();
    const double sign = metrics[m].larger_is_better() ? 1 : -1;
    for (std::size_t g = 0; g < estimates.size(); ++g) {
      const Estimate& estimate = estimates[g][m];
      values.push_back(number(estimate.value));
      if (!estimate.undefined.empty()) undefined[std::to_string(groups.ids[g])] = estimate.undefined;
      if (std::isnan(estimate.value)) continue;
      if (worst == estimates.size() || sign * estimate.value < sign * estimates[worst][m].value) worst = g;
      if (best == estimates.size() || sign * estimate.value > sign * estimates[best][m].value) best = g;
    }
    json entry = {{"values", values}, {"worst", nullptr}, {"gap", nullptr}};
    if (!undefined.empty()) entry["undefined"] = undefined;
    if (worst != estimates.size()) {
      entry["worst"] = {{"group", groups.ids[worst]}, {"value", number(estimates[worst][m].value)}};
      entry["gap"] = number(std::abs(estimates[best][m].value - estimates[worst][m].value));
    }
    report["metrics"][metrics[m].name] = entry;
  }
  return report;
}

/// Scores the samples as they are and after every scaling. `overlap`: null where there can be none.
nlohmann::json score_samples(const Options& options, std::span<const ChosenMetric> metrics, Fitted& fitted,
                             const Samples& tested, Overlap* overlap) {
  SavedOutputs& saved = *tested.saved;
  const Groups groups(options, saved.n(), saved.classes());
  std::vector<Pass> passes;
  for (const std::vector<double>& thresholds : fitted.thresholds)
    passes.emplace_back(metrics, saved.classes(), thresholds, groups);
  Scorer scorer(metrics);
  tested.each_block([&](std::int64_t first, std::int64_t n) {
    const std::span<const std::uint16_t> labels = saved.labels(first, n);
    if (overlap != nullptr) overlap->tested_on(saved, first, n, labels);
    for (std::size_t f = 0; f < fitted.forms.size(); ++f)
      passes[f].add(fitted.forms[f].of(scorer, saved, first, n, labels.data()), first);
  });
  nlohmann::json report = {{"n", tested.n()}};
  for (std::size_t f = 0; f < fitted.forms.size(); ++f) {
    nlohmann::json part = {{"metrics", report_of(metrics, passes[f].all(), fitted.thresholds[f], options.alpha)}};
    if (!groups.by.empty()) part["groups"] = report_of_groups(metrics, passes[f], groups);
    if (f == 0) {
      report.update(part);
      continue;
    }
    part["definition"] = fitted.forms[f].scaling->definition;
    for (const auto& [name, values] : fitted.forms[f].fitted) part["parameters"][name] = numbers(values);
    report["scalings"][options.scalings[f - 1]] = part;
  }
  if (const std::int64_t undecided = passes[0].all().undecided(); undecided > 0)
    fmt::print(stderr, "warning: {} rows of '{}' are undecided: {}\n", undecided, saved.name(),
               !options.run.empty() ? "their logits or gradients are not finite, or their unit failed"
               : saved.logits()     ? "their logits are not finite"
                                    : "a probability is above 1");
  return report;
}

void print(const nlohmann::json& metrics, bool definitions) {
  for (const auto& [name, entry] : metrics.items()) {
    std::string shown = entry["value"].dump();
    if (!entry["lo"].is_null())
      shown += fmt::format("  [{:.4f}, {:.4f}]", entry["lo"].get<double>(), entry["hi"].get<double>());
    if (definitions) shown += "   " + entry["definition"].get<std::string>();
    fmt::print("{:<30} {}\n", name, shown);
  }
}
void print_groups(const nlohmann::json& groups) {
  for (const auto& [name, entry] : groups["metrics"].items())
    if (!entry["worst"].is_null())
      fmt::print("{:<30} worst {} in {} {}, gap {}\n", name, entry["worst"]["value"].dump(),
                 groups["by"].get<std::string>(), entry["worst"]["group"].dump(), entry["gap"].dump());
}
void print_report(const nlohmann::json& report, const std::vector<std::string>& scalings, bool definitions) {
  print(report["metrics"], definitions);
  if (report.contains("groups")) print_groups(report["groups"]);
  for (const std::string& name : scalings) {
    const nlohmann::json& part = report["scalings"][name];
    if (definitions)
      fmt::print("\nafter {}: {}\n", name, part["definition"].get<std::string>());
    else
      fmt::print("after {}\n", name);
    for (const auto& [key, values] : part["parameters"].items())
      if (values.size() == 1) fmt::print("{:<30} {}\n", key, values[0].dump());
    print(part["metrics"], definitions);
    if (part.contains("groups")) print_groups(part["groups"]);
  }
}

ExitCode score_files(const Options& options, std::span<const ChosenMetric> metrics) {
  const bool from_logits = !options.logits.empty();
  if (options.labels.empty()) throw Error(ExitCode::usage, "give --labels");
  if (!options.fit_samples.empty() || !options.filters.empty())
    throw Error(ExitCode::usage, "--fit-samples and --filter choose of a sweep", "give --run");
  SavedFiles saved(from_logits ? options.logits : options.probabilities, options.labels, from_logits,
                   options.dtype == "bf16");
  const std::unique_ptr<SavedFiles> held_out = held_out_of(options, saved, metrics);
  const Samples split = held_out != nullptr ? Samples::all(*held_out) : Samples{};
  Overlap overlap;
  split.each_block(
      [&](std::int64_t first, std::int64_t n) { overlap.fitted_on(*held_out, first, n, held_out->labels(first, n)); });
  Fitted fitted(options, metrics, split);
  nlohmann::json report = score_samples(options, metrics, fitted, Samples::all(saved), &overlap);
  if (held_out != nullptr) overlap.check(saved, *held_out);
  if (options.json) {
    report["schema"] = 1;
    print_json(report);
  } else {
    print_report(report, options.scalings, true);
  }
  return ExitCode::done;
}

/// What a scaling is fitted on must be finite.
void check_decided(SavedCell& saved, const Samples::Range& range) {
  const std::int64_t n = range.hi - range.lo;
  const std::span rows(saved.rows(range.lo, n), static_cast<std::size_t>(n));
  const auto undecided = std::ranges::find_if(rows, [](const SampleRow& row) { return row.has(SampleRow::undecided); });
  if (undecided != rows.end())
    throw Error(ExitCode::input,
                fmt::format("sample {} of '{}' is undecided, or its unit failed: no scaling is fitted on it",
                            range.lo + (undecided - rows.begin()), saved.name()),
                "give other samples with --fit-samples");
}

/// Of a cell that no unit of was computed.
nlohmann::json nothing_computed(std::span<const ChosenMetric> metrics, std::int64_t n) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  nlohmann::json entry = {{"n", n}, {"metrics", nlohmann::json::object()}};
  for (const ChosenMetric& chosen : metrics)
    entry["metrics"][chosen.name] =
        to_json({kNone, kNone, kNone, kNone, {}, "no unit was computed"}, chosen.definition());
  return entry;
}

/// "LO:HI" within n samples, of which some are left.
Samples::Range range_of(const std::string& text, std::int64_t n) {
  Samples::Range range{-1, -1};
  const char* const end = text.data() + text.size();
  auto [at, failed] = std::from_chars(text.data(), end, range.lo);
  if (failed == std::errc() && at != end && *at == ':') at = std::from_chars(at + 1, end, range.hi).ptr;
  if (at != end || range.lo < 0 || range.hi <= range.lo || range.hi > n || range.hi - range.lo == n)
    throw Error(
        ExitCode::usage, fmt::format("--fit-samples {}", text),
        fmt::format("expected LO:HI, samples LO to HI - 1 of the {} in this sweep, and some that are left to score",
                    n));
  return range;
}

ExitCode score_run(const Options& options, std::span<const ChosenMetric> metrics) {
  for (const std::string* file :
       {&options.labels, &options.fit_logits, &options.fit_probabilities, &options.fit_labels})
    if (!file->empty() || options.dtype != "auto")
      throw Error(ExitCode::usage, "a sweep has its own labels and types",
                  "of the other options --run takes --fit-samples, "
                  "--filter, --metric, --scaling, --alpha, --profile, --groups, --class-groups and --by-class");
  const Store store(options.run);
  const Plan plan = plan_in(store);
  if (!plan.keep_logits)
    throw Error(ExitCode::input, "the sweep in '" + options.run + "' keeps no logits",
                "run it again with keep = \"logits\"");
  check_fits(options, metrics, !options.fit_samples.empty(), "--fit-samples");
  std::vector<Samples::Range> tested = {{0, plan.n}}, split;
  if (!options.fit_samples.empty()) {
    split = {range_of(options.fit_samples, plan.n)};
    tested = {{0, split[0].lo}, {split[0].hi, plan.n}};
  }
  std::vector<int> cells;
  for (int c = 0; c < static_cast<int>(plan.cells.size()); ++c) {
    const std::string words = plan.describe(plan.cells[static_cast<std::size_t>(c)]);
    if (std::ranges::all_of(options.filters, [&](const std::string& word) { return words.find(word) != words.npos; }))
      cells.push_back(c);
  }
  if (cells.empty())
    throw Error(ExitCode::usage, fmt::format("no cell is called '{}'", join(options.filters, "' and '")),
                "the first one is '" + plan.describe(plan.cells[0]) + "'");

  const std::vector<std::uint16_t> labels = kept_labels(plan, store);
  std::map<int, Fitted> by_model;
  nlohmann::json report = {{"schema", 1}, {"plan_id", plan.id}, {"cells", nlohmann::json::array()}};
  if (!split.empty()) report["fit_samples"] = {split[0].lo, split[0].hi};
  for (const int c : cells) {
    const Cell& cell = plan.cells[static_cast<std::size_t>(c)];
    auto fitted = by_model.find(cell.model);
    if (fitted == by_model.end()) {
      const auto clean = std::ranges::find_if(
          plan.cells, [&](const Cell& of) { return of.model == cell.model && of.perturbation < 0; });
      std::optional<SavedCell> saved;
      if (!split.empty()) {
        saved.emplace(plan, store, static_cast<int>(clean - plan.cells.begin()), labels);
        if (saved->classes() == 0)
          throw Error(ExitCode::input, "no unit of '" + saved->name() + "' was computed, on which to fit",
                      "run the sweep again, or name cells of other models with --filter");
        if (!options.scalings.empty()) check_decided(*saved, split[0]);
      }
      fitted = by_model.try_emplace(cell.model, options, metrics, saved ? Samples{&*saved, split} : Samples{}).first;
    }
    SavedCell saved(plan, store, c, labels);
    const Samples samples{&saved, tested};
    const bool computed = saved.classes() > 0;
    nlohmann::json entry = computed ? score_samples(options, metrics, fitted->second, samples, nullptr)
                                    : nothing_computed(metrics, samples.n());
    if (!options.json) {
      fmt::print("{}{}, {} samples\n", c == cells.front() ? "" : "\n", plan.describe(cell),
                 entry["n"].get<std::int64_t>());
      print_report(entry, computed ? options.scalings : std::vector<std::string>{}, false);
    }
    entry["model"] = plan.models[static_cast<std::size_t>(cell.model)].name;
    entry["perturbation"] = perturbation_list(plan, cell);
    report["cells"].push_back(std::move(entry));
  }
  if (options.json) {
    print_json(report);
    return ExitCode::done;
  }
  fmt::print("\n");  // what all cells have in common
  for (const ChosenMetric& chosen : metrics) fmt::print("{:<30} {}\n", chosen.name, chosen.definition());
  for (const std::string& name : options.scalings)
    fmt::print("{:<30} {}\n", "after " + name, scaling_of(name).definition);
  return ExitCode::done;
}

ExitCode score(const Options& options) {
  if (!options.run.empty() + !options.logits.empty() + !options.probabilities.empty() != 1)
    throw Error(ExitCode::usage, "give one of --logits, --probs and --run");
  if (!options.groups.empty() + !options.class_groups.empty() + options.by_class > 1)
    throw Error(ExitCode::usage, "give one of --groups, --class-groups and --by-class");
  const std::string profile = profile_of(options.profile);
  std::vector<ChosenMetric> metrics;
  for (const std::string& name : options.metrics) metrics.push_back(choose(name, profile));
  return options.run.empty() ? score_files(options, metrics) : score_run(options, metrics);
}

}  // namespace

Verb add_score(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("score", "Metrics of saved logits or probabilities, or of a sweep's cells");
  verb->add_option("--logits", options->logits, "N x K .npy: float16, float32, float64");
  verb->add_option("--probs", options->probabilities, "N x K .npy, as --logits, rows sum to 1");
  verb->add_option("--labels", options->labels, "N integers, .npy");
  verb->add_option("--run", options->run, "instead of files: the --out folder of a sweep with keep = \"logits\"");
  verb->add_option("--filter", options->filters, "only the sweep's cells whose description has this; may be repeated");
  verb->add_option("--fit-samples", options->fit_samples,
                   "LO:HI of the sweep's samples: each model's clean outputs of these are its held-out split, the "
                   "others are scored");
  verb->add_option("--metric", options->metrics, "metric, may be repeated")->required();
  verb->add_option("--dtype", options->dtype, "bf16: the values are bfloat16, saved as uint16")
      ->check(CLI::IsMember({"auto", "bf16"}));
  verb->add_option("--profile", options->profile, "follow a peer's rule where it has one: " + join(profiles()));
  verb->add_option("--fit-logits", options->fit_logits, "a held-out split's, M x K, for scalings and conformal sets");
  verb->add_option("--fit-probs", options->fit_probabilities, "the same beside --probs, for conformal sets");
  verb->add_option("--fit-labels", options->fit_labels, "its M labels");
  verb->add_option("--scaling", options->scalings,
                   "score once more after: temperature, vector or isotonic; may be repeated");
  verb->add_option("--alpha", options->alpha, "share of labels that conformal sets may miss (default: 0.1)")
      ->check(CLI::Range(1e-9, 1 - 1e-9));
  verb->add_option("--groups", options->groups, "N integers 0..65535: metrics of every group, the worst and the gap");
  verb->add_option("--class-groups", options->class_groups, "K integers: the group of every label");
  verb->add_flag("--by-class", options->by_class, "every label is a group");
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return score(*options); }};
}

}  // namespace assay::cli
