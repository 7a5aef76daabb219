#include "assay/core/team.hpp"
#include "core/lanes.hpp"
#include "core/pixels.hpp"
#include "core/score.hpp"

namespace assay {
namespace {

constexpr std::uint64_t kForward = std::uint64_t{1} << 32, kBackward = 1;
constexpr std::uint32_t kNoSample = 0xFFFFFFFFu;

struct BeginPool {
  PoolCounts* counts;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    team.once([&] { *counts = {}; });
  }
};

struct BeginSamples {
  Pool pool;
  std::int64_t first;
  const float* pixels;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t u = first + row;
    team.map(pool.dim, pool.points + u * pool.dim, [](float v) { return v; }, pixels + row * pool.dim);
    team.once([&] {
      const SampleRow& clean = pool.rows[u];
      unsigned flags = 0;
      if (clean.has(SampleRow::correct)) flags |= SampleRow::clean_correct;
      if (!pool.full && !clean.has(SampleRow::correct)) flags |= SampleRow::retired;
      if (clean.has(SampleRow::undecided)) flags |= SampleRow::undecided;
      pool.flags[u] = static_cast<std::uint16_t>(flags);
      pool.winner[u] = kNoItem;
      pool.kept[u] = kNoItem;
    });
  }
};

/// Whether every element is a number. 0 * g is 0 for every finite g and NaN otherwise: one vectorised sum instead of a
/// test an element.
template <class Team>
ASSAY_HD bool all_finite(Team& team, std::int64_t n, const float* g) {
  const float poison = team.sum_of(n, [](float v) { return 0.f * v; }, g);
  return poison == 0.f && finite(poison);
}

struct BeginGradients {
  Pool pool;
  std::int64_t first;
  const float* gradient;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t u = first + row;
    const bool sound = all_finite(team, pool.dim, gradient + row * pool.dim);
    team.map(pool.dim, pool.gradients + u * pool.dim, [](float v) { return v; }, gradient + row * pool.dim);
    team.once([&] {
      if (!sound && (pool.flags[u] & SampleRow::retired) == 0)
        pool.flags[u] = SampleRow::clean_correct | SampleRow::undecided | SampleRow::retired;
    });
  }
};

struct RankTargets {
  Pool pool;
  std::int64_t first;
  int classes;
  const float* logits;
  const std::uint16_t* label;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    std::uint16_t* const rank = pool.rank + (first + row) * pool.ranks;
    Ranked last = kUnranked;
    for (int t = 0; t < pool.ranks; ++t) {
      last = next_ranked(team, logits + row * classes, classes, last, label[row]);
      team.once([&] { rank[t] = static_cast<std::uint16_t>(last.k < classes ? last.k : kNoTarget); });
    }
  }
};

struct AimSamples {
  Pool pool;
  Aim aim;
  std::int64_t first;
  int classes;
  const float* logits;
  const std::uint16_t* label;

  /// The class with the smallest logit but the label; of equal ones the last.
  template <class Team>
  ASSAY_HD static int least(Team& team, const float* z, int classes, int label) {
    const float bottom = team.max(classes, kLowest, [=](std::int64_t k) { return k == label ? kLowest : -z[k]; });
    const float last = team.max(
        classes, -1.f, [=](std::int64_t k) { return k != label && -z[k] == bottom ? static_cast<float>(k) : -1.f; });
    return static_cast<int>(last);
  }

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const float* const z = logits + row * classes;
    const int own = label[row];
    int goal = aim.number;
    if (aim.at == Aim::At::next) goal = own + 1 < classes ? own + 1 : 0;
    if (aim.at == Aim::At::second) goal = next_ranked(team, z, classes, kUnranked, own).k;
    if (aim.at == Aim::At::least_likely) goal = least(team, z, classes, own);
    const bool there = goal >= 0 && goal < classes && goal != own;
    const std::int64_t u = first + row;
    team.once([&] {
      pool.goal[u] = there ? static_cast<std::uint16_t>(goal) : kNoTarget;
      if (goal != own || u >= pool.n) return;
      unsigned flags = pool.flags[u] | SampleRow::label_is_target;
      if (!pool.full) flags |= SampleRow::retired;
      pool.flags[u] = static_cast<std::uint16_t>(flags);
    });
  }
};

/// Whether the sample is attacked at the pool's level.
ASSAY_HD bool is_due(const Pool& pool, std::int64_t u) {
  return pool.due == nullptr || pool.due[u] == pool.level;
}

