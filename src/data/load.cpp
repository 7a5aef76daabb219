#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "assay/core/error.hpp"
#include "assay/source.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"

namespace assay {
namespace {
namespace fs = std::filesystem;

fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

[[noreturn]] void too_large(const std::string& name) {
  throw Error(ExitCode::input, fmt::format("data source '{}' does not fit into memory", name));
}

DataSet load_guarded(const Source& source, const fs::path& folder, const Params& options, const std::string& name) {
  try {
    return source.load(folder, options);
  } catch (const std::bad_alloc&) {
    too_large(name);
  } catch (const fs::filesystem_error& error) {
    throw Error(ExitCode::input, fmt::format("data source '{}' cannot be read: {}", name, error.code().message()));
  }
}

void check(const DataSet& data) {
  const auto fail = [&](const std::string& problem) {
    throw Error(ExitCode::input, fmt::format("data source '{}': {}", data.name, problem));
  };
  if (data.n == 0) fail("found 0 images; expected at least one");
  if (data.c <= 0 || data.h <= 0 || data.w <= 0) {
    fail(fmt::format("found images of {} x {} x {} (C x H x W); expected at least one pixel", data.c, data.h, data.w));
  }
  const auto pixels = data.read ? std::size_t{0} : static_cast<std::size_t>(data.n * data.dim());
  if (data.bytes.size() + data.floats.size() != pixels || (!data.bytes.empty() && !data.floats.empty())) {
    throw Error(ExitCode::internal, fmt::format("data source '{}' gave {} bytes and {} floats for {} pixels", data.name,
                                                data.bytes.size(), data.floats.size(), pixels));
  }
  if (data.labels.size() != static_cast<std::size_t>(data.n)) {
    fail(fmt::format("found {} labels for {} images; expected one label an image", data.labels.size(), data.n));
  }
  if (!data.classes_known) return;
  const auto wrong =
      std::find_if(data.labels.begin(), data.labels.end(), [&](std::uint16_t label) { return label >= data.classes; });
  if (wrong != data.labels.end()) {
    fail(fmt::format("label {} at index {}; expected 0..{}", *wrong, wrong - data.labels.begin(), data.classes - 1));
  }
}

std::optional<Param> parsed(const ParamSpec& spec, const std::string& text) {
  if (spec.type == ParamType::boolean && (text == "true" || text == "false")) return text == "true";
  if (spec.type == ParamType::text && !text.empty()) return text;
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  const bool fits = static_cast<double>(number) >= spec.min && static_cast<double>(number) <= spec.max;
  if (spec.type == ParamType::integer && read.ec == std::errc{} && read.ptr == end && fits) return number;
  return {};
}

std::string expected(const ParamSpec& spec) {
  if (spec.type == ParamType::boolean) return "true or false";
  if (spec.type == ParamType::integer) return fmt::format("a whole number from {} to {}", spec.min, spec.max);
  return spec.file ? "a path" : "a text";
}

/// Takes ",name=value" off the end of the argument as long as there is one. A source without options has none to take:
/// a folder's name may look like one.
Params take_options(const Source& source, const std::string& written, std::string& argument) {
  const auto fail = [&](const std::string& problem, const std::string& hint = {}) {
    throw Error(ExitCode::usage, fmt::format("data source '{}': {}", written, problem), hint);
  };
  Params options;
  while (!source.options.empty()) {
    const std::size_t comma = argument.rfind(','), equals = argument.find('=', comma + 1);
    if (comma == std::string::npos || equals == std::string::npos) break;
    const std::string name = argument.substr(comma + 1, equals - comma - 1), text = argument.substr(equals + 1);
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos) break;
    const auto spec = std::ranges::find(source.options, name, &ParamSpec::name);
    if (spec == source.options.end()) {
      std::vector<std::string> names;
      for (const ParamSpec& option : source.options) names.push_back(option.name);
      fail(fmt::format("unknown option '{}'", name), did_you_mean(name, names));
    }
    const std::optional<Param> value = parsed(*spec, text);
    if (!value) fail(fmt::format("{} = '{}'; expected {}", name, text, expected(*spec)));
    if (!options.emplace(name, *value).second) fail(fmt::format("option '{}' is given twice", name));
    argument.resize(comma);
  }
  return options;
}

/// A source as it is written, without a look at files.
struct Written {
  const Source* source = nullptr;
  std::string kind, argument = {};
  Params options = {};
};

Written parse(const std::string& source) {
  const std::size_t colon = source.find(':');
  Written w{.kind = source.substr(0, colon)};
  if (colon != std::string::npos) w.argument = source.substr(colon + 1);
  w.source = Registry<Source>::find(w.kind);
  if (w.source == nullptr) {
    throw Error(ExitCode::usage, fmt::format("unknown data source '{}'; expected KIND or KIND:DIR", source),
                did_you_mean(w.kind, keys(Registry<Source>::all())));
  }
  w.options = take_options(*w.source, source, w.argument);
  if (w.source->takes_path && w.argument.empty()) {
    throw Error(ExitCode::usage, fmt::format("data source '{}' has no folder; expected '{}:DIR'", source, w.kind));
  }
  if (!w.source->takes_path && !w.argument.empty()) {
    throw Error(ExitCode::usage, fmt::format("data source '{}' has a folder; expected '{}' alone", source, w.kind));
  }
  return w;
}

std::string option_text(const Param& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  return std::get<std::string>(value);
}

std::string digest(const DataSet& data) {
  static_assert(std::endian::native == std::endian::little, "a data set's digest is over little-endian numbers");
  Sha256 sum;
  sum.update(fmt::format("{} {} x {} x {} x {}, {} classes\n", data.floats.empty() ? "|u1" : "<f4", data.n, data.c,
                         data.h, data.w, data.classes));
  sum.update(data.bytes.data(), data.bytes.size());
  sum.update(data.floats.data(), data.floats.size() * sizeof(float));
  sum.update(data.labels.data(), data.labels.size() * sizeof(std::uint16_t));
  return sum.hex();
}

}  // namespace

