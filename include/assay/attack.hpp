#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "assay/core/device.hpp"
#include "assay/core/params.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// What one lane works on. Each lane has its own epsilon.
struct LaneItem {
  std::uint32_t sample = 0;  ///< data-set index
  float epsilon = 0;         ///< radius, pixels in [0, 1]
};

enum class Verdict : std::uint8_t { advance, exhausted };

/// A batch of lanes, one row each; every pointer is device memory.
struct LaneBatch {
  std::int64_t lanes = 0, dim = 0;
  const LaneItem* item = nullptr;
  void* state = nullptr;            ///< lanes x Attack::lane_bytes
  const float* clean = nullptr;     ///< lanes x dim
  float* point = nullptr;           ///< lanes x dim: read and written
  float* scratch = nullptr;         ///< lanes x Attack::scratch_rows x dim
  const float* value = nullptr;     ///< lanes: the loss at `point`
  const float* gradient = nullptr;  ///< lanes x dim: d value / d point
  Verdict* verdict = nullptr;       ///< lanes
  std::uint64_t seed = 0;
};

/// An attack with its parameters: a state machine that runs on all lanes at once.
class Attack {
 public:
  virtual ~Attack() = default;
  std::string loss = "cross_entropy";
  int queries = 1;            ///< gradients a lane asks for at most
  bool starts_clean = false;  ///< the first point is the clean image, so its first answer is the clean prediction
  std::size_t lane_bytes = 0;
  int scratch_rows = 0;

  /// Writes each lane's state, first point and verdict from `clean` and the item's random stream.
  virtual void start(const Exec& exec, const LaneBatch& lanes) const = 0;
  /// Consumes one answer (value, gradient at point), writes the next point and the verdict.
  virtual void advance(const Exec& exec, const LaneBatch& lanes) const = 0;
};

/// A registered attack: its parameters and how to make one. `make` gets every parameter filled in and checked.
struct AttackEntry {
  std::string about;
  std::string norm;  ///< "linf" or "l2": of the ball of radius epsilon
  std::vector<ParamSpec> params;
  std::unique_ptr<Attack> (*make)(const Params& params) = nullptr;
  /// Fills parameters whose default depends on others (step); may be null.
  void (*complete)(Params& params) = nullptr;
  std::string source = {};  ///< paper and equation
};
#define ASSAY_ATTACK(name, ...)                                      \
  const ::assay::Registry<::assay::AttackEntry>::Add assay_attack_ { \
    name, ::assay::AttackEntry {                                     \
      __VA_ARGS__                                                    \
    }                                                                \
  }

}  // namespace assay
