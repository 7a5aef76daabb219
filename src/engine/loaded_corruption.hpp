#pragma once
#include <string>
#include <vector>

#include "assay/core/buffer.hpp"
#include "assay/corruption.hpp"
#include "core/transfer.hpp"

namespace assay {

/// A registered corruption at one severity, its constants on the device.
class LoadedCorruption {
 public:
  LoadedCorruption() = default;
  LoadedCorruption(const Exec& exec, const std::string& name, const CorruptionArgs& args)
      : entry_(Registry<Corruption>::find(name)), args_(args) {
    if (entry_->constants == nullptr) return;
    const std::vector<std::uint32_t> host = entry_->constants(args);
    constants_ = {exec, static_cast<std::int64_t>(host.size())};
    upload(exec, constants_.data(), host.data(), host.size() * sizeof(host[0]));
  }

  bool is(const std::string& name, const CorruptionArgs& args) const {
    return entry_ != nullptr && entry_ == Registry<Corruption>::find(name) && args_ == args;
  }
  const Corruption& entry() const { return *entry_; }
  /// Queues the corruption of a batch, whose `constants` are filled in here.
  void apply(const Exec& exec, CorruptionBatch batch) const {
    batch.constants = constants_.data();
    entry_->apply(exec, args_, batch);
  }

 private:
  const Corruption* entry_ = nullptr;
  CorruptionArgs args_;
  Buffer<std::uint32_t> constants_;
};

}  // namespace assay