/// Whether the pool may give out this item.
ASSAY_HD bool open(const Pool& pool, std::uint32_t number) {
  if (pool.full) return true;
  const auto u = static_cast<std::int64_t>(number) % pool.n;
  if (!is_due(pool, u)) return false;
  return (pool.flags[u] & SampleRow::retired) == 0 && pool.winner[u] == kNoItem;
}

struct BeginItems {
  Pool pool;
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const LaneTable own = lanes;
    const Pool queue = pool;
    team.each(lanes.batch.lanes, [=](std::int64_t r) {
      own.batch.verdict[r] = Verdict::idle;
      own.item[r] = {kNoSample, 0.f, 0, kNoItem};
    });
    team.once([&] { *queue.next = queue.first; });
  }
};

struct Refill {
  Pool pool;
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    team.once([&] {
      const std::int64_t width = lanes.batch.width;
      std::uint32_t next = *pool.next;
      for (std::int64_t r = 0; leads(lanes.batch, r); r += width) {
        if (lanes.batch.verdict[r] == Verdict::idle) {
          while (next < pool.end && !open(pool, next)) ++next;
          if (next < pool.end) {
            const auto sample = static_cast<std::uint32_t>(static_cast<std::int64_t>(next) % pool.n);
            const std::uint32_t round = (next - pool.first) / static_cast<std::uint32_t>(pool.n);
            const auto rounds = static_cast<std::uint32_t>(pool.targets > 0 ? pool.targets : 1);  // of a restart
            for (std::int64_t own = r; own < r + width; ++own) {
              lanes.item[own] = {static_cast<std::uint32_t>(pool.lo) + sample, pool.epsilon, pool.streams[round], next,
                                 round / rounds};
              lanes.batch.verdict[own] = Verdict::fresh;
            }
            ++next;
          }
        }
      }
      *pool.next = next;
    });
  }
};

struct CountLanes {
  Pool pool;
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const Verdict* verdict = lanes.batch.verdict;
    const std::int64_t width = lanes.batch.width, items = lanes.batch.lanes / width;
    const auto active = team.count(items, [=](std::int64_t i) { return asks(verdict[i * width]); });
    const auto gradients = team.count(items, [=](std::int64_t i) { return verdict[i * width] == Verdict::advance; });
    team.once([&] {
      pool.counts->active = static_cast<std::uint32_t>(active * width);
      pool.counts->gradients = static_cast<std::uint32_t>(gradients * width);
      pool.counts->pending = pool.end - *pool.next;
    });
  }
};

/// The clean pixels of fresh lanes. Lanes that have had no item yet show the pool's first sample, so that the model is
/// asked about nothing but images.
struct FillLanes {
  Pool pool;
  ResidentData data;
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    const bool fresh = lanes.batch.verdict[r] == Verdict::fresh;
    const std::uint32_t sample = lanes.item[r].sample;
    if (!fresh && sample != kNoSample) return;
    const std::int64_t from = fresh ? sample : pool.lo;
    fill_pixels(team, data, from, (fresh ? lanes.clean : lanes.batch.point) + r * pool.dim);
    team.once([&] {
      lanes.label[r] = data.label[from];
      lanes.batch.target[r] = kNoTarget;
      if (fresh && pool.targets > 0) {
        const std::uint32_t round = (lanes.item[r].number - pool.first) / static_cast<std::uint32_t>(pool.n);
        const auto nth = static_cast<std::int64_t>(round % static_cast<std::uint32_t>(pool.targets));
        lanes.batch.target[r] = pool.rank[(from - pool.lo) * pool.ranks + nth];
      }
      if (fresh && pool.goal != nullptr) lanes.batch.target[r] = pool.goal[from - pool.lo];
      lanes.batch.ever[r] = 0;
      lanes.spent[r] = 0;
      if (!fresh) lanes.item[r].sample = static_cast<std::uint32_t>(from);
    });
  }
};

