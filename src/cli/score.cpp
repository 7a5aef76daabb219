#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>

#include "cli/cli.hpp"
#include "cli/saved_cell.hpp"
#include "cli/scorer.hpp"
#include "core/text.hpp"
#include "sinks/json.hpp"

namespace assay::cli {
namespace {

namespace fs = std::filesystem;

/// A held-out split: its files, or which of a sweep's samples it is.
struct Split {
  std::string option;  ///< how its options begin
  std::string logits = {}, probabilities = {}, labels = {}, samples = {};
};

struct Options {
  std::string logits, probabilities, labels, dtype = "auto";
  std::optional<std::string> profile;  ///< absent: that of the sweep, else none
  Split fit{"--fit"}, conformal{"--conformal"};
  std::string run, groups, class_groups;
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
  const std::optional<std::string> found = find_profile(asked);
  if (!found) throw Error(ExitCode::usage, "no profile '" + asked + "'", did_you_mean(asked, profiles()));
  return *found;
}
/// `otherwise`: the profile where none is asked for.
std::vector<ChosenMetric> metrics_of(const Options& options, const std::string& otherwise) {
  const std::string profile = options.profile ? profile_of(*options.profile) : otherwise;
  std::vector<ChosenMetric> metrics;
  for (const std::string& name : options.metrics) metrics.push_back(choose(name, profile));
  note_idle_profile(options.metrics, profile);
  return metrics;
}

std::vector<const Scaling*> scalings_of(const Options& options) {
  std::vector<const Scaling*> scalings;
  for (const std::string& name : options.scalings) {
    scalings.push_back(Registry<Scaling>::find(name));
    if (scalings.back() == nullptr)
      throw Error(ExitCode::usage, "no scaling '" + name + "'", did_you_mean(name, keys(Registry<Scaling>::all())));
  }
  return scalings;
}

/// What is fitted needs a held-out split, and two fits on one split spoil the second. `named`: the options of a split.
template <class F>
void check_fits(const Options& options, std::span<const ChosenMetric> metrics, bool fit, bool conformal,
                const F& named) {
  const auto sets = std::ranges::find_if(metrics, is_conformal);
  const bool any_sets = sets != metrics.end(), any_scaling = !options.scalings.empty();
  if (conformal && !any_sets)
    throw Error(ExitCode::usage, named(options.conformal) + ": no metric makes conformal sets",
                "ask for conformal_lac, conformal_aps or conformal_raps, or leave that split out");
  if ((any_sets && !fit && !conformal) || (any_scaling && !fit))
    throw Error(ExitCode::usage,
                fmt::format("{} is fitted on a held-out split", any_scaling ? options.scalings[0] : sets->name),
                "give it with " + named(options.fit));
  if (any_sets && any_scaling && !conformal)
    throw Error(ExitCode::usage,
                fmt::format("{} and {} on one held-out split, whose labels the scaling has seen", sets->name,
                            options.scalings[0]),
                "sets cover what they promise only by labels that nothing was fitted on: give others with " +
                    named(options.conformal));
}

/// Null where there is none.
std::unique_ptr<SavedFiles> saved_split(const Split& split, const SavedFiles& saved, bool bf16) {
  const std::string option = split.option + (saved.logits() ? "-logits" : "-probs");
  const std::string& file = saved.logits() ? split.logits : split.probabilities;
  if (!(saved.logits() ? split.probabilities : split.logits).empty())
    throw Error(ExitCode::usage, fmt::format("a held-out split of the other kind, expected {}", option));
  if (file.empty() != split.labels.empty())
    throw Error(ExitCode::usage, fmt::format("give {} and {}-labels together", option, split.option));
  if (file.empty()) return nullptr;
  auto held_out = std::make_unique<SavedFiles>(file, split.labels, saved.logits(), bf16);
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
    if (is_conformal(metrics[m])) entry["data"].update({{"alpha", alpha}, {"threshold", number(thresholds[m])}});
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

/// Scores the samples as they are and after every scaling, and shows them to `overlaps`.
nlohmann::json score_samples(const Options& options, std::span<const ChosenMetric> metrics, Fitted& fitted,
                             const Samples& tested, std::span<Overlap> overlaps) {
  SavedOutputs& saved = *tested.saved;
  const Groups groups(options.groups, options.class_groups, options.by_class, saved.n(), saved.classes());
  std::vector<Pass> passes;
  for (const std::vector<double>& thresholds : fitted.thresholds)
    passes.emplace_back(metrics, saved.classes(), thresholds, groups).all().expect(tested.n());
  Scorer scorer(metrics);
  tested.each_block([&](std::int64_t first, std::int64_t n) {
    const std::span<const std::uint16_t> labels = saved.labels(first, n);
    for (Overlap& overlap : overlaps) overlap.tested_on(saved, first, n, labels);
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

void warn_of_undecided(const Fitted& fitted, const SavedOutputs* saved) {
  if (fitted.undecided > 0)
    fmt::print(
        stderr,
        "warning: {} of the samples of '{}' that conformal sets are made of are undecided; sets are larger for it\n",
        fitted.undecided, saved->name());
}

ExitCode score_files(const Options& options, std::span<const ChosenMetric> metrics,
                     std::span<const Scaling* const> scalings) {
  const bool from_logits = !options.logits.empty();
  if (options.labels.empty()) throw Error(ExitCode::usage, "give --labels");
  if (!options.fit.samples.empty() || !options.conformal.samples.empty() || !options.filters.empty())
    throw Error(ExitCode::usage, "--fit-samples, --conformal-samples and --filter choose of a sweep", "give --run");
  const bool bf16 = options.dtype == "bf16";
  SavedFiles saved(from_logits ? options.logits : options.probabilities, options.labels, from_logits, bf16);
  if (!from_logits && !options.scalings.empty())
    throw Error(ExitCode::usage, "scalings change logits, found probabilities", "give --logits and --fit-logits");
  const std::unique_ptr<SavedFiles> fit = saved_split(options.fit, saved, bf16);
  const std::unique_ptr<SavedFiles> conformal = saved_split(options.conformal, saved, bf16);
  check_fits(options, metrics, fit != nullptr, conformal != nullptr, [&](const Split& split) {
    return split.option + (from_logits ? "-logits and " : "-probs and ") + split.option + "-labels";
  });
  if (fit != nullptr && conformal != nullptr && fs::equivalent(fit->name(), conformal->name()))
    throw Error(ExitCode::input,
                fmt::format("'{}' is both the scalings' split and that of conformal sets", fit->name()),
                "give each one of its own");
  std::vector<Overlap> overlaps;
  if (fit != nullptr) overlaps.emplace_back(*fit);
  if (conformal != nullptr) overlaps.emplace_back(*conformal);
  if (overlaps.size() == 2) overlaps[0].check(overlaps[1]);
  const auto all_of = [](SavedFiles* of) { return of != nullptr ? Samples::all(*of) : Samples{}; };
  Fitted fitted(scalings, metrics, all_of(fit.get()), all_of(conformal.get()), options.alpha);
  warn_of_undecided(fitted, (conformal != nullptr ? conformal : fit).get());
  nlohmann::json report = score_samples(options, metrics, fitted, Samples::all(saved), overlaps);
  for (const Overlap& overlap : overlaps) overlap.check(saved);
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

/// "LO:HI" within n samples.
Samples::Range range_of(const Split& split, std::int64_t n) {
  const std::string& text = split.samples;
  Samples::Range range{-1, -1};
  const char* const end = text.data() + text.size();
  auto [at, failed] = std::from_chars(text.data(), end, range.lo);
  if (failed == std::errc() && at != end && *at == ':') at = std::from_chars(at + 1, end, range.hi).ptr;
  if (at != end || range.lo < 0 || range.hi <= range.lo || range.hi > n)
    throw Error(ExitCode::usage, fmt::format("{}-samples {}", split.option, text),
                fmt::format("expected LO:HI, samples LO to HI - 1 of the {} in this sweep", n));
  return range;
}

/// Of a sweep's samples those that are fitted on, and those that are left to score.
struct Parts {
  std::optional<Samples::Range> fit, conformal;
  std::vector<Samples::Range> tested;

  Parts(const Options& options, std::int64_t n) {
    std::vector<Samples::Range> taken;
    if (!options.fit.samples.empty()) taken.push_back(fit.emplace(range_of(options.fit, n)));
    if (!options.conformal.samples.empty()) taken.push_back(conformal.emplace(range_of(options.conformal, n)));
    std::ranges::sort(taken, {}, &Samples::Range::lo);
    std::int64_t from = 0;
    for (const auto& [lo, hi] : taken) {
      if (lo < from)
        throw Error(ExitCode::usage,
                    fmt::format("--fit-samples {} and --conformal-samples {} overlap", options.fit.samples,
                                options.conformal.samples),
                    "sets cover what they promise only by labels that nothing was fitted on");
      if (from < lo) tested.push_back({from, lo});
      from = hi;
    }
    if (from < n) tested.push_back({from, n});
    if (tested.empty())
      throw Error(ExitCode::usage, fmt::format("all {} samples of this sweep are fitted on", n), "leave some to score");
  }
};

ExitCode score_run(const Options& options, const Store& store, const Plan& plan, std::span<const ChosenMetric> metrics,
                   std::span<const Scaling* const> scalings) {
  for (const std::string* file :
       {&options.labels, &options.fit.logits, &options.fit.probabilities, &options.fit.labels,
        &options.conformal.logits, &options.conformal.probabilities, &options.conformal.labels})
    if (!file->empty() || options.dtype != "auto")
      throw Error(ExitCode::usage, "a sweep has its own labels and types",
                  "of the other options --run takes --fit-samples, --conformal-samples, "
                  "--filter, --metric, --scaling, --alpha, --profile, --groups, --class-groups and --by-class");
  if (!plan.keep_logits)
    throw Error(ExitCode::input, "the sweep in '" + options.run + "' keeps no logits",
                "run it again with keep = \"logits\"");
  check_fits(options, metrics, !options.fit.samples.empty(), !options.conformal.samples.empty(),
             [](const Split& split) { return split.option + "-samples"; });
  const Parts parts(options, plan.n);
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
  if (parts.fit) report["fit_samples"] = {parts.fit->lo, parts.fit->hi};
  if (parts.conformal) report["conformal_samples"] = {parts.conformal->lo, parts.conformal->hi};
  for (const int c : cells) {
    const Cell& cell = plan.cells[static_cast<std::size_t>(c)];
    auto fitted = by_model.find(cell.model);
    if (fitted == by_model.end()) {
      const auto clean = std::ranges::find_if(
          plan.cells, [&](const Cell& of) { return of.model == cell.model && of.perturbation < 0; });
      std::optional<SavedCell> saved;
      if (parts.fit || parts.conformal) {
        saved.emplace(plan, store, static_cast<int>(clean - plan.cells.begin()), labels);
        if (saved->classes() == 0)
          throw Error(ExitCode::input, "no unit of '" + saved->name() + "' was computed, on which to fit",
                      "run the sweep again, or name cells of other models with --filter");
        if (!options.scalings.empty()) check_decided(*saved, *parts.fit);
      }
      const auto some = [&](const std::optional<Samples::Range>& range) {
        return range ? Samples{&*saved, {*range}} : Samples{};
      };
      fitted =
          by_model.try_emplace(cell.model, scalings, metrics, some(parts.fit), some(parts.conformal), options.alpha)
              .first;
      warn_of_undecided(fitted->second, saved ? &*saved : nullptr);
    }
    SavedCell saved(plan, store, c, labels);
    const Samples samples{&saved, parts.tested};
    const bool computed = saved.classes() > 0;
    nlohmann::json entry = computed ? score_samples(options, metrics, fitted->second, samples, {})
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
    fmt::print("{:<30} {}\n", "after " + name, Registry<Scaling>::find(name)->definition);
  return ExitCode::done;
}

ExitCode score(const Options& options) {
  if (!(options.alpha > 0 && options.alpha < 1))
    throw Error(ExitCode::usage, fmt::format("--alpha {}: expected a number above 0 and below 1", options.alpha));
  if (!options.run.empty() + !options.logits.empty() + !options.probabilities.empty() != 1)
    throw Error(ExitCode::usage, "give one of --logits, --probs and --run");
  if (!options.groups.empty() + !options.class_groups.empty() + options.by_class > 1)
    throw Error(ExitCode::usage, "give one of --groups, --class-groups and --by-class");
  const std::vector<const Scaling*> scalings = scalings_of(options);
  if (options.run.empty()) return score_files(options, metrics_of(options, ""), scalings);
  const Store store(options.run);
  const Plan plan = plan_in(store);
  return score_run(options, store, plan, metrics_of(options, plan.profile), scalings);
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
  verb->add_option("--fit-samples", options->fit.samples,
                   "LO:HI of the sweep's samples: each model's clean outputs of these are its held-out split, the "
                   "others are scored");
  verb->add_option("--conformal-samples", options->conformal.samples,
                   "LO:HI of the others: of these alone conformal sets are made, after scalings too");
  verb->add_option("--metric", options->metrics, "metric, may be repeated")->required();
  verb->add_option("--dtype", options->dtype, "bf16: the values are bfloat16, saved as uint16")
      ->check(CLI::IsMember({"auto", "bf16"}));
  verb->add_option("--profile", options->profile,
                   "follow a peer's rule where it has one: " + join(profiles()) + "; or none: assay");
  verb->add_option("--fit-logits", options->fit.logits, "a held-out split's, M x K, for scalings and conformal sets");
  verb->add_option("--fit-probs", options->fit.probabilities, "the same beside --probs, for conformal sets");
  verb->add_option("--fit-labels", options->fit.labels, "its M labels");
  verb->add_option("--conformal-logits", options->conformal.logits,
                   "a second split, for conformal sets alone, which scalings then do not spoil");
  verb->add_option("--conformal-probs", options->conformal.probabilities, "the same beside --probs");
  verb->add_option("--conformal-labels", options->conformal.labels, "its labels");
  verb->add_option("--scaling", options->scalings,
                   "score once more after: temperature, vector or isotonic; may be repeated");
  verb->add_option("--alpha", options->alpha, "share of labels that conformal sets may miss (default: 0.1)");
  verb->add_option("--groups", options->groups, "N integers 0..65535: metrics of every group, the worst and the gap");
  verb->add_option("--class-groups", options->class_groups, "K integers: the group of every label");
  for (const char* option :
       {"--fit-samples", "--fit-logits", "--fit-probs", "--fit-labels", "--conformal-samples", "--conformal-logits",
        "--conformal-probs", "--conformal-labels", "--groups", "--class-groups"})
    verb->get_option(option)->check(not_empty());
  verb->add_flag("--by-class", options->by_class, "every label is a group");
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return score(*options); }};
}

}  // namespace assay::cli
