#include "engine/corruption_errors.hpp"

#include <algorithm>
#include <tuple>

namespace assay {
namespace {

/// Whether mCE counts it, and AlexNet's mean error over the five severities: augmix's utils and hendrycks/robustness,
/// issue 10; those of the four that mCE leaves out are rounded there.
struct Baseline {
  bool counts;
  double error;
};
const std::map<std::string, Baseline> kAlexNet = {
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

/// Sums in the corruptions' order, so that the same cells give the same bits.
void summarise(CorruptionErrors& all) {
  if (all.table == "224") all.baseline = "alexnet";
  double error = 0, ce = 0, relative = 0;
  int counted = 0;
  for (auto& [name, one] : all.corruptions) {
    one.error = 0;
    for (const double e : one.by_severity) one.error += e;
    one.error /= 5;
    const auto found = kAlexNet.find(name);
    if (found == kAlexNet.end()) continue;  // not the benchmark's
    if (!all.baseline.empty()) {
      one.ce = one.error / found->second.error;
      one.relative_ce = (one.error - all.clean_error) / (found->second.error - kAlexNetClean);
    }
    if (!found->second.counts) continue;
    ++counted;
    error += one.error;
    ce += one.ce;
    relative += one.relative_ce;
  }
  if (counted < kCounted) return;
  all.mean_error = error / kCounted;
  all.mce = ce / kCounted;
  all.relative_mce = relative / kCounted;
}

}  // namespace

std::vector<CorruptionErrors> corruption_errors(const std::vector<CellResult>& cells) {
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
  return all;
}

std::string definition_of(const CorruptionErrors& errors) {
  std::string text =
      "error: 1 - accuracy, undecided samples being errors; of a corruption the mean over severities 1 to 5; "
      "mean_error: the "
      "mean over the 15 corruptions of ImageNet-C";
  if (errors.baseline.empty()) return text;
  return text +
         "; ce: error / AlexNet's; relative_ce: (error - clean_error) / (AlexNet's error - 0.435); mce and "
         "relative_mce: their "
         "means over the 15. AlexNet's errors are those of the published files, which went through pipeline stored "
         "(Hendrycks & Dietterich 2019)";
}

}  // namespace assay
