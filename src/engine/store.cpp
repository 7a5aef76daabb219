#include "engine/store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>

#include "assay/core/error.hpp"
#include "core/sha256.hpp"
#include "data/npy.hpp"

namespace assay {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kColumns =
    "[('prediction', '<u2'), ('flags', '<u2'), ('confidence', '<f4'), ('nll', '<f4'), ('brier', '<f4')]";

[[noreturn]] void cannot_write(const fs::path& file, int error) {
  throw Error(ExitCode::cannot_write, "cannot write '" + file.string() + "': " + std::strerror(error),
              "make room or choose another --out, then run the same command again: what is committed is kept");
}

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) cannot_write(folder, errno);
  ::fsync(fd);  // some file systems refuse to sync a folder; the rename is then as durable as they make it
  ::close(fd);
}

/// A new file that is removed unless it was renamed into place.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : target_(target) {
    static std::atomic<unsigned> serial{0};
    path_ = target.parent_path() / ("." + target.filename().string() + "." + host_name() + "." +
                                    std::to_string(::getpid()) + "." + std::to_string(serial++));
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd_ < 0 && errno == EEXIST) {  // left by a killed process that had our number
      ::unlink(path_.c_str());
      fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    }
    if (fd_ < 0) cannot_write(target, errno);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  void write(const std::string& content) const {
    std::size_t done = 0;
    while (done < content.size()) {
      const ssize_t wrote = ::write(fd_, content.data() + done, content.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) cannot_write(target_, errno);
      done += static_cast<std::size_t>(wrote);
    }
  }
  void rename() {
    if (::fsync(fd_) != 0) cannot_write(target_, errno);
    const int closed = ::close(fd_);
    fd_ = -1;
    if (closed != 0) cannot_write(target_, errno);
    if (::rename(path_.c_str(), target_.c_str()) != 0) cannot_write(target_, errno);
    path_.clear();
    sync_folder(target_.parent_path());
  }

 private:
  fs::path target_, path_;
  int fd_ = -1;
};

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) cannot_write(folder, error.value());
}

/// What save_logits writes of labels.
std::string digest_of(std::span<const std::uint16_t> labels) {
  return sha256(std::string(reinterpret_cast<const char*>(labels.data()), labels.size_bytes()));
}

std::string columns(const std::vector<SampleRow>& rows) {
  return npy_bytes(kColumns, {static_cast<std::int64_t>(rows.size())}, rows.data(), rows.size() * sizeof(SampleRow));
}

json passes_json(const Passes& passes) {
  return {{"forward", passes.forward}, {"backward", passes.backward}};
}

json parse(const std::string& text) {
  return json::parse(text, nullptr, false);
}

/// Whether two payloads tell of one computation. Of metrics that only one of them knows nothing is compared: the rows
/// are the same.
bool same(json a, json b) {
  const json states_a = std::move(a["states"]), states_b = std::move(b["states"]);
  a.erase("states");
  b.erase("states");
  for (const auto& [name, state] : states_a.items())
    if (states_b.contains(name) && states_b.at(name) != state) return false;
  return a == b;
}

/// A record's payload and the file beside it, whose digest the payload has under `digest`; if both are whole and the
/// unit's.
std::optional<std::pair<json, std::string>> intact(const fs::path& record, const fs::path& beside,
                                                   const std::string& key, const char* digest) {
  const auto text = read_if_there(record);
  if (!text) return std::nullopt;
  json content = parse(*text);
  json& payload = content.at("payload");
  if (content.at("sha256") != sha256(payload.dump()) || payload.at("key") != key) return std::nullopt;
  auto file = read_if_there(beside);
  if (!file || payload.at(digest) != sha256(*file)) return std::nullopt;
  return std::pair(std::move(payload), *std::move(file));
}

