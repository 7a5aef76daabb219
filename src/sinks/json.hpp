#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "assay/results.hpp"

namespace assay {

/// null for NaN and infinities, which JSON does not have.
nlohmann::json number(double value);
nlohmann::json numbers(const std::vector<double>& values);
/// {"value", "lo", "hi", "confidence", "definition"}
nlohmann::json to_json(const Estimate& estimate, const std::string& definition);
nlohmann::json to_json(const Results& results);

}  // namespace assay