struct Judge {
  LaneTable lanes;
  bool first;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    if (first ? !served(lanes.batch, r) : lanes.batch.verdict[r] != Verdict::advance) return;  // a look is one draw
    const int classes = lanes.batch.classes;
    const float* z = lanes.batch.logits + r * classes;
    const bool was_broken = !first && lanes.seen[r] == Seen::broken;
    const bool broken = was_broken || team.count(classes, [=](std::int64_t k) { return !finite(z[k]); }) != 0;
    const int top = broken ? classes : arg_max(team, z, classes);
    const bool wrong = lanes.aimed ? top == lanes.batch.target[r] : top != lanes.label[r];
    team.once([&] {
      lanes.seen[r] = broken ? Seen::broken : wrong ? Seen::wrong : Seen::right;
      lanes.spent[r] += kForward;
    });
  }
};

struct CountEnded {
  Pool pool;
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const Verdict* const verdict = lanes.batch.verdict;
    const Seen* const seen = lanes.seen;
    const auto wanted = team.count(lanes.batch.lanes, [=](std::int64_t r) { return verdict[r] == Verdict::advance; });
    const auto right = team.count(
        lanes.batch.lanes, [=](std::int64_t r) { return verdict[r] == Verdict::advance && seen[r] == Seen::right; });
    team.once([&] {
      pool.counts->active = static_cast<std::uint32_t>(wanted - right);
      pool.counts->gradients = static_cast<std::uint32_t>(right);
    });
  }
};

struct HoldBack {
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const LaneTable own = lanes;
    team.each(lanes.batch.lanes, [=](std::int64_t r) {
      if (own.batch.verdict[r] == Verdict::advance && own.seen[r] == Seen::right) own.spent[r] -= kForward;
    });
  }
};

struct JudgeGradients {
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    if (lanes.batch.verdict[r] != Verdict::advance) return;
    if (lanes.batch.wrong_ends && lanes.seen[r] != Seen::right) return;
    const float* g = lanes.batch.gradient + r * lanes.batch.dim;
    const bool sound = all_finite(team, lanes.batch.dim, g);
    team.once([&] {
      if (!sound) lanes.seen[r] = Seen::broken;
      lanes.spent[r] += kBackward;
    });
  }
};

struct AverageGradient {
  LaneBatch batch;
  int draw, draws;
  float* sum;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    const std::int64_t dim = batch.dim;
    float* const own = sum + r * dim;
    const float* const gradient = batch.gradient + r * dim;
    const auto count = static_cast<float>(draws);
    if (draw == 0)
      team.map(dim, own, [](float g) { return g; }, gradient);
    else if (draw + 1 < draws)
      team.map(dim, own, [](float s, float g) { return s + g; }, own, gradient);
    else
      team.map(dim, own, [=](float s, float g) { return (s + g) / count; }, own, gradient);
  }
};

struct AimAtClass {
  LaneBatch batch;
  int nth;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const LaneBatch own = batch;
    const int k = nth;
    team.each(batch.lanes,
              [=](std::int64_t r) { own.target[r] = static_cast<std::uint16_t>(k < own.label[r] ? k : k + 1); });
  }
};

/// What is kept of an item that ended without success.
struct ScoreEnded {
  [[maybe_unused]] static constexpr int kTeamsTogether = kScoringTeams;
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    if (lanes.batch.verdict[r] != Verdict::exhausted) return;
    const int classes = lanes.batch.classes;
    const SampleRow row = score_row(team, classes, lanes.batch.logits + r * classes, lanes.label[r], 0);
    team.once([&] { lanes.row[r] = row; });
  }
};