/// The elements behind an .npy file's header, which must be `header`.
template <class T>
bool take_elements(const std::string& file, const std::string& header, std::vector<T>& elements) {
  const std::size_t bytes = elements.size() * sizeof(T);
  if (file.size() != header.size() + bytes) return false;
  std::memcpy(elements.data(), file.data() + header.size(), bytes);
  return true;
}

}  // namespace

void replace_file(const fs::path& file, const std::string& content) {
  make_folder(file.parent_path().empty() ? fs::path(".") : file.parent_path());
  TemporaryFile temporary(file.parent_path().empty() ? fs::path(".") / file : file);
  temporary.write(content);
  temporary.rename();
}

std::optional<std::string> read_if_there(const fs::path& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw Error(ExitCode::input, "cannot read '" + file.string() + "': " + std::strerror(errno));
  }
  std::ostringstream all;
  all << in.rdbuf();
  if (in.bad()) throw Error(ExitCode::input, "cannot read '" + file.string() + "': " + std::strerror(errno));
  return std::move(all).str();
}

void Store::write(const fs::path& relative, const std::string& content) const {
  replace_file(root_ / relative, content);
}

std::optional<Plan> Store::plan() const {
  const auto text = read_if_there(root_ / "plan.json");
  if (!text) return std::nullopt;
  const std::string where = "'" + (root_ / "plan.json").string() + "': ";
  constexpr char kDamaged[] =
      "remove this file and run the sweep again (finished units are kept), or choose another --out";
  const json content = parse(*text);
  if (content.is_discarded()) throw Error(ExitCode::input, where + "not JSON", kDamaged);
  try {
    return plan_from_json(content);
  } catch (const Error& e) {
    throw Error(e.code(), where + e.what(), kDamaged);
  }
}

void Store::claim(const Plan& plan) const {
  const auto there = this->plan();
  if (there && there->id != plan.id) {
    std::string differs = "settings";
    const json a = to_json(*there), b = to_json(plan);
    for (const char* part : {"perturbations", "models", "data", "numerics", "threads", "unit_size", "batch", "seed"})
      if (a.at(part) != b.at(part)) differs = part;
    throw Error(ExitCode::input,
                "'" + root_.string() + "' holds another plan (" + there->id.substr(0, 12) + ", this sweep's is " +
                    plan.id.substr(0, 12) + "; they differ in " + differs + ")",
                "choose another --out, or remove that folder to start afresh");
  }
  if (!there || there->metrics != plan.metrics || there->profile != plan.profile ||
      there->keep_logits != plan.keep_logits || there->baseline != plan.baseline)
    write("plan.json", to_json(plan).dump(1) + "\n");
}

fs::path Store::unit_path(const Unit& unit, const char* extension, const char* folder) const {
  return root_ / folder / unit.key.substr(0, 2) / (unit.key + extension);
}

