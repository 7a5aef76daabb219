#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "assay/core/device.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// What is kept of one sample: 16 bytes, all that crosses to the host. Under an attack, prediction, confidence, nll and
/// brier are those of the adversarial point; of a sample that is not fooled, those of the last point (of several items
/// the one with the largest nll); of one that is wrong when clean, or whose label is the target, those of the clean
/// image.
struct SampleRow {
  enum Flag : std::uint16_t {
    correct = 1,            ///< prediction == label (arg-max ties: lowest index)
    top5 = 2,               ///< fewer than 5 classes rank before the label
    clean_correct = 4,      ///< right on the unperturbed image; attacks only
    fooled_any = 8,         ///< a point of the attack is a success: not the label, or the target; attacks only
    fooled_final = 16,      ///< the last one is; attacks only
    retired = 64,           ///< nothing was asked after the first success, or the sample was not attacked; attacks only
    label_is_target = 128,  ///< so that there was nothing to attack; targeted attacks only
    undecided = 32,  ///< a logit or gradient was not finite, or the unit failed: never counted as right or robust
  };
  std::uint16_t prediction;
  std::uint16_t flags;
  float confidence;  ///< largest softmax probability
  float nll;         ///< -log p[label]
  float brier;       ///< sum over classes of (p - onehot)^2, 0..2

  ASSAY_HD bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};
static_assert(sizeof(SampleRow) == 16);

/// Samples of one score: how many, and of how many the condition that is asked for holds.
struct Ties {
  float score;
  std::uint64_t count, hits;

  /// What a score that is a probability promised too little: hits less their expected number.
  double gap() const { return static_cast<double>(hits) - static_cast<double>(count) * static_cast<double>(score); }
};
/// Rising in score.
using Ranking = std::vector<Ties>;

enum class CellKind { clean, corrupted, attacked };

/// A reported number. NaN means undefined and is written as null.
struct Estimate {
  double value, lo, hi, confidence;
  std::map<std::string, std::vector<double>> curves;  ///< such as the bins of a reliability diagram
  std::string undefined = {};                         ///< why there is no value
};

/// A statistic over samples, the same for any batches, shards, order and device. Either a sum: its state is `words`
/// 64-bit integers, all zero when empty, and adding two states word by word merges them exactly. Or a rank statistic,
/// which needs the order of all samples: `rank` is set and `words` is 0.
struct Metric {
  std::string definition;
  int words = 0;
  bool (*applies)(CellKind kind) = nullptr;
  /// Adds `rows` to `state` (device memory) on exec.
  void (*reduce)(const Exec& exec, const SampleRow* rows, std::int64_t n, std::uint64_t* state) = nullptr;
  Estimate (*finish)(const std::uint64_t* state) = nullptr;
  std::string profile = {};           ///< "", or the peer and the version whose rule this variant follows
  std::vector<Metric> profiles = {};  ///< variants of the same name
  std::string targeted = {};          ///< its definition under an attack with a target; empty: the same
  Estimate (*rank)(const Ranking& ranking) = nullptr;
  bool larger_is_better = false;
  bool top_label = false;  ///< reads no nll, brier or top5 of a row, so that its largest probability says all

  /// By the rule of `followed`, where it has a variant for that.
  const Metric& by(const std::string& followed) const {
    for (const Metric& variant : profiles)
      if (variant.profile == followed) return variant;
    return *this;
  }
};
#define ASSAY_METRIC(name, ...)                                 \
  const ::assay::Registry<::assay::Metric>::Add assay_metric_ { \
    name, ::assay::Metric {                                     \
      __VA_ARGS__                                               \
    }                                                           \
  }

}  // namespace assay
