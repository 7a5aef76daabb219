#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>

#include "assay/scaling.hpp"
#include "assay/statistics.hpp"
#include "cli/cli.hpp"
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
  std::vector<std::string> metrics, scalings;
  double alpha = 0.1;
  bool by_class = false, json = false;
};

ChosenMetric choose(const std::string& name, const std::string& profile) {
  if (const OutputMetric* output = Registry<OutputMetric>::find(name)) return {name, nullptr, output};
  const Metric* metric = Registry<Metric>::find(name);
  if (metric == nullptr || !metric->applies(CellKind::clean)) {
    std::vector<std::string> names;
    for (const auto& [key, entry] : Registry<Metric>::all())
      if (entry.applies(CellKind::clean)) names.push_back(key);
    for (const auto& [key, entry] : Registry<OutputMetric>::all()) names.push_back(key);
    throw Error(ExitCode::usage, "no metric '" + name + "' of logits", did_you_mean(name, names));
  }
  for (const Metric& variant : metric->profiles)
    if (variant.profile == profile) return {name, &variant, nullptr};
  return {name, metric, nullptr};
}

/// Without the version that is followed, which may be named or not.
std::string profile_of(const std::string& asked) {
  static const std::map<std::string, std::string> kFollowed = {
      {"torchmetrics", "1.9"}, {"netcal", "1.4"}, {"sklearn", "1.9"}, {"uncertainty-calibration", "0.1"}};
  std::vector<std::string> known;
  for (const auto& [name, version] : kFollowed) {
    known.push_back(name + "-" + version);
    if (asked.empty() || asked == name || asked == known.back()) return asked.empty() ? "" : name;
  }
  throw Error(ExitCode::usage, "no profile '" + asked + "'", did_you_mean(asked, known));
}