Pixels DataSet::pixels(std::int64_t lo, std::int64_t hi) const {
  Pixels found;
  if (!bytes.empty()) found.bytes = bytes.data() + lo * dim();
  if (!floats.empty()) found.floats = floats.data() + lo * dim();
  if (!read) return found;
  try {
    found.own = std::make_unique_for_overwrite<std::uint8_t[]>(static_cast<std::size_t>((hi - lo) * dim()));
    read(lo, hi, found.own.get());
  } catch (const std::bad_alloc&) {
    too_large(name);
  }
  found.bytes = found.own.get();
  return found;
}

void check_source(const std::string& source) {
  parse(source);
}

DataSet load_data(const std::string& source, const fs::path& base) {
  auto [found, kind, argument, options] = parse(source);
  const auto resolved = [&](const std::string& path_as_written) {
    return without_trailing_slash(fs::absolute(base / path_as_written).lexically_normal());
  };
  fs::path path;
  std::string name = kind, whole = kind;
  if (found->takes_path) {
    path = resolved(argument);
    name += ':' + (path.has_filename() ? path.filename() : path).string();
    whole += ':' + path.string();
  }
  for (const ParamSpec& spec : found->options) {
    if (const auto given = options.find(spec.name); given != options.end()) {
      if (spec.file) given->second = resolved(option_text(given->second)).string();
      const std::string text = option_text(given->second);
      name += fmt::format(",{}={}", spec.name, spec.file ? fs::path(text).filename().string() : text);
      whole += fmt::format(",{}={}", spec.name, text);
    } else {
      std::visit(
          [&](const auto& fallback) {
            if constexpr (!std::is_same_v<decltype(fallback), const std::monostate&>) options[spec.name] = fallback;
          },
          spec.fallback);
    }
  }
  DataSet data = load_guarded(*found, path, options, name);
  data.name = name;
  data.path = whole;
  check(data);
  if (!data.classes_known) data.classes = 1 + *std::max_element(data.labels.begin(), data.labels.end());
  if (!data.read) data.sha256 = digest(data);
  return data;
}

}  // namespace assay
