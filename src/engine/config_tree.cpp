#include "engine/config_tree.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "assay/core/error.hpp"

namespace assay {
namespace {

// A config is a few hundred lines and four levels deep. The bounds keep what is no config (a data file, a device, a
// hostile nesting) from costing memory or stack.
constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxDepth = 16;

std::string read_text(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) {
    throw Error(ExitCode::usage, "'" + file.string() + "' is a folder; a sweep is a .toml or .json file");
  }
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text;
  std::array<char, 1 << 14> block;
  while (in && text.size() <= kMaxBytes) {
    in.read(block.data(), block.size());
    text.append(block.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (!in.is_open() || in.bad()) {
    throw Error(ExitCode::usage, "cannot read '" + file.string() + "': " + std::strerror(errno == 0 ? EIO : errno));
  }
  if (text.size() > kMaxBytes) config_error(file.string(), "more than 1 MiB: not a sweep");
  return text;
}

/// "file:line:column" of a byte; columns count characters, as editors and toml++ do.
std::string position(const std::string& text, std::size_t byte, const std::string& file) {
  std::size_t line = 1, column = 1;
  for (std::size_t i = 0; i < byte && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++column;
    }
  }
  return fmt::format("{}:{}:{}", file, line, column);
}

/// Bytes of the well-formed UTF-8 sequence at `at`, 0 where there is none (The Unicode Standard, table 3-7).
std::size_t utf8_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  // The second byte's narrower range excludes overlong forms, surrogates and what is beyond U+10FFFF.
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

void check_utf8(const std::string& text, const std::string& file) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    if (length == 0) config_error(position(text, i, file), "not UTF-8");
    i += length;
  }
}

/// One past the end of the TOML string that begins at `at`.
std::size_t skip_toml_string(const std::string& text, std::size_t at) {
  const char quote = text[at];
  const std::string fence(3, quote);
  const bool multiline = text.compare(at, 3, fence) == 0;
  for (std::size_t i = at + (multiline ? 3 : 1); i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (multiline && text.compare(i, 3, fence) == 0) {
      // Up to two quotes may stand right before the closing three.
      i += 3;
      for (int extra = 0; extra < 2 && i < text.size() && text[i] == quote; ++extra) ++i;
      return i;
    } else if (!multiline && (text[i] == quote || text[i] == '\n')) {
      return i + 1;
    }
  }
  return text.size();
}

/// toml++ bounds brackets but not dotted keys, and frees nested tables recursively: `a.a.a...` would overflow the
/// stack. So depth is bounded before it parses. Exact up to the first syntax error, where parsing stops anyway.
void check_toml_depth(const std::string& text, const std::string& file) {
  std::size_t brackets = 0, dots = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      i = skip_toml_string(text, i);
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '.') {
      ++dots;
    } else if (std::strchr("[]{}=,\n", c) != nullptr) {
      dots = 0;
    }
    if (c == '[' || c == '{') ++brackets;
    if ((c == ']' || c == '}') && brackets > 0) --brackets;
    if (brackets > kMaxDepth || dots > kMaxDepth) config_error(position(text, i, file), "nested too deeply");
    ++i;
  }
}

ConfigValue from_toml(const toml::node& node, const std::string& file, const toml::source_region& place);

std::string place_of(const std::string& file, const toml::source_region& place) {
  return place.begin ? fmt::format("{}:{}:{}", file, place.begin.line, place.begin.column) : file;
}

ConfigValue::Table table_of(const toml::table& table, const std::string& file) {
  ConfigValue::Table entries;
  for (const auto& [key, node] : table) {
    entries.push_back({std::string(key.str()), place_of(file, key.source()), from_toml(node, file, key.source())});
  }
  return entries;
}

/// `place` stands in for nodes that toml++ makes up without a position, such as the list behind [[attack]].
ConfigValue from_toml(const toml::node& node, const std::string& file, const toml::source_region& place) {
  const toml::source_region& here = node.source().begin ? node.source() : place;
  ConfigValue value{place_of(file, here), ConfigValue::Other{"a date or time"}};
  if (const auto* table = node.as_table()) value.data = table_of(*table, file);
  if (const auto* array = node.as_array()) {
    ConfigValue::List list;
    for (const toml::node& element : *array) list.push_back(from_toml(element, file, here));
    value.data = std::move(list);
  }
  if (const auto* boolean = node.as_boolean()) value.data = boolean->get();
  if (const auto* integer = node.as_integer()) value.data = integer->get();
  if (const auto* real = node.as_floating_point()) value.data = real->get();
  if (const auto* text = node.as_string()) value.data = text->get();
  return value;
}

