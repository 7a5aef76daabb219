#include "engine/corruption_errors.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "assay/core/error.hpp"
#include "data/file.hpp"
#include "engine/store.hpp"

namespace assay {
namespace {

using nlohmann::json;

/// Whether mCE counts it, and AlexNet's mean error over the five severities: augmix's utils and hendrycks/robustness,
/// issue 10; those of the four that mCE leaves out are rounded there.
struct Published {
  bool counts;
  double error;
};
const std::map<std::string, Published> kAlexNet = {
    {"gaussian_noise", {true, .886428}},
    {"shot_noise", {true, .894468}},
    {"impulse_noise", {true, .922640}},
    {"defocus_blur", {true, .819880}},
    {"glass_blur", {true, .826268}},
    {"motion_blur", {true, .785948}},
    {"zoom_blur", {true, .798360}},
    {"snow", {true, .866816}},
    {"frost", {true, .826572}},
    {"fog", {true, .819324}},
    {"brightness", {true, .564592}},
    {"contrast", {true, .853204}},
    {"elastic_transform", {true, .646056}},
    {"pixelate", {true, .717840}},
    {"jpeg_compression", {true, .606500}},
    {"speckle_noise", {false, .845}},
    {"gaussian_blur", {false, .787}},
    {"spatter", {false, .718}},
    {"saturate", {false, .658}},
};
constexpr double kAlexNetClean = .435;
constexpr int kCounted = 15;

double error_of(const CellResult& cell) {
  return cell.n == 0 ? CorruptionErrors::kUndefined
                     : static_cast<double>(cell.n - cell.correct) / static_cast<double>(cell.n);
}

CorruptionBaseline::Errors alexnet() {
  CorruptionBaseline::Errors errors{"224", "", kAlexNetClean, {}};
  for (const auto& [name, one] : kAlexNet) errors.corruptions[name] = one.error;
  return errors;
}
CorruptionBaseline::Errors as_baseline(const CorruptionErrors& of) {
  CorruptionBaseline::Errors errors{of.table, of.pipeline, of.clean_error, {}};
  for (const auto& [name, one] : of.corruptions) errors.corruptions[name] = one.error;
  return errors;
}

/// Sums in the corruptions' order, so that the same cells give the same bits.
void summarise(CorruptionErrors& all) {
  double error = 0;
  int counted = 0;
  for (auto& [name, one] : all.corruptions) {
    one.error = 0;
    for (const double e : one.by_severity) one.error += e;
    one.error /= 5;
    const auto found = kAlexNet.find(name);
    if (found == kAlexNet.end() || !found->second.counts) continue;
    ++counted;
    error += one.error;
  }
  if (counted == kCounted) all.mean_error = error / kCounted;
}
void compare(CorruptionErrors& all, const std::string& name, const CorruptionBaseline::Errors& baseline) {
  all.baseline = name;
  double ce = 0, relative = 0;
  int counted = 0;
  for (auto& [corruption, one] : all.corruptions) {
    const auto found = baseline.corruptions.find(corruption);
    if (found == baseline.corruptions.end()) continue;
    one.ce = one.error / found->second;
    one.relative_ce = (one.error - all.clean_error) / (found->second - baseline.clean_error);
    const auto published = kAlexNet.find(corruption);
    if (published == kAlexNet.end() || !published->second.counts) continue;
    ++counted;
    ce += one.ce;
    relative += one.relative_ce;
  }
  if (counted < kCounted) return;
  all.mce = ce / kCounted;
  all.relative_mce = relative / kCounted;
}

/// The errors for that table and pipeline, or null.
const CorruptionBaseline::Errors* find(const std::vector<CorruptionBaseline::Errors>& among,
                                       const CorruptionErrors& of) {
  const auto found = std::ranges::find_if(
      among, [&](const auto& one) { return one.table == of.table && one.pipeline == of.pipeline; });
  return found == among.end() ? nullptr : &*found;
}
void compare_all(std::vector<CorruptionErrors>& all, const std::optional<CorruptionBaseline>& baseline) {
  if (!baseline) {
    for (CorruptionErrors& one : all)
      if (one.table == "224") compare(one, "alexnet", alexnet());
    return;
  }
  std::vector<CorruptionBaseline::Errors> among = baseline->errors;
  if (among.empty())
    for (const CorruptionErrors& one : all)
      if (one.model == baseline->model) among.push_back(as_baseline(one));
  const std::string name = (baseline->errors.empty() ? "model:" : "results:") + baseline->model;
  for (CorruptionErrors& one : all)
    if (const auto* errors = find(among, one)) compare(one, name, *errors);
}

}  // namespace

CorruptionBaseline read_baseline(const std::filesystem::path& results, const std::string& model) {
  const std::string where = "the baseline's '" + results.string() + "'";
  const auto text = read_if_there(results);
  if (!text)
    throw Error(ExitCode::input, where + " is not there; expected the results.json of a run",
                "run that sweep first, or leave [baseline] out for AlexNet as published");
  CorruptionBaseline baseline{model, {}};
  std::set<std::string> models;
  try {
    const json all = json::parse(*text);
    for (const json& one : all.value("corruption_errors", json::array())) {
      const auto name = one.at("model").get<std::string>();
      models.insert(name);
      if (!model.empty() && name != model) continue;
      baseline.model = name;
      CorruptionBaseline::Errors errors{one.at("table").get<std::string>(),
                                        one.at("pipeline").get<std::string>(),
                                        one.at("clean_error").get<double>(),
                                        {}};
      for (const auto& [corruption, of] : one.at("corruptions").items())
        errors.corruptions[corruption] = of.at("error").get<double>();
      baseline.errors.push_back(std::move(errors));
    }
  } catch (const json::exception&) {
    throw Error(ExitCode::input, where + " is damaged, or not the results.json of a run");
  }
  if (models.empty())
    throw Error(ExitCode::input, where + " has no corruption at all five severities",
                "a baseline needs the corruptions that it is compared in");
  std::string known;
  for (const std::string& name : models) known += (known.empty() ? "'" : ", '") + printable(name) + "'";
  if (model.empty() && models.size() > 1)
    throw Error(ExitCode::input, where + " has more than one model: " + known, "add model = \"NAME\" to [baseline]");
  if (baseline.errors.empty())
    throw Error(ExitCode::input,
                where + " has no model '" + printable(model) + "' with corruption errors; it has " + known);
  return baseline;
}

json to_json(const CorruptionBaseline& baseline) {
  json errors = json::array();
  for (const CorruptionBaseline::Errors& one : baseline.errors)
    errors.push_back({{"table", one.table},
                      {"pipeline", one.pipeline},
                      {"clean_error", one.clean_error},
                      {"corruptions", one.corruptions}});
  return {{"model", baseline.model}, {"errors", errors}};
}
CorruptionBaseline baseline_from_json(const json& all) {
  CorruptionBaseline baseline{all.at("model").get<std::string>(), {}};
  for (const json& one : all.at("errors"))
    baseline.errors.push_back({one.at("table").get<std::string>(), one.at("pipeline").get<std::string>(),
                               one.at("clean_error").get<double>(),
                               one.at("corruptions").get<std::map<std::string, double>>()});
  return baseline;
}

std::vector<CorruptionErrors> corruption_errors(const std::vector<CellResult>& cells,
                                                const std::optional<CorruptionBaseline>& baseline) {
  std::map<std::string, double> clean;
  std::vector<std::string> models;  // in the sweep's order
  std::map<std::tuple<std::string, std::string, std::string>, std::map<std::string, std::map<std::int64_t, double>>>
      found;
  for (const CellResult& cell : cells) {
    if (cell.perturbation.empty()) {
      clean[cell.model] = error_of(cell);
      models.push_back(cell.model);
    }
    if (cell.kind != CellKind::corrupted || cell.perturbation.size() != 1) continue;
    const Perturbation& p = cell.perturbation.front();
    // Plans of before there was a choice do not say it.
    const std::string pipeline = p.params.contains("pipeline") ? text_param(p.params, "pipeline") : "in_memory";
    found[{cell.model, text_param(p.params, "table"), pipeline}][p.name][integer_param(p.params, "severity")] =
        error_of(cell);
  }
  std::vector<CorruptionErrors> all;
  for (const std::string& model : models)
    for (const auto& [key, corruptions] : found) {
      if (std::get<0>(key) != model) continue;
      CorruptionErrors errors;
      std::tie(errors.model, errors.table, errors.pipeline) = key;
      errors.clean_error = clean[model];
      for (const auto& [name, by_severity] : corruptions) {
        if (by_severity.size() < 5) continue;
        auto& one = errors.corruptions[name];
        for (const auto& [severity, error] : by_severity)
          one.by_severity[static_cast<std::size_t>(severity - 1)] = error;
      }
      if (errors.corruptions.empty()) continue;
      summarise(errors);
      all.push_back(std::move(errors));
    }
  compare_all(all, baseline);
  return all;
}

std::string definition_of(const CorruptionErrors& errors) {
  std::string text =
      "error: 1 - accuracy, undecided samples being errors; of a corruption the mean over severities 1 to 5; "
      "mean_error: the mean over the 15 corruptions of ImageNet-C";
  if (errors.baseline.empty()) return text;
  if (errors.baseline == "alexnet")
    return text +
           "; ce: error / AlexNet's; relative_ce: (error - clean_error) / (AlexNet's error - 0.435); mce and "
           "relative_mce: their means over the 15. AlexNet's errors are those of the published files, which went "
           "through pipeline stored (Hendrycks & Dietterich 2019)";
  return text +
         "; ce: error / the baseline's; relative_ce: (error - clean_error) / (the baseline's error - its clean_error); "
         "null where that is 0; mce and relative_mce: their means over the 15. The baseline is a model " +
         (errors.baseline.starts_with("model:") ? "of these results" : "of another run") +
         ", at the same table and pipeline";
}

}  // namespace assay
