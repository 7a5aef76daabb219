#include "assay/rank.hpp"

#include <algorithm>
#include <limits>

#include "assay/core/buffer.hpp"
#include "assay/core/error.hpp"
#include "assay/core/math.hpp"
#include "core/sort.hpp"
#include "core/transfer.hpp"

namespace assay {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// False where the device is lost or full. The sweep itself is finished by then, so the host sorts instead.
bool sorted_on_device(const Exec& exec, std::vector<std::uint32_t>& keys) {
  try {
    std::vector<std::uint32_t> sorted(keys.size());
    const std::size_t bytes = keys.size() * sizeof(std::uint32_t);
    const Buffer<std::uint32_t> there(exec, std::ssize(keys));
    upload(exec, there.data(), keys.data(), bytes);
    sort_rising(exec, there.data(), there.size());
    fetch_unit(exec, sorted.data(), there.data(), bytes);
    keys.swap(sorted);
    return true;
  } catch (const Error& error) {
    if (error.code() != ExitCode::device) throw;
    return false;
  }
}

}  // namespace

void ByConfidence::add(std::span<const SampleRow> rows) {
  // A confidence is in [0, 1], where the bits of floats rise with them and leave one free.
  for (const SampleRow& row : rows)
    if (!row.has(SampleRow::undecided))
      keys_.push_back(float_to_bits(row.confidence) << 1 | (row.has(SampleRow::correct) ? 1u : 0u));
}

Ranking ByConfidence::ranking(const Exec& exec) {
  if (exec.backend == Backend::cpu || !sorted_on_device(exec, keys_)) sort_rising({}, keys_.data(), std::ssize(keys_));
  std::size_t scores = 0;
  for (std::size_t i = 0; i < keys_.size(); ++i) scores += i == 0 || keys_[i] >> 1 != keys_[i - 1] >> 1 ? 1 : 0;
  Ranking ranking;
  ranking.reserve(scores);
  for (const std::uint32_t key : keys_) {
    const float score = bits_to_float(key >> 1);
    if (ranking.empty() || ranking.back().score != score) ranking.push_back({score, 0, 0});
    ++ranking.back().count;
    ranking.back().hits += key & 1;
  }
  return ranking;
}

Ranking by_confidence(std::span<const SampleRow> rows, const Exec& exec) {
  ByConfidence all;
  all.add(rows);
  return all.ranking(exec);
}

Ranking reversed(Ranking ranking) {
  std::ranges::reverse(ranking);
  for (Ties& ties : ranking) ties.hits = ties.count - ties.hits;
  return ranking;
}

Counts count(const Ranking& ranking) {
  Counts counts;
  for (const Ties& ties : ranking) {
    counts.hits += ties.hits;
    counts.others += ties.count - ties.hits;
  }
  return counts;
}

double auroc(const Ranking& ranking) {
  const Counts all = count(ranking);
  if (all.hits == 0 || all.others == 0) return kNone;
  __extension__ unsigned __int128 halves = 0;
  std::uint64_t below = 0;
  for (const Ties& ties : ranking) {
    const std::uint64_t others = ties.count - ties.hits;
    __extension__ using Wide = unsigned __int128;
    halves += Wide{ties.hits} * (2 * below + others);
    below += others;
  }
  return static_cast<double>(halves) / (2 * static_cast<double>(all.hits) * static_cast<double>(all.others));
}

double aupr(const Ranking& ranking, Area area) {
  const auto hits = static_cast<double>(count(ranking).hits);
  if (hits == 0) return kNone;
  double sum = 0, before = 1;
  std::uint64_t found = 0, taken = 0;
  for (auto ties = ranking.rbegin(); ties != ranking.rend(); ++ties) {
    found += ties->hits;
    taken += ties->count;
    const double precision = static_cast<double>(found) / static_cast<double>(taken);
    sum += static_cast<double>(ties->hits) / hits * (area == Area::steps ? precision : (precision + before) / 2);
    before = precision;
  }
  return sum;
}

double fpr_at_tpr(const Ranking& ranking, double tpr) {
  const Counts all = count(ranking);
  if (all.hits == 0 || all.others == 0) return kNone;
  Counts taken;
  for (auto ties = ranking.rbegin(); ties != ranking.rend(); ++ties) {
    taken.hits += ties->hits;
    taken.others += ties->count - ties->hits;
    if (static_cast<double>(taken.hits) / static_cast<double>(all.hits) >= tpr) break;
  }
  return static_cast<double>(taken.others) / static_cast<double>(all.others);
}

}  // namespace assay
