#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "assay/core/device.hpp"
#include "assay/core/params.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// What one lane works on: a sample, a restart, a target. Each item has its own epsilon.
struct LaneItem {
  std::uint32_t sample = 0;  ///< data-set index
  float epsilon = 0;         ///< radius, pixels in [0, 1]
  std::uint32_t stream = 0;  ///< of its random numbers: attack, restart and target are in it
  std::uint32_t number = 0;  ///< in the unit's pool; of two items of a sample that succeed the lower one counts
  std::uint32_t restart = 0;
};

/// What a lane is at: `advance` and `look` are what an attack asks for, the next three how an item ends.
enum class Verdict : std::uint8_t {
  advance,    ///< wants logits, loss and gradient at its point
  look,       ///< wants logits alone
  fooled,     ///< the point that was just answered is a success
  exhausted,  ///< it has no more questions
  undecided,  ///< an answer was not finite
  fresh,      ///< has a new item, `start` is due
  idle,       ///< has none
};
ASSAY_HD bool asks(Verdict verdict) {
  return verdict <= Verdict::look;
}

/// What the model said of a lane's point; wrong is what counts as a success: not the label, or with an aim the target.
enum class Seen : std::uint8_t { right, wrong, broken };

/// Which of the lanes that ask a step answers; the others wait.
enum class Answers : std::uint8_t {
  all,
  looks,  ///< those that want logits alone: there are no gradients
  ended,  ///< looks, and lanes whose item ends by the logits: there are no gradients
};

/// A lane's target where it has none.
constexpr std::uint16_t kNoTarget = 0xFFFF;

/// The class that a targeted attack wants a sample taken for, which decides what its success is.
struct Aim {
  enum class At : std::uint8_t {
    others,        ///< not targeted: any class but the label
    second,        ///< the likeliest class on the clean image, the label left out
    least_likely,  ///< the least likely one, the label left out
    next,          ///< label + 1, of the last class 0
    number,
  };
  At at = At::others;
  std::uint16_t number = 0;

  explicit operator bool() const { return at != At::others; }
};

/// A batch of lanes, one row each; every pointer is device memory. Items own `width` lanes side by side, from a
/// multiple of it on: the first, the lead, has the item's state, verdict and point; the others ask what it wants to
/// know besides.
struct LaneBatch {
  std::int64_t lanes = 0, dim = 0;
  std::int64_t width = 1;
  std::int64_t c = 0, h = 0, w = 0;  ///< dim = c h w
  int classes = 0;
  std::uint64_t seed = 0;
  bool full = false;  ///< fooled lanes go on to their last query
  Answers answers = Answers::all;
  bool wrong_ends = false;  ///< logits that say wrong end an item, so that it needs no gradient there
  const LaneItem* item = nullptr;
  void* state = nullptr;         ///< lanes x Attack::lane_bytes
  const float* clean = nullptr;  ///< lanes x dim
  /// Where Attack::clean_gradient is set and heeded: that of the loss at the clean image, samples x dim from `first`
  /// on.
  const float* clean_gradient = nullptr;
  const float* starts = nullptr;  ///< starting points in place of the attack's own, samples x dim from `first` on
  std::uint32_t first = 0;
  float* point = nullptr;                ///< lanes x dim: read and written
  float* scratch = nullptr;              ///< lanes x Attack::scratch_rows x dim
  const float* logits = nullptr;         ///< lanes x classes, at `point`
  const float* value = nullptr;          ///< lanes: the loss at `point`, where the attack has one
  const float* gradient = nullptr;       ///< lanes x dim: d value / d point; where verdict is `advance`
  const std::uint16_t* label = nullptr;  ///< lanes
  std::uint16_t* target = nullptr;       ///< lanes: a class to be taken for, or kNoTarget
  const Seen* seen = nullptr;            ///< lanes
  std::uint8_t* ever = nullptr;          ///< lanes: set where some point of the item was a success
  Verdict* verdict = nullptr;            ///< lanes
  /// lanes; may be null. Of a lane that was answered, the size of the step that it takes from there; NaN where it takes
  /// none or the attack has no sizes.
  float* step = nullptr;
};

/// Whether the lane has an item's state; those behind the last whole item have none.
ASSAY_HD bool leads(const LaneBatch& lanes, std::int64_t r) {
  return r % lanes.width == 0 && r + lanes.width <= lanes.lanes;
}

/// Whether this step answers the lane.
ASSAY_HD bool served(const LaneBatch& lanes, std::int64_t r) {
  if (lanes.verdict[r] != Verdict::advance) return lanes.verdict[r] == Verdict::look;
  return lanes.answers == Answers::all || (lanes.answers == Answers::ended && lanes.seen[r] != Seen::right);
}

/// An attack with its parameters: a state machine that runs on all lanes at once. An item costs at most `queries`
/// answers; the last one is a look at its last point.
class Attack {
 public:
  virtual ~Attack() = default;
  std::string name;
  std::string loss = "cross_entropy";
  int queries = 1;
  int restarts = 1;
  /// Items a restart: one for each of the classes most likely on the clean image behind the label, as its target; 0:
  /// one, without a target.
  int targets = 0;
  Aim aim = {};                 ///< as the parameter `target` has it; not with `targets`
  int width = 1;                ///< lanes that an item owns, or as many as there are; it finds the same with any
  int draws = 1;                ///< gradients that are averaged at each point (expectation over transformation)
  bool clean_gradient = false;  ///< `start` makes use of the gradient at the clean image, asked for once for all radii
  bool any_success = true;      ///< every point of the wanted class is a success
  bool every_class = false;     ///< `collect` gets a gradient for each class but the label, as target, before `advance`
  std::size_t lane_bytes = 0;
  int scratch_rows = 0;

  /// Lanes that are `fresh`: writes state, first point and verdict (`advance` or `look`) from `clean` and the item's
  /// random stream.
  virtual void start(const Exec& exec, const LaneBatch& lanes) const = 0;
  /// Lanes that ask: consumes the answer, writes the next point and the verdict. A lane whose verdict becomes `fooled`
  /// or `exhausted` keeps the point that was answered.
  virtual void advance(const Exec& exec, const LaneBatch& lanes) const = 0;
  /// With every_class: lanes that want a gradient take in that for their present target, the `nth` class.
  virtual void collect(const Exec&, const LaneBatch&, int /*nth*/) const {}
};

/// One attack of an ensemble, by its registered name; parameters left out take their defaults.
struct Member {
  std::string name;
  Params params;
};

/// A registered attack: its parameters and how to make one. `make` gets every parameter filled in and checked.
struct AttackEntry {
  std::string about;
  std::string norm;  ///< "linf", "l2" or "l1": of the ball of radius epsilon
  std::vector<ParamSpec> params;
  std::unique_ptr<Attack> (*make)(const Params& params) = nullptr;
  /// Fills parameters whose default depends on others (step); may be null.
  void (*complete)(Params& params) = nullptr;
  std::string source = {};  ///< paper and equation
  /// In place of `make`: attacks of the same norm that run one after the other, each on what the ones before left
  /// standing.
  std::vector<Member> (*members)(const Params& params) = nullptr;
};

/// The attack, or those of the ensemble. Throws assay::Error, exit 2, where a member is unknown or of another norm.
std::vector<std::unique_ptr<Attack>> make_attacks(const std::string& name, const Params& params);
#define ASSAY_ATTACK(name, ...)                                      \
  const ::assay::Registry<::assay::AttackEntry>::Add assay_attack_ { \
    name, ::assay::AttackEntry {                                     \
      __VA_ARGS__                                                    \
    }                                                                \
  }

}  // namespace assay
