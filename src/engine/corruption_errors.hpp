#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "assay/results.hpp"

namespace assay {

/// Errors to divide by.
struct CorruptionBaseline {
  struct Errors {
    std::string table, pipeline;
    double clean_error = 0;
    std::map<std::string, double> corruptions;  ///< the mean error over the five severities
    bool operator==(const Errors&) const = default;
  };
  std::string model;
  std::vector<Errors> errors;  ///< by table and pipeline; none: those of that model in the same results
  bool operator==(const CorruptionBaseline&) const = default;
};

/// A model's corruption errors in a results.json; an empty name: the only model's. Throws assay::Error (exit 65) for a
/// file that is none, or has no such model or none with a corruption at all five severities.
CorruptionBaseline read_baseline(const std::filesystem::path& results, const std::string& model);

/// As it stands in plan.json, and back; nlohmann's exceptions where it does not.
nlohmann::json to_json(const CorruptionBaseline& baseline);
CorruptionBaseline baseline_from_json(const nlohmann::json& json);

/// mCE and relative mCE (Hendrycks & Dietterich 2019, arXiv:1903.12261, section 4.1) of every model, table and pipeline
/// for which a corruption that stands alone (not after another one) has all five severities. Without a baseline it
/// is the paper's AlexNet, whose errors are known for ImageNet-C's files: table 224.
std::vector<CorruptionErrors> corruption_errors(const std::vector<CellResult>& cells,
                                                const std::optional<CorruptionBaseline>& baseline = {});

/// What the numbers of one of them mean.
std::string definition_of(const CorruptionErrors& errors);

}  // namespace assay