struct TakeEnded {
  Pool pool;
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    team.once([&] {
      const std::int64_t width = lanes.batch.width;
      std::uint32_t winners = pool.counts->winners;
      for (std::int64_t r = 0; leads(lanes.batch, r); r += width) {
        const Verdict verdict = lanes.batch.verdict[r];
        if (asks(verdict) || verdict == Verdict::idle) continue;
        const std::uint32_t number = lanes.item[r].number;
        const std::int64_t u = static_cast<std::int64_t>(lanes.item[r].sample) - pool.lo;
        std::uint64_t spent = 0;
        for (std::int64_t own = r; own < r + width; ++own) {
          spent += lanes.spent[own];
          // What the others have asked meanwhile, as many as they are, is not charged.
          if (own > r && verdict == Verdict::fooled && asks(lanes.batch.verdict[own])) spent -= kForward;
        }
        pool.spent[number] = spent;
        unsigned flags = pool.flags[u];
        if (verdict == Verdict::undecided) flags |= SampleRow::undecided;
        if (pool.full && lanes.batch.ever[r] != 0) flags |= SampleRow::fooled_any;
        pool.flags[u] = static_cast<std::uint16_t>(flags);
        if (verdict == Verdict::fooled) {
          winners += pool.winner[u] == kNoItem ? 1 : 0;
          if (number < pool.winner[u]) pool.winner[u] = number;
        } else if (verdict == Verdict::exhausted) {
          const float nll = lanes.row[r].nll, best = pool.rows[u].nll;
          if (pool.kept[u] == kNoItem || nll > best || (nll == best && number < pool.kept[u])) {
            pool.kept[u] = number;
            if (pool.winner[u] == kNoItem) pool.rows[u] = lanes.row[r];
          }
        }
      }
      for (std::int64_t r = 0; r < lanes.batch.lanes; ++r) lanes.take[r] = 0;
      for (std::int64_t r = 0; leads(lanes.batch, r); r += width) {
        const Verdict verdict = lanes.batch.verdict[r];
        if (verdict == Verdict::idle) continue;
        const std::uint32_t number = lanes.item[r].number;
        const std::int64_t u = static_cast<std::int64_t>(lanes.item[r].sample) - pool.lo;
        const std::uint32_t winner = pool.winner[u];
        if (asks(verdict) && (pool.full || winner > number)) continue;
        if (verdict == Verdict::fooled)
          lanes.take[r] = winner == number;
        else if (verdict == Verdict::exhausted)
          lanes.take[r] = winner == kNoItem && pool.kept[u] == number;
        for (std::int64_t own = r; own < r + width; ++own) lanes.batch.verdict[own] = Verdict::idle;
      }
      pool.counts->winners = winners;
    });
  }
};

struct Collect {
  Pool pool;
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    if (lanes.take[r] == 0) return;
    const std::int64_t u = static_cast<std::int64_t>(lanes.item[r].sample) - pool.lo, dim = pool.dim;
    team.map(dim, pool.points + u * dim, [](float v) { return v; }, lanes.batch.point + r * dim);
  }
};

/// Free items' lanes among the first `fewer` are matched, in order, with those behind them that are not free.
struct MatchLanes {
  LaneTable lanes;
  std::int64_t fewer;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    team.once([&] {
      const std::int64_t width = lanes.batch.width, whole = fewer / width * width;
      std::int64_t source = whole;
      for (std::int64_t r = 0; r < fewer; ++r) lanes.from[r] = -1;
      for (std::int64_t r = 0; r < whole; r += width) {
        if (lanes.batch.verdict[r] != Verdict::idle) continue;
        while (leads(lanes.batch, source) && lanes.batch.verdict[source] == Verdict::idle) source += width;
        if (!leads(lanes.batch, source)) continue;
        for (std::int64_t own = r; own < r + width; ++own) lanes.from[own] = static_cast<std::int32_t>(source++);
      }
    });
  }
};

struct MoveLanes {
  LaneTable lanes;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t r) const {
    const std::int64_t from = lanes.from[r], dim = lanes.batch.dim, scratch = dim * lanes.scratch_rows;
    if (from < 0) return;
    const auto same = [](float v) { return v; };
    team.map(dim, lanes.clean + r * dim, same, lanes.clean + from * dim);
    team.map(dim, lanes.batch.point + r * dim, same, lanes.batch.point + from * dim);
    team.map(scratch, lanes.batch.scratch + r * scratch, same, lanes.batch.scratch + from * scratch);
    auto* const state = static_cast<std::byte*>(lanes.batch.state);
    std::byte *const to = state + r * lanes.state_bytes, *const was = state + from * lanes.state_bytes;
    team.each(lanes.state_bytes, [=](std::int64_t i) { to[i] = was[i]; });
    team.once([&] {
      lanes.item[r] = lanes.item[from];
      lanes.label[r] = lanes.label[from];
      lanes.batch.ever[r] = lanes.batch.ever[from];
      lanes.batch.target[r] = lanes.batch.target[from];
      lanes.spent[r] = lanes.spent[from];
      lanes.batch.verdict[r] = lanes.batch.verdict[from];
      lanes.batch.verdict[from] = Verdict::idle;
    });
  }
};

struct ListWinners {
  Pool pool;
  std::uint32_t* list;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    team.once([&] {
      std::int64_t count = 0;
      for (std::int64_t u = 0; u < pool.n; ++u)
        if (is_due(pool, u) && pool.winner[u] != kNoItem) list[count++] = static_cast<std::uint32_t>(u);
    });
  }
};

