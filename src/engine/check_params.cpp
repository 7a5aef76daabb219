#include "engine/check_params.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "assay/attack.hpp"
#include "assay/core/error.hpp"
#include "assay/corruption.hpp"
#include "core/text.hpp"
#include "engine/config_tree.hpp"

namespace assay {
namespace {

std::optional<double> parse_real(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// "0.1" or "4/255"; the quotient is the nearest double, the same as 4.0 / 255.0 in any language.
std::optional<double> parse_fraction(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return parse_real(text);
  const auto numerator = parse_real(std::string_view(text).substr(0, slash));
  const auto denominator = parse_real(std::string_view(text).substr(slash + 1));
  if (!numerator || !denominator || *denominator == 0) return std::nullopt;
  return *numerator / *denominator;
}

constexpr std::string_view kFile = "file:";

bool is_number(const ParamSpec& spec) {
  return spec.type == ParamType::integer || spec.type == ParamType::real;
}

Param numbers_read(const ParamSpec& spec, const Param& given, const std::string& where) {
  const auto* text = std::get_if<std::string>(&given);
  if (text == nullptr || !is_number(spec)) return given;
  const auto value = parse_fraction(*text);
  if (!value) {
    config_error(where, fmt::format("{} = {}: {} is expected, such as {}", spec.name, shown(given), expected(spec),
                                    spec.type == ParamType::real ? "0.1 or \"4/255\"" : "20"));
  }
  return *value;
}

std::string range(const ParamSpec& spec) {
  if (std::isinf(spec.max)) return fmt::format("must be at least {}", spec.min);
  if (std::isinf(spec.min)) return fmt::format("must be at most {}", spec.max);
  return fmt::format("must be between {} and {}", spec.min, spec.max);
}

std::optional<double> as_real(const Param& param) {
  if (const auto* integer = std::get_if<std::int64_t>(&param)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&param)) return *real;
  return std::nullopt;
}

/// In the spec's type, or nothing. 20.0 is a whole number: JSON does not tell it from 20.
std::optional<Param> converted(const ParamSpec& spec, const Param& given) {
  switch (spec.type) {
    case ParamType::boolean:
      if (std::holds_alternative<bool>(given)) return given;
      break;
    case ParamType::text:
      if (std::holds_alternative<std::string>(given)) return given;
      if (const auto* number = std::get_if<std::int64_t>(&given); number != nullptr && spec.class_number)
        return std::to_string(*number);
      break;
    case ParamType::real:
      if (const auto real = as_real(given)) return *real;
      break;
    case ParamType::integer:
      if (std::holds_alternative<std::int64_t>(given)) return given;
      // 2^63 is the first double that does not fit.
      if (const auto* real = std::get_if<double>(&given);
          real && *real == std::trunc(*real) && std::abs(*real) < 0x1p63)
        return static_cast<std::int64_t>(*real);
      break;
  }
  return std::nullopt;
}

/// Of labels of 16 bits, the last of which stands for none.
std::optional<std::uint16_t> class_number(const std::string& text) {
  std::uint16_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  const bool whole = read.ec == std::errc{} && read.ptr == end && std::to_string(number) == text;
  return whole && number < kNoTarget ? std::optional(number) : std::nullopt;
}

std::vector<std::string> names_of(const std::vector<ParamSpec>& specs) {
  std::vector<std::string> names;
  for (const ParamSpec& spec : specs) names.push_back(spec.name);
  return names;
}

}  // namespace

std::string kind_name(Perturbation::Kind kind) {
  return kind == Perturbation::Kind::attack ? "attack" : "corruption";
}

std::vector<ParamSpec> corruption_params(const Corruption& corruption) {
  std::vector<ParamSpec> params = {
      {.name = "severity", .type = ParamType::integer, .about = "1 (mild) to 5 (severe)", .min = 1, .max = 5},
      {.name = "table",
       .type = ParamType::text,
       .about = "constants of CIFAR-10-C (32), Tiny-ImageNet-C (64) or ImageNet-C (224); auto: by image size; "
                "imagecorruptions-1.1.2: what that Python package computes",
       .fallback = "auto",
       .choices = {"auto", "32", "64", "224"}},
      {.name = "pipeline",
       .type = ParamType::text,
       .about = "in_memory: bytes as they are corrupted; stored: then through JPEG at quality 85, as the files that "
                "published mCE is of",
       .fallback = "in_memory",
       .choices = {"in_memory", "stored"}},
  };
  if (corruption.in_imagecorruptions) params[1].choices.push_back(table_name(Table::imagecorruptions));
  if (corruption.needs_textures)
    params.push_back({.name = "textures",
                      .type = ParamType::text,
                      .about = "folder of frost1.png, frost2.png, frost3.png, frost4.jpg and frost5.jpg, which the "
                               "benchmark's code and the Python package imagecorruptions come with"});
  return params;
}

std::vector<ParamSpec> attack_params(const AttackEntry& attack) {
  std::vector<ParamSpec> params = attack.params;
  params.push_back({.name = "full",
                    .type = ParamType::boolean,
                    .about = "attack every sample to its last query, also those that are fooled or wrong when clean",
                    .fallback = false});
  return params;
}

std::vector<ParamSpec> params_of(Perturbation::Kind kind, const std::string& name, const std::string& where) {
  const AttackEntry* attack = Registry<AttackEntry>::find(name);
  const Corruption* corruption = Registry<Corruption>::find(name);
  const bool is_attack = kind == Perturbation::Kind::attack;
  if (is_attack && attack != nullptr) return attack_params(*attack);
  if (!is_attack && corruption != nullptr) return corruption_params(*corruption);
  std::string message = fmt::format("unknown {} '{}'; ", kind_name(kind), shortened(name));
  if (attack != nullptr || corruption != nullptr) {
    message += is_attack ? "it is a corruption" : "it is an attack";
  } else {
    message += did_you_mean(name, is_attack ? keys(Registry<AttackEntry>::all()) : keys(Registry<Corruption>::all()));
  }
  config_error(where, message, "`assay list` names all of them");
}

std::string expected(const ParamSpec& spec) {
  switch (spec.type) {
    case ParamType::boolean:
      return "true or false";
    case ParamType::integer:
      return "a whole number";
    case ParamType::real:
      return "a number";
    case ParamType::text:
      break;
  }
  if (spec.file) return "\"\" or \"file:PATH\"";
  const std::vector<std::string> choices = choices_of(spec);
  if (choices.empty()) return "a text";
  return "a text, one of \"" + join(choices, "\", \"") + "\"," + (spec.class_number ? " or the number of a class" : "");
}

Param checked(const ParamSpec& spec, const Param& given, const std::string& where) {
  const auto fail = [&](const std::string& message) {
    config_error(where, fmt::format("{} = {}: {}", spec.name, shown(given), message));
  };
  const auto real = as_real(given);
  if (is_number(spec) && real && !std::isfinite(*real)) fail("a finite number is expected");
  const std::optional<Param> value = converted(spec, given);
  if (!value) fail(expected(spec) + " is expected");
  if (is_number(spec) && (*real < spec.min || *real > spec.max)) fail(range(spec));
  const auto* text = std::get_if<std::string>(&*value);
  const std::vector<std::string> choices = choices_of(spec);
  if (text != nullptr && !choices.empty() && std::ranges::find(choices, *text) == choices.end()) {
    if (!spec.class_number) fail("not a choice; " + did_you_mean(*text, choices));
    if (!class_number(*text)) fail(expected(spec) + " is expected");
  }
  if (text != nullptr && spec.file && !text->empty() && (!text->starts_with(kFile) || text->size() == kFile.size()))
    fail(expected(spec) + " is expected");
  return *value;
}

std::string start_file(const Params& params) {
  const auto start = params.find("start");
  if (start == params.end()) return {};
  const std::string& text = std::get<std::string>(start->second);
  return text.empty() ? text : text.substr(kFile.size());
}

Aim aim_of(const Params& params) {
  const auto target = params.find("target");
  if (target == params.end()) return {};
  const auto* text = std::get_if<std::string>(&target->second);
  if (text == nullptr) return {};
  if (const auto number = class_number(*text)) return {Aim::At::number, *number};
  if (*text == "second") return {Aim::At::second};
  if (*text == "least_likely") return {Aim::At::least_likely};
  return {*text == "next" ? Aim::At::next : Aim::At::others};
}

Perturbation complete_perturbation(Perturbation::Kind kind, const std::string& name, const Params& given,
                                   const std::function<std::string(const std::string& key)>& where_of) {
  const std::vector<ParamSpec> specs = params_of(kind, name, where_of(""));
  const std::vector<std::string> names = names_of(specs);
  for (const auto& [key, value] : given) {
    if (std::ranges::find(names, key) != names.end()) continue;
    config_error(where_of(key), fmt::format("{} '{}' has no parameter '{}'; {}", kind_name(kind), name, shortened(key),
                                            did_you_mean(key, names)));
  }

  Perturbation result{kind, name, {}};
  for (const ParamSpec& spec : specs) {
    if (const auto it = given.find(spec.name); it != given.end()) {
      const std::string where = where_of(spec.name);
      result.params[spec.name] = checked(spec, numbers_read(spec, it->second, where), where);
    } else if (!std::holds_alternative<std::monostate>(spec.fallback)) {
      std::visit(
          [&](const auto& fallback) {
            if constexpr (!std::is_same_v<decltype(fallback), const std::monostate&>) {
              result.params[spec.name] = checked(spec, Param(fallback), where_of(""));
            }
          },
          spec.fallback);
    } else if (spec.default_rule.empty()) {
      config_error(where_of(""), fmt::format("missing '{}': {} '{}' needs it", spec.name, kind_name(kind), name),
                   fmt::format("{}: {}", spec.name, spec.about));
    }
  }

  const AttackEntry* attack = kind == Perturbation::Kind::attack ? Registry<AttackEntry>::find(name) : nullptr;
  if (attack != nullptr && attack->complete != nullptr) attack->complete(result.params);
  for (const ParamSpec& spec : specs) {
    const auto it = result.params.find(spec.name);
    if (it == result.params.end()) {
      throw Error(ExitCode::internal,
                  fmt::format("{} '{}' left its parameter '{}' open", kind_name(kind), name, spec.name));
    }
    // A value that the user did not write needs its origin said, or its refusal cannot be understood.
    const bool computed = !given.contains(spec.name) && !spec.default_rule.empty();
    it->second = checked(spec, it->second, where_of(spec.name) + (computed ? ": default " + spec.default_rule : ""));
    if (spec.optional && it->second == Param(std::get<std::string>(spec.fallback))) result.params.erase(it);
  }
  if (const auto it = result.params.find("restarts");
      it != result.params.end() && std::get<std::int64_t>(it->second) > 1 && !start_file(result.params).empty())
    config_error(where_of("restarts"),
                 fmt::format("restarts = {}: 1 is expected with start = {}, where each would begin", shown(it->second),
                             shown(result.params.at("start"))));
  return result;
}

Perturbation check_perturbation(Perturbation::Kind kind, const std::string& name, Params given,
                                const std::string& where) {
  return complete_perturbation(kind, name, given, [&](const std::string&) { return where; });
}

}  // namespace assay
