#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <system_error>

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

DataSet load_guarded(const Source& source, const fs::path& argument, const std::string& name) {
  try {
    return source.load(argument);
  } catch (const std::bad_alloc&) {
    throw Error(ExitCode::input, fmt::format("data source '{}' does not fit into memory", name));
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
  const auto pixels = static_cast<std::size_t>(data.n * data.dim());
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

DataSet load_data(const std::string& source, const fs::path& base) {
  const std::size_t colon = source.find(':');
  const std::string kind = source.substr(0, colon);
  const std::string argument = colon == std::string::npos ? "" : source.substr(colon + 1);

  const Source* found = Registry<Source>::find(kind);
  if (found == nullptr) {
    throw Error(ExitCode::usage, fmt::format("unknown data source '{}'; expected KIND or KIND:DIR", source),
                did_you_mean(kind, keys(Registry<Source>::all())));
  }
  if (found->takes_path && argument.empty()) {
    throw Error(ExitCode::usage, fmt::format("data source '{}' has no folder; expected '{}:DIR'", source, kind));
  }
  if (!found->takes_path && !argument.empty()) {
    throw Error(ExitCode::usage, fmt::format("data source '{}' has a folder; expected '{}' alone", source, kind));
  }

  fs::path path;
  std::string name = kind;
  if (found->takes_path) {
    path = without_trailing_slash(fs::absolute(base / argument).lexically_normal());
    name += ':' + (path.has_filename() ? path.filename() : path).string();
  }
  DataSet data = load_guarded(*found, path, name);
  data.name = name;
  data.path = found->takes_path ? kind + ':' + path.string() : kind;
  check(data);
  if (!data.classes_known) data.classes = 1 + *std::max_element(data.labels.begin(), data.labels.end());
  data.sha256 = digest(data);
  return data;
}

}  // namespace assay
