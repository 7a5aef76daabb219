#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "assay/core/math.hpp"
#include "assay/rank.hpp"
#include "cli/cli.hpp"
#include "core/text.hpp"
#include "core/top_label.hpp"
#include "data/npy.hpp"
#include "sinks/json.hpp"

namespace assay::cli {
namespace {

struct Options {
  std::string logits, probabilities, labels, profile, dtype = "auto";
  std::vector<std::string> metrics;
  bool json = false;
};

/// float16.
float half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, magnitude = bits & 0x7FFFu;
  if (magnitude >= 0x7C00u) return bits_to_float(sign | 0x7F800000u | magnitude << 13);
  if (magnitude < 0x0400u) return bits_to_float(sign | float_to_bits(static_cast<float>(magnitude) * 0x1p-24f));
  return bits_to_float(sign | ((magnitude << 13) + ((127u - 15u) << 23)));
}
float bfloat16(std::uint16_t bits) {
  return bits_to_float(static_cast<std::uint32_t>(bits) << 16);
}

/// N x K reals of any width, a number of rows at a time as float32.
class Matrix {
 public:
  Matrix(const std::string& file, bool bf16) : array_(file), bf16_(bf16) {
    const std::vector<std::int64_t>& shape = array_.shape();
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 2)
      throw Error(ExitCode::input,
                  "'" + file + "' has shape " + shape_text(shape) + ", expected N x K with K >= 2 classes");
    if (shape[1] > 65535)
      throw Error(ExitCode::input, fmt::format("'{}' has {} classes, expected at most 65535", file, shape[1]));
    const std::string& dtype = array_.dtype();
    if (bf16 ? dtype != "<u2" : dtype != "<f2" && dtype != "<f4" && dtype != "<f8")
      throw Error(ExitCode::input,
                  "'" + file + "' holds " + dtype + ", expected " +
                      (bf16 ? "bfloat16 as uint16" : "float16, float32 or float64"),
                  dtype == "<u2" ? "bfloat16 saved as uint16 needs --dtype bf16" : "");
  }

  std::int64_t rows() const { return array_.shape()[0]; }
  std::int64_t classes() const { return array_.shape()[1]; }
  /// What sums of a row's probabilities, each rounded to a number of this type, may be off.
  double rounding() const { return bf16_ ? 0.005 : 0.001; }

  const float* read(std::int64_t first, std::int64_t count) {
    const std::int64_t begin = first * classes(), n = count * classes();
    if (bf16_) return converted<std::uint16_t>(begin, n, bfloat16);
    if (array_.dtype() == "<f2") return converted<std::uint16_t>(begin, n, half);
    if (array_.dtype() == "<f8") return converted<double>(begin, n, [](double v) { return static_cast<float>(v); });
    const std::uint8_t* from = array_.bytes() + begin * static_cast<std::int64_t>(sizeof(float));
    if (reinterpret_cast<std::uintptr_t>(from) % alignof(float) == 0) return reinterpret_cast<const float*>(from);
    return converted<float>(begin, n, [](float v) { return v; });
  }

 private:
  template <class T, class F>
  const float* converted(std::int64_t begin, std::int64_t n, const F& f) {
    const std::uint8_t* from = array_.bytes() + begin * static_cast<std::int64_t>(sizeof(T));
    values_.resize(static_cast<std::size_t>(n));
    for (float& value : values_) {
      T one;
      std::memcpy(&one, from, sizeof one);
      from += sizeof one;
      value = f(one);
    }
    return values_.data();
  }

  MappedNpy array_;
  bool bf16_;
  std::vector<float> values_;
};

std::vector<std::uint16_t> labels_of(const MappedNpy& array, std::int64_t first, std::int64_t count,
                                     std::int64_t classes) {
  std::vector<std::uint16_t> labels = read_labels(array, first, count);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= classes)
      throw Error(ExitCode::input, fmt::format("'{}': label {} at index {}, expected 0..{}", array.path().string(),
                                               labels[i], first + static_cast<std::int64_t>(i), classes - 1));
  return labels;
}

