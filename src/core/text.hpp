#pragma once
#include <string>
#include <vector>

namespace assay {

/// The candidate with the smallest edit distance to `name`, or "" when none is close (more than half of it differs).
std::string nearest(const std::string& name, const std::vector<std::string>& candidates);

/// "did you mean 'epsilon'?" where a candidate is near, else "one of: a, b, c".
std::string did_you_mean(const std::string& name, const std::vector<std::string>& candidates);

/// "a, b, c"
std::string join(const std::vector<std::string>& parts, const std::string& separator = ", ");

/// The names in a registry, sorted.
template <class Map>
std::vector<std::string> keys(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : map) names.push_back(name);
  return names;
}

}  // namespace assay
