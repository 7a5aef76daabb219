#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace assay {

/// A value from a config or the command line.
using Param = std::variant<bool, std::int64_t, double, std::string>;
using Params = std::map<std::string, Param>;

enum class ParamType { boolean, integer, real, text };

/// One parameter of a registered attack or corruption; what `assay list` prints and the config reader checks.
struct ParamSpec {
  std::string name;
  ParamType type = ParamType::real;
  std::string about;
  /// Absent (monostate): the parameter must be given, unless `default_rule` says what stands in for it.
  std::variant<std::monostate, bool, std::int64_t, double, std::string> fallback = {};
  double min = -std::numeric_limits<double>::infinity();  ///< inclusive; numbers only
  double max = std::numeric_limits<double>::infinity();   ///< inclusive; numbers only
  std::vector<std::string> choices = {};                  ///< texts only; empty: any
  std::string default_rule = {};  ///< such as "2.5 * epsilon / steps", computed by the entry itself
  std::vector<std::string> (*registered)() =
      nullptr;                ///< texts only: the choices are a registry's names, read when asked
  bool file = false;          ///< texts only: "" or "file:PATH"; not in sweeps, whose keys know no such file
  bool class_number = false;  ///< texts only: the number of a class is taken too
  bool optional = false;      ///< where it has its fallback, cells and keys are as if there were no such parameter
};

/// The texts that a parameter takes; empty: any.
std::vector<std::string> choices_of(const ParamSpec& spec);

double real_param(const Params& params, const std::string& name);  ///< integers count as reals
std::int64_t integer_param(const Params& params, const std::string& name);
bool bool_param(const Params& params, const std::string& name);
const std::string& text_param(const Params& params, const std::string& name);

}  // namespace assay
