#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/evaluate.hpp"
#include "engine/plan.hpp"
#include "engine/witness.hpp"

namespace assay {

/// A committed unit as read back.
struct UnitRecord {
  std::vector<SampleRow> rows;
  Passes passes, evaluated;
  std::map<std::string, std::vector<std::uint64_t>> states;
};

/// What a model said of a unit's samples: at their last points, of undecided ones anything.
struct KeptLogits {
  int classes = 0;
  std::string labels_sha256;
  std::vector<float> values;  ///< samples x classes

  /// Whether these were the samples' labels.
  bool are_of(std::span<const std::uint16_t> labels) const;
};

/// The output folder: plan.json, units/ab/<key>.json (the commit record) with <key>.npy beside it, failures/<key>.json.
/// Everything is written to a temporary file in the same folder, synced and renamed, so a file is whole or absent.
/// Any number of processes may share one. Every method that writes throws assay::Error (exit 73) when it can't.
class Store {
 public:
  explicit Store(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }

  /// The plan in the folder, if there is one. Throws assay::Error (exit 65) when it is damaged.
  std::optional<Plan> plan() const;
  /// Makes the folder hold `plan`. Throws assay::Error (exit 65) when it holds another one; a plan that differs only in
  /// its metrics replaces it.
  void claim(const Plan& plan) const;

  /// The committed unit, if it is there, whole and intact; a damaged one counts as absent.
  std::optional<UnitRecord> read(const Unit& unit) const;
  /// Commits a unit. An intact one that is there already stays; if it differs, throws assay::Error (exit 70).
  void commit(const Plan& plan, const Unit& unit, const UnitResult& result) const;

  /// logits/ab/<key>.npy, float32, with <key>.json beside it.
  void save_logits(const Unit& unit, std::int64_t classes, const std::vector<float>& logits,
                   std::span<const std::uint16_t> labels) const;
  /// If they are there, whole and intact.
  std::optional<KeptLogits> logits(const Unit& unit) const;

  /// The points that fooled a model, witnesses/ab/<key>.json with <key>.npy beside it.
  void save_witnesses(const Unit& unit, const Witnesses& witnesses) const;
  /// Whether they are there, whole and intact.
  bool has_witnesses(const Unit& unit) const;

  /// Why a unit failed, if it is recorded to have.
  std::optional<std::string> failure(const Unit& unit) const;
  void record_failure(const Plan& plan, const Unit& unit, const std::string& why) const;
  void forget_failure(const Unit& unit) const;

  /// Writes a file of this folder, whole or not at all.
  void write(const std::filesystem::path& relative, const std::string& content) const;

 private:
  std::filesystem::path unit_path(const Unit& unit, const char* extension, const char* folder = "units") const;
  std::filesystem::path root_;
};

/// Writes a file whole or not at all, creating its folder. Throws assay::Error (exit 73).
void replace_file(const std::filesystem::path& file, const std::string& content);
/// A whole file, or nothing when it does not exist. Throws assay::Error (exit 65) when it can't be read.
std::optional<std::string> read_if_there(const std::filesystem::path& file);

}  // namespace assay