struct VerifyPoints {
  Pool pool;
  Norm norm;
  const std::uint32_t* list;
  const SampleRow* answer;
  const float *clean, *points;
  int nth;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t u = list[row], dim = pool.dim;
    const float *point = points + row * dim, *from = clean + row * dim;
    // NaN compares as outside.
    const std::int64_t outside =
        team.sum_of(dim, [](float p) { return std::int64_t{p >= 0.f && p <= 1.f ? 0 : 1}; }, point);
    const auto gap = [](float p, float c) { return static_cast<double>(p) - static_cast<double>(c); };
    double size = 0, pixels = 1;
    if (norm == Norm::linf) {
      size = team.max_of(
          dim, 0.0,
          [=](float p, float c) {
            const double d = gap(p, c);
            return d < 0 ? -d : d;
          },
          point, from);
    } else if (norm == Norm::l2) {
      size = sqrt(team.sum_of(
          dim,
          [=](float p, float c) {
            const double d = gap(p, c);
            return d * d;
          },
          point, from));
      pixels = sqrt(static_cast<double>(dim));
    } else {
      size = team.sum_of(
          dim,
          [=](float p, float c) {
            const double d = gap(p, c);
            return d < 0 ? -d : d;
          },
          point, from);
      pixels = static_cast<double>(dim);
    }
    const bool within = size <= static_cast<double>(pool.epsilon) * (1 + 1e-6) + 0x1p-25 * pixels;
    const SampleRow seen = answer[row];
    const bool fooled = pool.goal == nullptr ? !seen.has(SampleRow::correct) : seen.prediction == pool.goal[u];
    const bool one = outside == 0 && within && !seen.has(SampleRow::undecided) && fooled;
    team.once([&] {
      bool holds = one;
      if (pool.votes != nullptr) {
        const int votes = (nth == 0 ? 0 : pool.votes[u]) + (one ? 1 : 0);
        pool.votes[u] = static_cast<std::uint16_t>(votes);
        if (one) pool.rows[u] = seen;
        if (nth + 1 < pool.asked) return;
        holds = 2 * votes > pool.asked;
      }
      unsigned flags = pool.flags[u];
      if (holds) {
        flags |= SampleRow::fooled_any | SampleRow::fooled_final;
        if (!pool.full) flags |= SampleRow::retired;
        flags &= ~static_cast<unsigned>(SampleRow::undecided);
        if (pool.votes == nullptr) pool.rows[u] = seen;
      } else {
        flags |= SampleRow::undecided;
      }
      pool.flags[u] = static_cast<std::uint16_t>(flags);
    });
  }
};

/// The sample's row with its last flags.
ASSAY_HD SampleRow finished(const Pool& pool, std::int64_t u) {
  const unsigned flags = pool.flags[u];
  SampleRow row = pool.rows[u];
  constexpr unsigned kAnswer = SampleRow::correct | SampleRow::top5;
  if ((flags & SampleRow::undecided) != 0) return undecided_row(flags);
  row.flags = static_cast<std::uint16_t>((row.flags & kAnswer) | flags);
  return row;
}

struct FinishRows {
  Pool pool;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const Pool own = pool;
    team.each(own.n, [=](std::int64_t u) { own.rows[u] = finished(own, u); });
  }
};

struct BeginCurve {
  Pool pool;
  Curve curve;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const Pool own = pool;
    const Curve all = curve;
    team.each(own.n, [=](std::int64_t u) {
      all.clean[u] = own.rows[u];
      all.failed[u] = -1;
      all.fell[u] = static_cast<std::int16_t>(all.levels);
      const bool attacked = (own.flags[u] & SampleRow::retired) == 0;
      const int first = all.bisect ? (all.levels - 1) / 2 : 0;
      all.due[u] = attacked ? static_cast<std::uint16_t>(first) : kNoLevel;
      for (int level = 0; level < all.levels; ++level) all.visited[level * own.n + u] = 0;
    });
  }
};

struct BeginLevel {
  Pool pool;
  Curve curve;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const Pool own = pool;
    const SampleRow* const clean = curve.clean;
    team.each(own.n, [=](std::int64_t u) {
      if (!is_due(own, u)) return;
      own.rows[u] = clean[u];
      own.flags[u] = SampleRow::clean_correct;
      own.winner[u] = kNoItem;
      own.kept[u] = kNoItem;
    });
    team.once([&] { *own.counts = {}; });
  }
};

