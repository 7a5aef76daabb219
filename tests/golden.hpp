#pragma once
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

namespace assay {

/// A file of golden/: lines of a key and, after the last space, its value; # begins a comment.
inline std::map<std::string, std::string> read_golden(const std::string& name) {
  std::ifstream in(std::string(ASSAY_ROOT) + "/tests/golden/" + name);
  if (!in) throw std::runtime_error("cannot read tests/golden/" + name);
  std::map<std::string, std::string> values;
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#') values[line.substr(0, line.rfind(' '))] = line.substr(line.rfind(' ') + 1);
  return values;
}

}  // namespace assay