void check_probabilities(const std::string& file, const float* values, std::int64_t first, std::int64_t count,
                         std::int64_t classes, double rounding) {
  for (std::int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (std::int64_t k = 0; k < classes; ++k) {
      const auto p = static_cast<double>(values[i * classes + k]);
      if (p < 0)
        throw Error(ExitCode::input, fmt::format("'{}': row {} has {}, expected probabilities", file, first + i, p),
                    "give logits with --logits");
      sum += p;
    }
    if (!(std::abs(sum - 1) < rounding))
      throw Error(ExitCode::input,
                  fmt::format("'{}': row {} sums to {}, expected probabilities that sum to 1", file, first + i, sum),
                  "give logits with --logits");
  }
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

  const bool from_logits = !options.logits.empty();
  const std::string& file = from_logits ? options.logits : options.probabilities;
  Matrix matrix(file, options.dtype == "bf16");
  const MappedNpy labels(options.labels);
  const std::int64_t n = matrix.rows(), classes = matrix.classes();
  if (labels.shape().size() != 1 || labels.shape()[0] != n)
    throw Error(ExitCode::input, fmt::format("'{}' has shape {}, expected ({},), a label a row", options.labels,
                                             shape_text(labels.shape()), n));
  const bool ranked = std::ranges::any_of(metrics, [](const Metric* metric) { return metric->rank != nullptr; });
  const bool top_label =
      std::ranges::all_of(metrics, [](const Metric* metric) { return metric->rank != nullptr || metric->top_label; });
  const Exec exec;
  std::vector<std::vector<std::uint64_t>> states;
  for (const Metric* metric : metrics) states.emplace_back(static_cast<std::size_t>(metric->words));
  std::vector<SampleRow> rows;
  ByConfidence order;
  std::int64_t undecided = 0;
  constexpr std::int64_t kValuesAtOnce = std::int64_t{1} << 18;
  const std::int64_t at_once = std::max<std::int64_t>(1, kValuesAtOnce / classes);
  for (std::int64_t first = 0; first < n; first += at_once) {
    const std::int64_t count = std::min(at_once, n - first);
    const float* values = matrix.read(first, count);
    const std::vector<std::uint16_t> own = labels_of(labels, first, count, classes);
    rows.resize(static_cast<std::size_t>(count));
    if (from_logits) {
      score_logits(exec, count, static_cast<int>(classes), values, own.data(), nullptr, rows.data());
    } else if (!top_label || !top_labels(count, static_cast<int>(classes), values, own.data(),
                                         0.9f * static_cast<float>(matrix.rounding()), rows.data())) {
      check_probabilities(file, values, first, count, classes, matrix.rounding());
      score_probabilities(exec, count, static_cast<int>(classes), values, own.data(), rows.data());
    }
    for (std::size_t m = 0; m < metrics.size(); ++m)
      if (metrics[m]->reduce != nullptr) metrics[m]->reduce(exec, rows.data(), count, states[m].data());
    if (ranked) order.add(rows);
    undecided += std::ranges::count_if(rows, [](const SampleRow& row) { return row.has(SampleRow::undecided); });
  }
  const Ranking ranking = order.ranking();
  nlohmann::json report = nlohmann::json::object();
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    const Metric& metric = *metrics[m];
    report[options.metrics[m]] =
        to_json(metric.rank != nullptr ? metric.rank(ranking) : metric.finish(states[m].data()), metric.definition);
  }
  if (options.json)
    print_json({{"schema", 1}, {"n", n}, {"metrics", report}});
  else
    for (const auto& [name, entry] : report.items())
      fmt::print("{:<30} {}   {}\n", name, entry["value"].dump(), entry["definition"].get<std::string>());
  if (undecided > 0) fmt::print(stderr, "warning: {} rows are undecided: their logits are not finite\n", undecided);
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
                   "follow a peer's rule where it differs: torchmetrics, sklearn, uncertainty-calibration");
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return score(*options); }};
}

}  // namespace assay::cli
