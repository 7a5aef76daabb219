#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "assay/metric.hpp"

// What the order of samples by their confidence says. Samples of one confidence have no order: they are taken together.
namespace assay {

/// Collects samples by confidence, in any order; a hit is a sample that is right. Undecided samples are left out.
class ByConfidence {
 public:
  /// How many samples will come, about: growing to them step by step takes a tenth of the time.
  void expect(std::int64_t samples) { keys_.reserve(static_cast<std::size_t>(samples)); }
  void add(std::span<const SampleRow> rows);
  /// Sorted where exec runs, or on the host where that fails: the same for all.
  Ranking ranking(const Exec& exec = {});

 private:
  std::vector<std::uint32_t> keys_;  // a confidence's bits, and whether it is a hit
};
Ranking by_confidence(std::span<const SampleRow> rows, const Exec& exec = {});
/// The other way round: by falling score, with the other samples as hits.
Ranking reversed(Ranking ranking);

struct Counts {
  std::uint64_t hits = 0, others = 0;
  std::uint64_t all() const { return hits + others; }
};
Counts count(const Ranking& ranking);

/// The probability that a hit's score is above another sample's, a tie counting half: the area under the ROC curve.
/// Integers up to the last division. NaN without hits or without others.
double auroc(const Ranking& ranking);

/// The area under precision over recall of the hits, thresholds falling over distinct scores: by steps (each precision
/// counts for the recall that it adds; scikit-learn's average_precision_score) or by trapezoids, from precision 1 at
/// recall 0 (scikit-learn's auc of its precision_recall_curve, OpenOOD). NaN without hits.
enum class Area { steps, trapezoids };
double aupr(const Ranking& ranking, Area area);

/// The share of others at or above the highest score at or above which there are at least `tpr` of the hits. NaN
/// without hits or without others.
double fpr_at_tpr(const Ranking& ranking, double tpr);

/// Expected misses among the k most confident samples, for k = 1..n in turn, where ties are broken at random.
template <class F>
void each_coverage(const Ranking& ranking, const F& f) {
  double misses = 0;
  std::uint64_t k = 0;
  for (auto ties = ranking.rbegin(); ties != ranking.rend(); ++ties) {
    const auto wrong = static_cast<double>(ties->count - ties->hits), of = static_cast<double>(ties->count);
    for (std::uint64_t j = 1; j <= ties->count; ++j) f(++k, misses + wrong * static_cast<double>(j) / of);
    misses += wrong;
  }
}

}  // namespace assay
