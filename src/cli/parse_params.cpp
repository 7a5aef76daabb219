#include <charconv>

#include "cli/cli.hpp"

namespace assay::cli {

Params parse_params(const std::vector<std::string>& words) {
  Params params;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!words[i].starts_with("--") || words[i].size() < 3)
      throw Error(ExitCode::usage, "unexpected argument '" + words[i] + "'", "parameters are given as --name value");
    std::string name = words[i].substr(2), value;
    if (const auto equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    } else {
      throw Error(ExitCode::usage, "--" + name + " has no value", "parameters are given as --name value");
    }
    if (params.contains(name)) throw Error(ExitCode::usage, "--" + name + " is given twice");
    std::int64_t whole = 0;
    const char* end = value.data() + value.size();
    if (value == "true" || value == "false")
      params[name] = value == "true";
    else if (const auto r = std::from_chars(value.data(), end, whole); r.ec == std::errc{} && r.ptr == end)
      params[name] = whole;
    else
      params[name] = value;  // decimals and fractions stay texts, which the checker reads as it does in a config
  }
  return params;
}

}  // namespace assay::cli
