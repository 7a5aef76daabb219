#include <fmt/format.h>

#include <algorithm>

#include "cli/cli.hpp"
#include "core/text.hpp"
#include "data/npy.hpp"
#include "sinks/json.hpp"

namespace assay::cli {
namespace {

struct Options {
  std::string logits, probabilities, labels, profile;
  std::vector<std::string> metrics;
  bool json = false;
};

/// N x K reals as float32.
std::vector<float> read_matrix(const std::string& file, std::int64_t& n, std::int64_t& classes) {
  const NpyArray array = read_npy(file);
  if (array.shape.size() != 2 || array.shape[0] < 1 || array.shape[1] < 2)
    throw Error(ExitCode::input,
                "'" + file + "' has shape " + shape_text(array.shape) + ", expected N x K with K >= 2 classes");
  n = array.shape[0];
  classes = array.shape[1];
  if (array.dtype == "<f4") return array.values<float>();
  if (array.dtype != "<f8")
    throw Error(ExitCode::input, "'" + file + "' holds " + array.dtype + ", expected float32 or float64");
  const std::vector<double> wide = array.values<double>();
  return {wide.begin(), wide.end()};
}

std::vector<std::uint16_t> read_score_labels(const std::string& file, std::int64_t n, std::int64_t classes) {
  std::vector<std::uint16_t> labels = read_labels(file);
  if (static_cast<std::int64_t>(labels.size()) != n)
    throw Error(ExitCode::input, fmt::format("'{}' holds {} labels, expected {}, one a row", file, labels.size(), n));
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= classes)
      throw Error(ExitCode::input,
                  fmt::format("'{}': label {} at index {}, expected 0..{}", file, labels[i], i, classes - 1));
  return labels;
}

const Metric& choose(const std::string& name, const std::string& profile) {
  const Metric* metric = Registry<Metric>::find(name);
  if (metric == nullptr || !metric->applies(CellKind::clean)) {
    std::vector<std::string> names;
    for (const auto& [key, entry] : Registry<Metric>::all())
      if (entry.applies(CellKind::clean)) names.push_back(key);
    throw Error(ExitCode::usage, "no metric '" + name + "' of logits", did_you_mean(name, names));
  }
  for (const Metric& variant : metric->profiles)
    if (variant.profile == profile) return variant;
  return *metric;
}

void check_profile(const std::string& profile) {
  std::vector<std::string> known;
  for (const auto& [name, metric] : Registry<Metric>::all())
    for (const Metric& variant : metric.profiles) known.push_back(variant.profile);
  if (!profile.empty() && std::find(known.begin(), known.end(), profile) == known.end())
    throw Error(ExitCode::usage, "no profile '" + profile + "'", did_you_mean(profile, known));
}

ExitCode score(const Options& options) {
  if (options.logits.empty() == options.probabilities.empty())
    throw Error(ExitCode::usage, "give either --logits or --probs");
  check_profile(options.profile);
  std::vector<const Metric*> metrics;
  for (const std::string& name : options.metrics) metrics.push_back(&choose(name, options.profile));

  std::int64_t n = 0, classes = 0;
  const bool from_logits = !options.logits.empty();
  const std::vector<float> values = read_matrix(from_logits ? options.logits : options.probabilities, n, classes);
  const std::vector<std::uint16_t> labels = read_score_labels(options.labels, n, classes);
  const Exec exec;
  std::vector<SampleRow> rows(static_cast<std::size_t>(n));
  if (from_logits) {
    score_logits(exec, n, static_cast<int>(classes), values.data(), labels.data(), nullptr, rows.data());
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (std::int64_t k = 0; k < classes; ++k) {
        const double p = static_cast<double>(values[static_cast<std::size_t>(i * classes + k)]);
        if (p < 0)
          throw Error(ExitCode::input,
                      fmt::format("'{}': row {} has {}, expected probabilities", options.probabilities, i, p),
                      "give logits with --logits");
        sum += p;
      }
      if (!(sum > 0.999 && sum < 1.001))
        throw Error(
            ExitCode::input,
            fmt::format("'{}': row {} sums to {}, expected probabilities that sum to 1", options.probabilities, i, sum),
            "give logits with --logits");
    }
    score_probabilities(exec, n, static_cast<int>(classes), values.data(), labels.data(), rows.data());
  }
  nlohmann::json report = nlohmann::json::object();
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    const Metric& metric = *metrics[m];
    std::vector<std::uint64_t> state(static_cast<std::size_t>(metric.words));
    if (metric.reduce != nullptr) metric.reduce(exec, rows.data(), n, state.data());
    report[options.metrics[m]] =
        to_json(metric.rank != nullptr ? metric.rank(rows) : metric.finish(state.data()), metric.definition);
  }
  if (options.json)
    print_json({{"schema", 1}, {"n", n}, {"metrics", report}});
  else
    for (const auto& [name, entry] : report.items())
      fmt::print("{:<30} {}   {}\n", name, entry["value"].dump(), entry["definition"].get<std::string>());
  const auto undecided =
      std::count_if(rows.begin(), rows.end(), [](const SampleRow& row) { return row.has(SampleRow::undecided); });
  if (undecided > 0) fmt::print(stderr, "warning: {} rows are undecided: their logits are not finite\n", undecided);
  return ExitCode::done;
}

}  // namespace

Verb add_score(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("score", "Metrics of saved logits or probabilities");
  verb->add_option("--logits", options->logits, "N x K .npy");
  verb->add_option("--probs", options->probabilities, "N x K .npy, rows sum to 1");
  verb->add_option("--labels", options->labels, "N integers, .npy")->required();
  verb->add_option("--metric", options->metrics, "metric, may be repeated")->required();
  verb->add_option("--profile", options->profile,
                   "follow a peer's rule where it differs: torchmetrics, sklearn, uncertainty-calibration");
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return score(*options); }};
}

}  // namespace assay::cli