std::optional<UnitRecord> Store::read(const Unit& unit) const {
  try {
    const auto found = intact(unit_path(unit, ".json"), unit_path(unit, ".npy"), unit.key, "columns_sha256");
    if (!found) return std::nullopt;
    const auto& [payload, file] = *found;
    UnitRecord record;
    record.rows.resize(static_cast<std::size_t>(unit.hi - unit.lo));
    if (!take_elements(file, npy_header(kColumns, {unit.hi - unit.lo}), record.rows)) return std::nullopt;
    const auto passes = [&counted = payload](const char* what) {
      return Passes{counted.at(what).at("forward").get<std::uint64_t>(),
                    counted.at(what).at("backward").get<std::uint64_t>()};
    };
    record.passes = passes("passes");
    record.evaluated = passes("evaluated");
    record.states = payload.at("states").get<decltype(record.states)>();
    return record;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

void Store::commit(const Plan& plan, const Unit& unit, const UnitResult& result) const {
  const std::string rows = columns(result.rows);
  const json payload = {{"schema", 1},
                        {"key", unit.key},
                        {"lo", unit.lo},
                        {"hi", unit.hi},
                        {"passes", passes_json(result.passes)},
                        {"evaluated", passes_json(result.evaluated)},
                        {"states", result.states},
                        {"columns_sha256", sha256(rows)}};
  const fs::path path = unit_path(unit, ".json");
  if (read(unit)) {
    if (same(parse(*read_if_there(path)).at("payload"), payload)) return;
    record_failure(plan, unit, "nondeterminism: computed twice with different results");
    throw Error(ExitCode::internal, "unit " + unit.key.substr(0, 12) + " was computed twice with different results",
                "the model or the machine is not deterministic");
  }
  const json content = {{"payload", payload},
                        {"sha256", sha256(payload.dump())},
                        {"meta",
                         {{"host", host_name()},
                          {"seconds", result.seconds},
                          {"model_seconds", result.model_seconds},
                          {"cell", plan.describe(plan.cells[static_cast<std::size_t>(unit.cell)])},
                          {"version", ASSAY_VERSION}}}};
  replace_file(unit_path(unit, ".npy"), rows);
  replace_file(path, content.dump() + "\n");
  forget_failure(unit);
}

void Store::save_logits(const Unit& unit, std::int64_t classes, const std::vector<float>& logits,
                        std::span<const std::uint16_t> labels) const {
  const std::string file = npy_bytes("<f4", {unit.hi - unit.lo, classes}, logits.data(), logits.size() * sizeof(float));
  const json payload = {
      {"key", unit.key}, {"classes", classes}, {"labels_sha256", digest_of(labels)}, {"sha256", sha256(file)}};
  replace_file(unit_path(unit, ".npy", "logits"), file);
  replace_file(unit_path(unit, ".json", "logits"),
               json{{"payload", payload}, {"sha256", sha256(payload.dump())}}.dump() + "\n");
}

std::optional<KeptLogits> Store::logits(const Unit& unit) const {
  try {
    const auto found =
        intact(unit_path(unit, ".json", "logits"), unit_path(unit, ".npy", "logits"), unit.key, "sha256");
    if (!found) return std::nullopt;
    const auto& [payload, file] = *found;
    KeptLogits kept{payload.at("classes").get<int>(), payload.at("labels_sha256").get<std::string>(), {}};
    kept.values.resize(static_cast<std::size_t>((unit.hi - unit.lo) * kept.classes));
    if (!take_elements(file, npy_header("<f4", {unit.hi - unit.lo, kept.classes}), kept.values)) return std::nullopt;
    return kept;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

bool KeptLogits::are_of(std::span<const std::uint16_t> labels) const {
  return labels_sha256 == digest_of(labels);
}

void Store::save_witnesses(const Unit& unit, const Witnesses& witnesses) const {
  write_witnesses(unit_path(unit, ".json", "witnesses"), unit.key + ".npy", witnesses);
}

bool Store::has_witnesses(const Unit& unit) const {
  try {
    read_witnesses(unit_path(unit, ".json", "witnesses"));
    return true;
  } catch (const Error& e) {
    if (e.code() != ExitCode::input) throw;
    return false;
  }
}

std::optional<std::string> Store::failure(const Unit& unit) const {
  const auto text = read_if_there(root_ / "failures" / (unit.key + ".json"));
  if (!text) return std::nullopt;
  const json content = parse(*text);
  return content.is_object() && content.contains("error") && content["error"].is_string()
             ? content["error"].get<std::string>()
             : "unknown";
}

void Store::record_failure(const Plan& plan, const Unit& unit, const std::string& why) const {
  const json content = {{"key", unit.key},
                        {"cell", plan.describe(plan.cells[static_cast<std::size_t>(unit.cell)])},
                        {"lo", unit.lo},
                        {"hi", unit.hi},
                        {"error", why}};
  write(fs::path("failures") / (unit.key + ".json"), content.dump(1) + "\n");
}

void Store::forget_failure(const Unit& unit) const {
  std::error_code ignored;  // none there is the usual case
  fs::remove(root_ / "failures" / (unit.key + ".json"), ignored);
}

}  // namespace assay
