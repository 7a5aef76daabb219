#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "assay/core/params.hpp"

namespace assay {

struct ConfigEntry;

/// A value of a config with the place to name in messages: "sweep.toml:12:1", or "sweep.json: attack[0].epsilon", as
/// the JSON parser keeps no positions.
struct ConfigValue {
  /// What neither format's checker wants: null, a date.
  struct Other {
    std::string what;
  };
  using List = std::vector<ConfigValue>;
  using Table = std::vector<ConfigEntry>;

  std::string where;
  std::variant<Other, bool, std::int64_t, double, std::string, List, Table> data;

  const List* list() const { return std::get_if<List>(&data); }
  const Table* table() const { return std::get_if<Table>(&data); }
  /// The value under `key` of a table, or null.
  const ConfigValue* find(const std::string& key) const;
  /// What stands there, for messages: 2.5, "abc", a list.
  std::string shown() const;
};

struct ConfigEntry {
  std::string key;
  std::string where;  ///< of the key itself
  ConfigValue value;
};

/// Parses TOML, or JSON when the extension is .json, to a table. Throws assay::Error, exit 2, for anything wrong with
/// the file or its syntax, nesting beyond what a config can mean included.
ConfigValue read_config(const std::filesystem::path& file);

/// Throws assay::Error, exit 2, "where: message". Stays one line of bounded length whatever the user's text holds.
[[noreturn]] void config_error(const std::string& where, const std::string& message, const std::string& hint = {});

/// A user's text for a message: the beginning of it, if it is long.
std::string shortened(const std::string& text);
std::string shown(const Param& param);

}  // namespace assay
