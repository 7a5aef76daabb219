#include "assay/core/params.hpp"

#include "assay/core/error.hpp"

namespace assay {
namespace {

// What reaches these accessors was checked by the config reader, so a failure is a mistake of the entry that asks.
const Param& find(const Params& params, const std::string& name) {
  const auto it = params.find(name);
  if (it == params.end()) throw Error(ExitCode::internal, "parameter '" + name + "' was not filled in");
  return it->second;
}

template <class T>
const T& get(const Params& params, const std::string& name, const char* type) {
  const T* value = std::get_if<T>(&find(params, name));
  if (value == nullptr) throw Error(ExitCode::internal, "parameter '" + name + "' is not " + type);
  return *value;
}

}  // namespace

std::vector<std::string> choices_of(const ParamSpec& spec) {
  return spec.registered == nullptr ? spec.choices : spec.registered();
}

double real_param(const Params& params, const std::string& name) {
  if (const auto* integer = std::get_if<std::int64_t>(&find(params, name))) return static_cast<double>(*integer);
  return get<double>(params, name, "a number");
}

std::int64_t integer_param(const Params& params, const std::string& name) {
  return get<std::int64_t>(params, name, "a whole number");
}

bool bool_param(const Params& params, const std::string& name) {
  return get<bool>(params, name, "true or false");
}

const std::string& text_param(const Params& params, const std::string& name) {
  return get<std::string>(params, name, "a text");
}

}  // namespace assay
