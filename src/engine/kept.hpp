#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "engine/store.hpp"

// What a sweep with keep = "logits" has of its samples.
namespace assay {

/// In the sweep's folder.
inline constexpr const char* kKeptLabels = "labels.npy";
/// The labels of all the plan's samples. Throws assay::Error (exit 65) where the file is not there or of other length.
std::vector<std::uint16_t> kept_labels(const Plan& plan, const Store& store);

/// Throws assay::Error (exit 65) for one that is not below `classes`. Units that failed have none to compare with.
void check_kept_labels(const Store& store, std::span<const std::uint16_t> labels, int classes);

struct KeptUnit {
  std::vector<SampleRow> rows;  ///< hi - lo; undecided of a unit that failed, and where a kept logit is not finite
  int classes = 0;              ///< 0: the unit failed
  std::vector<float> logits;    ///< samples x classes, of undecided samples anything
};
/// Throws assay::Error: exit 4 where the unit or its logits are missing, 65 where `labels`, those of all samples, are
/// not what it was computed with.
KeptUnit read_kept(const Plan& plan, const Store& store, const Unit& unit, std::span<const std::uint16_t> labels);

}  // namespace assay
