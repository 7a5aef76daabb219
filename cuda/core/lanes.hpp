#pragma once
#include "assay/attack.hpp"
#include "assay/model.hpp"
#include "core/rows.hpp"

// The pool of a unit under attack and the lanes that it feeds. An item is a sample under one round of one attack: a
// restart, and where the attack is targeted a target. Items are numbered by (attack, round, sample), so that the
// samples that take longest do not start last. When a
// lane's item ends, the lane takes the next one in the same step. Two items of a sample may be under way at once; of
// those that succeed the lowest number counts, so results and charged passes do not depend on how many lanes there are.
// Nothing here allocates or waits.
namespace assay {

constexpr std::uint32_t kNoItem = 0xFFFFFFFFu;

/// What the host may know of a step.
struct PoolCounts {
  std::uint32_t active;     ///< lanes that ask
  std::uint32_t gradients;  ///< of them those that want a gradient
  std::uint32_t pending;    ///< items that may still be taken up
  std::uint32_t winners;    ///< samples fooled so far
};

/// Samples [lo, lo + n) of the data set, by index - lo, and the items of all attacks of the unit.
struct Pool {
  std::int64_t lo = 0, n = 0, dim = 0;
  std::uint64_t* spent = nullptr;   ///< an item: forward passes in the upper half, backward in the lower
  std::uint16_t* flags = nullptr;   ///< SampleRow::Flag
  std::uint32_t* winner = nullptr;  ///< the item that fooled it, or kNoItem
  std::uint32_t* kept = nullptr;    ///< the item whose last point is the strongest so far, or kNoItem
  SampleRow* rows = nullptr;        ///< what is kept of it
  float* points = nullptr;          ///< the adversarial, else the strongest last point, else the clean image
  float* gradients = nullptr;       ///< n x dim: at the clean images, where the attack takes them
  std::uint16_t* rank = nullptr;    ///< n x ranks: its likeliest classes when clean behind the label, in order
  int ranks = 0;
  std::uint16_t* goal = nullptr;           ///< the class that each is to be taken for; null: any but its label
  const std::uint32_t* streams = nullptr;  ///< of the attack under way, a round
  std::uint32_t first = 0, end = 0;        ///< its items
  int targets = 0;                         ///< its rounds are restarts x these; 0: it has none
  float epsilon = 0;
  bool full = false;
  // Of a curve of radii: samples are attacked at one level after the other, those that are due.
  const std::uint16_t* due = nullptr;  ///< a sample; null: all are
  std::uint16_t level = 0;
  int asked = 1;                   ///< how often the model is asked about a claimed success: an odd number
  std::uint16_t* votes = nullptr;  ///< n: how often it was one; null where it is asked once
  std::uint32_t* next = nullptr;   ///< the item that is taken up next
  PoolCounts* counts = nullptr;
};

/// A lane's other columns; LaneBatch has what attacks see.
struct LaneTable {
  LaneBatch batch;
  LaneItem* item = nullptr;
  float* clean = nullptr;
  std::uint16_t* label = nullptr;
  Seen* seen = nullptr;
  std::uint64_t* spent = nullptr;                  ///< of the item under way, as in Pool
  SampleRow* row = nullptr;                        ///< of the item's last point
  std::uint8_t* take = nullptr;                    ///< its point goes to the pool
  std::int32_t* from = nullptr;                    ///< where a lane comes from when the table shrinks
  std::int64_t state_bytes = 0, scratch_rows = 0;  ///< of a lane
  bool aimed = false;                              ///< success is the lane's target, and no other class
};

/// Nobody has won yet.
void begin_pool(const Exec& exec, const Pool& pool);

/// Sample first + r becomes what its clean logits and pixels (rows x dim) say; no item has fooled it yet.
void begin_samples(const Exec& exec, const Pool& pool, std::int64_t first, std::int64_t rows, const float* pixels);
/// Where the loss has no finite gradient at the clean image (rows x dim), there is no attack.
void begin_gradients(const Exec& exec, const Pool& pool, std::int64_t first, std::int64_t rows, const float* gradient);
/// And its targets: the pool.ranks classes with the largest clean logits (rows x classes), the label left out.
void rank_targets(const Exec& exec, const Pool& pool, std::int64_t first, std::int64_t rows, int classes,
                  const float* logits, const std::uint16_t* label);

/// What `rows` samples, padding included, are to be taken for, by their clean logits (rows x classes). Where that is
/// the label there is no attack, and no target.
void aim_samples(const Exec& exec, const Pool& pool, Aim aim, std::int64_t first, std::int64_t rows, int classes,
                 const float* logits, const std::uint16_t* label);

/// All lanes idle, the queue at its first item. Idle rows show the pool's first sample.
void begin_items(const Exec& exec, const Pool& pool, const ResidentData& data, const LaneTable& lanes);

/// Gives idle lanes the next items, in order, as `fresh` with their clean pixels. Skips items of samples
/// that are not attacked (wrong when clean, of the target's class) or already fooled, unless pool.full.
void refill(const Exec& exec, const Pool& pool, const ResidentData& data, const LaneTable& lanes);

/// Counts what the host may know, when started lanes have said what they ask.
void count_lanes(const Exec& exec, const Pool& pool, const LaneTable& lanes);

/// What the logits say of the lanes that ask; charges them a forward pass. After the `first` draw at a point what is
/// broken stays so.
void judge(const Exec& exec, const LaneTable& lanes, bool first = true);
/// Of lanes that want a gradient: counts->active become those whose items the logits end, counts->gradients the others.
void count_ended(const Exec& exec, const Pool& pool, const LaneTable& lanes);
/// Takes back what judge charged lanes that wait, with Answers::ended, for a gradient: they are asked anew.
void hold_back(const Exec& exec, const LaneTable& lanes);
/// Lanes with a gradient that is not finite are broken; charges those that need one a backward pass.
void judge_gradients(const Exec& exec, const LaneTable& lanes);

/// Adds batch.gradient to `sum` (lanes x dim), or begins it, and divides it at the last of `draws`.
void average_gradient(const Exec& exec, const LaneBatch& batch, int draw, int draws, float* sum);

/// The target of every lane becomes the nth class, its label left out.
void aim_at_class(const Exec& exec, const LaneBatch& batch, int nth);

/// Takes ended items into the pool and cancels those of samples that a lower item has fooled; their lanes are idle.
void settle(const Exec& exec, const Pool& pool, const LaneTable& lanes);

/// Moves what is under way to the first `fewer` lanes; there must be no more of it than that.
void shrink(const Exec& exec, const LaneTable& lanes, std::int64_t fewer);

/// Writes the indices of the samples that an item has fooled, in order, to `list`.
void list_winners(const Exec& exec, const Pool& pool, std::uint32_t* list);

enum class Norm { linf, l2, l1 };

/// Judges claimed adversarials (rows x dim: copies of pool.points) by what the model says of them now. Where that is
/// not the label, or what pool.goal asks for, the point finite, in the box and within epsilon of `clean` (1e-6 relative
/// and 2^-25 a pixel: half a unit in the last place below 1), the sample is fooled; else it is undecided. Of pool.asked
/// answers, this being the `nth` from 0, the majority decides.
void verify_points(const Exec& exec, const Pool& pool, Norm norm, const std::uint32_t* list, std::int64_t rows,
                   const SampleRow* answer, const float* clean, const float* points, int nth = 0);

/// The rows' last flags.
void finish_rows(const Exec& exec, const Pool& pool);
/// Passes that count: `clean` ones, those of items up to the winner, and pool.asked for the winner's verification.
/// totals: forward, backward; `sample`, when given, has them a sample.
void sum_passes(const Exec& exec, const Pool& pool, std::int64_t items, Passes clean, std::uint64_t* totals,
                std::uint64_t* sample);

constexpr std::uint16_t kNoLevel = 0xFFFF;

/// What is known of each sample at each radius.
struct Curve {
  int levels = 0;
  bool bisect = false;           ///< halve between failure and success; else every level below the first success
  std::uint16_t* due = nullptr;  ///< n: the level to attack next, or kNoLevel
  std::int16_t *failed = nullptr, *fell = nullptr;  ///< n: the largest level that failed, or -1; the smallest that fell
  SampleRow* clean = nullptr;                       ///< n
  SampleRow* rows = nullptr;                        ///< levels x n
  std::uint8_t* visited = nullptr;                  ///< levels x n
};

/// From the pool's samples as they are when clean: nothing is known.
void begin_curve(const Exec& exec, const Pool& pool, const Curve& curve);
/// Before a level: its samples are as when clean.
void begin_level(const Exec& exec, const Pool& pool, const Curve& curve);
/// After its verification: keeps its rows and says at which level each of its samples is due next.
void end_level(const Exec& exec, const Pool& pool, const Curve& curve);
/// Fills in what was not attacked: above a success its row; below a failure, which nothing but monotony tells, the row
/// of the next smaller failure, or the clean one.
void finish_curve(const Exec& exec, const Pool& pool, const Curve& curve);

}  // namespace assay