ConfigValue read_toml(const std::string& text, const std::string& file) {
  check_toml_depth(text, file);
  try {
    const toml::table root = toml::parse(std::string_view(text));
    return {file, table_of(root, file)};
  } catch (const toml::parse_error& error) {
    config_error(place_of(file, error.source()), std::string(error.description()));
  }
}

/// Builds the tree as the parser goes, because nlohmann's own tree drops all but one of equal keys.
class JsonReader {
 public:
  JsonReader(const std::string& text, const std::string& file) : text_(text), file_(file) {}

  bool null() { return add(ConfigValue::Other{"null"}); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) {
    return std::in_range<std::int64_t>(value) ? add(static_cast<std::int64_t>(value)) : add(static_cast<double>(value));
  }
  bool number_float(double value, const std::string& /*digits*/) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(std::vector<std::uint8_t>& /*value*/) { return add(ConfigValue::Other{"binary data"}); }
  bool start_object(std::size_t /*size*/) { return open(ConfigValue::Table{}); }
  bool start_array(std::size_t /*size*/) { return open(ConfigValue::List{}); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& value) {
    key_ = value;
    if (!open_.back().keys.insert(value).second) {
      config_error(open_.back().value->where, "key '" + shortened(value) + "' is given twice");
    }
    return true;
  }

  bool parse_error(std::size_t byte, const std::string& /*token*/, const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing ..."
    std::string message = error.what();
    if (const auto bracket = message.find("] "); bracket != std::string::npos) message.erase(0, bracket + 2);
    if (message.starts_with("parse error at")) message.erase(0, message.find(": ") + 2);
    config_error(position(text_, byte > 0 ? byte - 1 : 0, file_), message);
  }

  ConfigValue take() && { return std::move(root_); }

 private:
  struct Open {
    ConfigValue* value;  // stays in place: its list or table grows only after it is closed
    std::set<std::string> keys;
  };

  template <class Data>
  bool add(Data data) {
    place(std::move(data));
    return true;
  }

  template <class Data>
  bool open(Data data) {
    if (open_.size() >= kMaxDepth) config_error(open_.back().value->where, "nested too deeply");
    open_.push_back({place(std::move(data)), {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  template <class Data>
  ConfigValue* place(Data data) {
    if (open_.empty()) {
      root_ = {file_, std::move(data)};
      return &root_;
    }
    ConfigValue& parent = *open_.back().value;
    if (auto* list = std::get_if<ConfigValue::List>(&parent.data)) {
      list->push_back({fmt::format("{}[{}]", parent.where, list->size()), std::move(data)});
      return &list->back();
    }
    const std::string where = parent.where + (open_.size() == 1 ? ": " : ".") + shortened(key_);
    auto& table = std::get<ConfigValue::Table>(parent.data);
    table.push_back({key_, where, {where, std::move(data)}});
    return &table.back().value;
  }

  const std::string& text_;
  const std::string& file_;
  ConfigValue root_;
  std::vector<Open> open_;
  std::string key_;
};

ConfigValue read_json(const std::string& text, const std::string& file) {
  JsonReader reader(text, file);
  nlohmann::json::sax_parse(text, &reader);
  ConfigValue root = std::move(reader).take();
  if (root.table() == nullptr) config_error(file, "a sweep is a JSON object, not " + root.shown());
  return root;
}

}  // namespace

ConfigValue read_config(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  check_utf8(text, file.string());
  return file.extension() == ".json" ? read_json(text, file.string()) : read_toml(text, file.string());
}

const ConfigValue* ConfigValue::find(const std::string& key) const {
  for (const ConfigEntry& entry : std::get<Table>(data)) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string ConfigValue::shown() const {
  if (const auto* other = std::get_if<Other>(&data)) return other->what;
  if (list() != nullptr) return "a list";
  if (table() != nullptr) return "a table";
  if (const auto* text = std::get_if<std::string>(&data)) return assay::shown(*text);
  if (const auto* real = std::get_if<double>(&data)) return assay::shown(*real);
  if (const auto* integer = std::get_if<std::int64_t>(&data)) return assay::shown(*integer);
  return assay::shown(std::get<bool>(data));
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kLongest = 60;
  if (text.size() <= kLongest) return text;
  std::size_t end = kLongest;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

std::string shown(const Param& param) {
  if (const auto* text = std::get_if<std::string>(&param)) return '"' + shortened(*text) + '"';
  if (const auto* real = std::get_if<double>(&param)) return fmt::format("{}", *real);
  if (const auto* integer = std::get_if<std::int64_t>(&param)) return std::to_string(*integer);
  return std::get<bool>(param) ? "true" : "false";
}

void config_error(const std::string& where, const std::string& message, const std::string& hint) {
  std::string line;
  for (const char c : where + ": " + message) {
    const auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7F ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  throw Error(ExitCode::usage, line, hint);
}

}  // namespace assay
