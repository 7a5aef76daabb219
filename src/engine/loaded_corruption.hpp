#pragma once
#include <string>
#include <vector>

#include "assay/core/buffer.hpp"
#include "assay/corruption.hpp"
#include "assay/sweep.hpp"
#include "core/transfer.hpp"

namespace assay {

/// Of a corruption as it stands in a plan, its table chosen and its textures loaded.
inline CorruptionArgs corruption_args(const Perturbation& corruption) {
  return {static_cast<int>(integer_param(corruption.params, "severity")),
          choose_table(text_param(corruption.params, "table"), 0), corruption.textures};
}

/// A corruption at one severity for images of one size, its constants and working memory on the device.
class LoadedCorruption {
 public:
  LoadedCorruption() = default;
  /// For batches of up to n images.
  LoadedCorruption(const Exec& exec, const Corruption& entry, const CorruptionShape& shape, std::int64_t n)
      : entry_(&entry), shape_(shape), scratch_(exec, scratch_slots(exec, n) * entry_->scratch_count(shape)) {
    if (entry_->constants == nullptr) return;
    const std::vector<std::uint32_t> host = entry_->constants(shape);
    constants_ = {exec, static_cast<std::int64_t>(host.size())};
    upload(exec, constants_.data(), host.data(), host.size() * sizeof(host[0]));
  }

  bool is(const Corruption& entry, const CorruptionShape& shape) const { return entry_ == &entry && shape_ == shape; }
  const Corruption& entry() const { return *entry_; }
  std::int64_t draw_count() const { return entry_->draw_count(shape_); }
  /// Queues the corruption of a batch, where constants, scratch and draw_count are filled in here.
  void apply(const Exec& exec, CorruptionBatch batch) const {
    batch.constants = constants_.data();
    batch.scratch = scratch_.data();
    batch.scratch_count = entry_->scratch_count(shape_);
    batch.draw_count = draw_count();
    entry_->apply(exec, shape_.args, batch);
  }

 private:
  const Corruption* entry_ = nullptr;
  CorruptionShape shape_;
  Buffer<std::uint32_t> constants_;
  Buffer<float> scratch_;
};

}  // namespace assay