struct EndLevel {
  Pool pool;
  Curve curve;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const Pool own = pool;
    const Curve all = curve;
    team.each(own.n, [=](std::int64_t u) {
      if (!is_due(own, u)) return;
      const int level = own.level;
      const SampleRow row = finished(own, u);
      all.rows[level * own.n + u] = row;
      all.visited[level * own.n + u] = 1;
      if (row.has(SampleRow::fooled_any))
        all.fell[u] = static_cast<std::int16_t>(level);
      else
        all.failed[u] = static_cast<std::int16_t>(level);
      const int low = all.failed[u], high = all.fell[u];
      const int next = all.bisect ? low + (high - low) / 2 : low + 1;
      all.due[u] = next > low && next < high ? static_cast<std::uint16_t>(next) : kNoLevel;
    });
  }
};

struct FinishCurve {
  Pool pool;
  Curve curve;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const Pool own = pool;
    const Curve all = curve;
    team.each(own.n, [=](std::int64_t u) {
      bool undecided = (own.flags[u] & SampleRow::undecided) != 0 && all.failed[u] < 0 && all.fell[u] == all.levels;
      for (int level = 0; level < all.levels; ++level) {
        const std::int64_t at = level * own.n + u;
        if (all.visited[at] != 0) undecided = undecided || all.rows[at].has(SampleRow::undecided);
      }
      const bool right = all.clean[u].has(SampleRow::correct);
      const unsigned same = own.flags[u] & SampleRow::label_is_target;
      SampleRow below = all.clean[u];
      constexpr unsigned kAnswer = SampleRow::correct | SampleRow::top5;
      below.flags = static_cast<std::uint16_t>((below.flags & kAnswer) | same | (right ? SampleRow::clean_correct : 0) |
                                               (right && same == 0 ? 0 : SampleRow::retired));
      for (int level = 0; level < all.levels; ++level) {
        const std::int64_t at = level * own.n + u;
        if (level > all.fell[u])
          all.rows[at] = all.rows[all.fell[u] * own.n + u];
        else if (all.visited[at] == 0)
          all.rows[at] = undecided ? undecided_row(below.flags) : below;
        else if (!all.rows[at].has(SampleRow::fooled_any))
          below = all.rows[at];
      }
    });
  }
};

struct SumPasses {
  Pool pool;
  std::int64_t items;
  std::uint64_t clean_forward, clean_backward;  // a sample
  std::uint64_t *totals, *sample;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const Pool own = pool;
    const auto charged = [=](std::int64_t i) {
      const std::uint32_t winner = own.winner[i % own.n];
      return own.full || static_cast<std::uint32_t>(i) <= winner ? own.spent[i] : std::uint64_t{0};
    };
    const auto forward = team.sum(items, [=](std::int64_t i) { return charged(i) >> 32; });
    const auto backward = team.sum(items, [=](std::int64_t i) { return charged(i) & 0xFFFFFFFFu; });
    team.once([&] {
      const auto samples = static_cast<std::uint64_t>(own.n);
      totals[0] = forward + clean_forward * samples + own.counts->winners * static_cast<std::uint64_t>(own.asked);
      totals[1] = backward + clean_backward * samples;
    });
    std::uint64_t* const each = sample;
    const std::int64_t end = items;
    const std::uint64_t clean = clean_forward * kForward + clean_backward * kBackward;
    if (each != nullptr)
      team.each(own.n, [=](std::int64_t u) {
        std::uint64_t sum = clean + (own.winner[u] == kNoItem ? 0 : kForward * static_cast<std::uint64_t>(own.asked));
        for (std::int64_t i = u; i < end; i += own.n) sum += charged(i);
        each[u] = sum;
      });
  }
};

}  // namespace

void begin_pool(const Exec& exec, const Pool& pool) {
  for_each_team(exec, 1, BeginPool{pool.counts});
}
void begin_samples(const Exec& exec, const Pool& pool, std::int64_t first, std::int64_t rows, const float* pixels) {
  for_each_row(exec, rows, pool.dim, BeginSamples{pool, first, pixels});
}