const Scaling& scaling_of(const std::string& name) {
  if (const Scaling* scaling = Registry<Scaling>::find(name)) return *scaling;
  std::vector<std::string> names;
  for (const auto& [key, entry] : Registry<Scaling>::all()) names.push_back(key);
  throw Error(ExitCode::usage, "no scaling '" + name + "'", did_you_mean(name, names));
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

  Outputs of_logits(std::int64_t n, int classes, const float* logits, const std::uint16_t* labels) {
    rows_.resize(static_cast<std::size_t>(n));
    score_logits({}, n, classes, logits, labels, nullptr, rows_.data());
    if (!all_classes_) return {n, classes, nullptr, labels, rows_.data()};
    probabilities_.resize(static_cast<std::size_t>(n * classes));
    probabilities_of(n, classes, logits, rows_.data(), probabilities_.data());
    return {n, classes, probabilities_.data(), labels, rows_.data()};
  }

  Outputs of_probabilities(std::int64_t n, int classes, const float* values, const std::uint16_t* labels) {
    rows_.resize(static_cast<std::size_t>(n));
    score_probabilities({}, n, classes, values, labels, rows_.data());
    return {n, classes, values, labels, rows_.data()};
  }

  /// Samples [first, first + n) of what was saved.
  Outputs of(SavedOutputs& saved, std::int64_t first, std::int64_t n, const std::uint16_t* labels) {
    const float* values = saved.values(first, n);
    if (saved.logits()) return of_logits(n, saved.classes(), values, labels);
    rows_.resize(static_cast<std::size_t>(n));
    // A margin for sums in another order and in float32: rows in doubt are looked at again.
    const auto tolerance = 0.9f * static_cast<float>(saved.rounding());
    if (top_label_ && top_labels(n, saved.classes(), values, labels, tolerance, rows_.data()))
      return {n, saved.classes(), values, labels, rows_.data()};
    saved.check_probabilities(values, first, n);
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

template <class F>
void each_block(const SavedOutputs& saved, const F& f) {
  for (std::int64_t first = 0; first < saved.n(); first += saved.at_once())
    f(first, std::min(saved.at_once(), saved.n() - first));
}

/// The conformal quantiles of a held-out split, a metric each.
std::vector<double> thresholds_of(std::span<const ChosenMetric> metrics, Scaled& scaled, SavedOutputs* held_out,
                                  double alpha) {
  std::vector<double> thresholds(metrics.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<std::vector<double>> scores(metrics.size());
  const auto fitted = [](const ChosenMetric& m) { return m.output != nullptr && m.output->nonconformity != nullptr; };
  if (std::ranges::none_of(metrics, fitted)) return thresholds;
  Scorer scorer(metrics);
  each_block(*held_out, [&](std::int64_t first, std::int64_t n) {
    const std::vector<std::uint16_t> labels = held_out->labels(first, n);
    const Outputs outputs = scaled.of(scorer, *held_out, first, n, labels.data());
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      if (!fitted(metrics[m])) continue;
      scores[m].resize(static_cast<std::size_t>(first + n));
      metrics[m].output->nonconformity(outputs, scores[m].data() + first);
    }
  });
  for (std::size_t m = 0; m < metrics.size(); ++m)
    if (fitted(metrics[m])) thresholds[m] = conformal_quantile(std::move(scores[m]), alpha);
  return thresholds;
}

/// Finds out whether samples were fitted on: rows, with their labels, that occur once in both files. Those of a model
/// of few answers occur more often, and tell nothing.
class Overlap {
 public:
  void fitted_on(SavedOutputs& saved, std::int64_t first, std::int64_t n, const std::vector<std::uint16_t>& labels) {
    each_hash(saved, first, n, labels, [&](std::size_t hash) { ++seen_[hash].fitted; });
  }
  void tested_on(SavedOutputs& saved, std::int64_t first, std::int64_t n, const std::vector<std::uint16_t>& labels) {
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
                              tested.file(), held_out.file()),
                  "fit on samples that are not scored");
  }

 private:
  template <class F>
  static void each_hash(SavedOutputs& saved, std::int64_t first, std::int64_t n,
                        const std::vector<std::uint16_t>& labels, const F& f) {
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

std::unique_ptr<SavedOutputs> held_out_of(const Options& options, const SavedOutputs& saved,
                                          std::span<const ChosenMetric> metrics) {
  if (!saved.logits() && !options.scalings.empty())
    throw Error(ExitCode::usage, "scalings change logits, found probabilities", "give --logits and --fit-logits");
  const std::string& file = saved.logits() ? options.fit_logits : options.fit_probabilities;
  const std::string option = saved.logits() ? "--fit-logits" : "--fit-probs";
  if (!(saved.logits() ? options.fit_probabilities : options.fit_logits).empty())
    throw Error(ExitCode::usage, fmt::format("a held-out split of the other kind, expected {}", option));
  if (file.empty() != options.fit_labels.empty())
    throw Error(ExitCode::usage, fmt::format("give {} and --fit-labels together", option));
  if (file.empty()) {
    for (const ChosenMetric& chosen : metrics)
      if (chosen.output != nullptr && chosen.output->nonconformity != nullptr)
        throw Error(ExitCode::usage, fmt::format("{} is fitted on a held-out split", chosen.name),
                    fmt::format("give it with {} and --fit-labels", option));
    if (!options.scalings.empty())
      throw Error(ExitCode::usage, fmt::format("{} is fitted on a held-out split", options.scalings[0]),
                  fmt::format("give it with {} and --fit-labels", option));
    return nullptr;
  }
  for (const ChosenMetric& chosen : metrics)
    if (chosen.output != nullptr && chosen.output->nonconformity != nullptr && !options.scalings.empty())
      throw Error(ExitCode::usage,
                  fmt::format("{} and {} on one held-out split, whose labels the scaling has seen", chosen.name,
                              options.scalings[0]),
                  "ask for them apart: sets cover what they promise only by labels that nothing was fitted on");
  auto held_out = std::make_unique<SavedOutputs>(file, options.fit_labels, saved.logits(), options.dtype == "bf16");
  if (held_out->classes() != saved.classes())
    throw Error(ExitCode::input, fmt::format("'{}' has {} classes, expected {} as '{}' has", file, held_out->classes(),
                                             saved.classes(), saved.file()));
  if (fs::equivalent(file, saved.file()))
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

void print(const nlohmann::json& metrics) {
  for (const auto& [name, entry] : metrics.items())
    fmt::print("{:<30} {}   {}\n", name, entry["value"].dump(), entry["definition"].get<std::string>());
}
void print_groups(const nlohmann::json& groups) {
  for (const auto& [name, entry] : groups["metrics"].items())
    if (!entry["worst"].is_null())
      fmt::print("{:<30} worst {} in {} {}, gap {}\n", name, entry["worst"]["value"].dump(),
                 groups["by"].get<std::string>(), entry["worst"]["group"].dump(), entry["gap"].dump());
}

ExitCode score(const Options& options) {
  if (options.logits.empty() == options.probabilities.empty())
    throw Error(ExitCode::usage, "give either --logits or --probs");
  if (!options.groups.empty() + !options.class_groups.empty() + options.by_class > 1)
    throw Error(ExitCode::usage, "give one of --groups, --class-groups and --by-class");
  const std::string profile = profile_of(options.profile);
  std::vector<ChosenMetric> metrics;
  for (const std::string& name : options.metrics) metrics.push_back(choose(name, profile));
  std::vector<Scaled> forms(1);  // the first: as they are
  for (const std::string& name : options.scalings) forms.push_back({&scaling_of(name)});

  const bool from_logits = !options.logits.empty();
  SavedOutputs saved(from_logits ? options.logits : options.probabilities, options.labels, from_logits,
                     options.dtype == "bf16");
  const Groups groups(options, saved.n(), saved.classes());
  const std::unique_ptr<SavedOutputs> held_out = held_out_of(options, saved, metrics);
  Overlap overlap;
  if (held_out != nullptr)
    each_block(*held_out, [&](std::int64_t first, std::int64_t n) {
      overlap.fitted_on(*held_out, first, n, held_out->labels(first, n));
    });
  const HeldOut split{saved.classes(), held_out != nullptr ? held_out->n() : 0, [&](const HeldOut::Visit& visit) {
                        each_block(*held_out, [&](std::int64_t first, std::int64_t n) {
                          const std::vector<std::uint16_t> labels = held_out->labels(first, n);
                          visit(held_out->values(first, n), labels.data(), n);
                        });
                      }};
  std::vector<Pass> passes;
  std::vector<std::vector<double>> thresholds;
  for (Scaled& form : forms) {
    if (form.scaling != nullptr) form.fitted = form.scaling->fit(split);
    thresholds.push_back(thresholds_of(metrics, form, held_out.get(), options.alpha));
    passes.emplace_back(metrics, saved.classes(), thresholds.back(), groups);
  }
  Scorer scorer(metrics);
  each_block(saved, [&](std::int64_t first, std::int64_t n) {
    const std::vector<std::uint16_t> labels = saved.labels(first, n);
    overlap.tested_on(saved, first, n, labels);
    for (std::size_t f = 0; f < forms.size(); ++f)
      passes[f].add(forms[f].of(scorer, saved, first, n, labels.data()), first);
  });
  if (held_out != nullptr) overlap.check(saved, *held_out);

  nlohmann::json report = {{"schema", 1}, {"n", saved.n()}};
  for (std::size_t f = 0; f < forms.size(); ++f) {
    nlohmann::json part = {{"metrics", report_of(metrics, passes[f].all(), thresholds[f], options.alpha)}};
    if (!groups.by.empty()) part["groups"] = report_of_groups(metrics, passes[f], groups);
    if (f == 0) {
      report.update(part);
      continue;
    }
    part["definition"] = forms[f].scaling->definition;
    for (const auto& [name, values] : forms[f].fitted) part["parameters"][name] = numbers(values);
    report["scalings"][options.scalings[f - 1]] = part;
  }
  if (options.json) {
    print_json(report);
  } else {
    print(report["metrics"]);
    if (report.contains("groups")) print_groups(report["groups"]);
    for (const std::string& name : options.scalings) {
      const nlohmann::json& part = report["scalings"][name];
      fmt::print("\nafter {}: {}\n", name, part["definition"].get<std::string>());
      for (const auto& [key, values] : part["parameters"].items())
        if (values.size() == 1) fmt::print("{:<30} {}\n", key, values[0].dump());
      print(part["metrics"]);
      if (part.contains("groups")) print_groups(part["groups"]);
    }
  }
  if (const std::int64_t undecided = passes[0].all().undecided(); undecided > 0)
    fmt::print(stderr, "warning: {} rows are undecided: {}\n", undecided,
               from_logits ? "their logits are not finite" : "a probability is above 1");
  return ExitCode::done;
}

}  // namespace

Verb add_score(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("score", "Metrics of saved logits or probabilities");
  verb->add_option("--logits", options->logits, "N x K .npy: float16, float32, float64");
  verb->add_option("--probs", options->probabilities, "N x K .npy, as --logits, rows sum to 1");
  verb->add_option("--labels", options->labels, "N integers, .npy")->required();
  verb->add_option("--metric", options->metrics, "metric, may be repeated")->required();
  verb->add_option("--dtype", options->dtype, "bf16: the values are bfloat16, saved as uint16")
      ->check(CLI::IsMember({"auto", "bf16"}));
  verb->add_option("--profile", options->profile,
                   "follow a peer's rule: torchmetrics-1.9, netcal-1.4, sklearn-1.9 or uncertainty-calibration-0.1");
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