void begin_gradients(const Exec& exec, const Pool& pool, std::int64_t first, std::int64_t rows, const float* gradient) {
  for_each_row(exec, rows, pool.dim, BeginGradients{pool, first, gradient});
}
void rank_targets(const Exec& exec, const Pool& pool, std::int64_t first, std::int64_t rows, int classes,
                  const float* logits, const std::uint16_t* label) {
  for_each_team(exec, rows, RankTargets{pool, first, classes, logits, label});
}
void aim_samples(const Exec& exec, const Pool& pool, Aim aim, std::int64_t first, std::int64_t rows, int classes,
                 const float* logits, const std::uint16_t* label) {
  for_each_team(exec, rows, AimSamples{pool, aim, first, classes, logits, label});
}

void begin_items(const Exec& exec, const Pool& pool, const ResidentData& data, const LaneTable& lanes) {
  for_each_team(exec, 1, BeginItems{pool, lanes});
  for_each_row(exec, lanes.batch.lanes, pool.dim, FillLanes{pool, data, lanes});
}

void refill(const Exec& exec, const Pool& pool, const ResidentData& data, const LaneTable& lanes) {
  for_each_team(exec, 1, Refill{pool, lanes});
  for_each_row(exec, lanes.batch.lanes, pool.dim, FillLanes{pool, data, lanes});
}

void count_lanes(const Exec& exec, const Pool& pool, const LaneTable& lanes) {
  for_each_team(exec, 1, CountLanes{pool, lanes});
}

void judge(const Exec& exec, const LaneTable& lanes, bool first) {
  for_each_team(exec, lanes.batch.lanes, Judge{lanes, first});
}
void count_ended(const Exec& exec, const Pool& pool, const LaneTable& lanes) {
  for_each_team(exec, 1, CountEnded{pool, lanes});
}
void hold_back(const Exec& exec, const LaneTable& lanes) {
  for_each_team(exec, 1, HoldBack{lanes});
}
void judge_gradients(const Exec& exec, const LaneTable& lanes) {
  for_each_row(exec, lanes.batch.lanes, lanes.batch.dim, JudgeGradients{lanes});
}

void average_gradient(const Exec& exec, const LaneBatch& batch, int draw, int draws, float* sum) {
  for_each_row(exec, batch.lanes, batch.dim, AverageGradient{batch, draw, draws, sum});
}
void aim_at_class(const Exec& exec, const LaneBatch& batch, int nth) {
  for_each_team(exec, 1, AimAtClass{batch, nth});
}

void settle(const Exec& exec, const Pool& pool, const LaneTable& lanes) {
  for_each_team(exec, lanes.batch.lanes, ScoreEnded{lanes});
  for_each_team(exec, 1, TakeEnded{pool, lanes});
  for_each_row(exec, lanes.batch.lanes, pool.dim, Collect{pool, lanes});
}

void shrink(const Exec& exec, const LaneTable& lanes, std::int64_t fewer) {
  for_each_team(exec, 1, MatchLanes{lanes, fewer});
  for_each_row(exec, fewer, lanes.batch.dim, MoveLanes{lanes});
}

void list_winners(const Exec& exec, const Pool& pool, std::uint32_t* list) {
  for_each_team(exec, 1, ListWinners{pool, list});
}

void verify_points(const Exec& exec, const Pool& pool, Norm norm, const std::uint32_t* list, std::int64_t rows,
                   const SampleRow* answer, const float* clean, const float* points, int nth) {
  for_each_row(exec, rows, pool.dim, VerifyPoints{pool, norm, list, answer, clean, points, nth});
}

void finish_rows(const Exec& exec, const Pool& pool) {
  for_each_team(exec, 1, FinishRows{pool});
}
void sum_passes(const Exec& exec, const Pool& pool, std::int64_t items, Passes clean, std::uint64_t* totals,
                std::uint64_t* sample) {
  for_each_team(exec, 1, SumPasses{pool, items, clean.forward, clean.backward, totals, sample});
}

void begin_curve(const Exec& exec, const Pool& pool, const Curve& curve) {
  for_each_team(exec, 1, BeginCurve{pool, curve});
}
void begin_level(const Exec& exec, const Pool& pool, const Curve& curve) {
  for_each_team(exec, 1, BeginLevel{pool, curve});
}
void end_level(const Exec& exec, const Pool& pool, const Curve& curve) {
  for_each_team(exec, 1, EndLevel{pool, curve});
}
void finish_curve(const Exec& exec, const Pool& pool, const Curve& curve) {
  for_each_team(exec, 1, FinishCurve{pool, curve});
}

}  // namespace assay
