// Brier score of the top label (Brier 1950), and what it is made of over 15 bins of equal width: reliability,
// resolution and uncertainty (Murphy 1973), and the variance and covariance within the bins (Stephenson, Coelho &
// Jolliffe 2008, doi:10.1175/2007WAF2006116.1), without which the parts do not add up to the score.
#include "metrics/binned.hpp"

namespace assay {
namespace {

struct BrierTopLabel {
  using Bins = Binned<LowerClosed>;
  enum Word { square = Bins::kWords, right = square + kBins };  // confidence^2, and confidence where it is right
  static constexpr int kWords = right + kBins;

  template <class Tally>
  ASSAY_HD static void observe(const SampleRow& row, const Tally& tally) {
    if (row.has(SampleRow::undecided)) return;
    Bins::observe(row, tally);
    const int bin = bin_of<LowerClosed>(row.confidence);
    const auto confidence = static_cast<double>(row.confidence);
    tally.add(square + bin, fixed32(confidence * confidence));
    tally.add(right + bin, row.has(SampleRow::correct) ? fixed32(confidence) : 0);
  }

  static Estimate finish(const std::uint64_t* state) {
    double n = 0, correct = 0;
    for (int b = 0; b < kBins; ++b) {
      n += static_cast<double>(state[b]);
      correct += static_cast<double>(state[kBins + b]);
    }
    if (n == 0) return undefined_estimate(kNoneDecided);
    const double rate = correct / n;
    double reliability = 0, resolution = 0, variance = 0, covariance = 0;
    std::uint64_t score = 0;
    for (int b = 0; b < kBins; ++b) {
      if (state[b] == 0) continue;
      const Bin bin{static_cast<double>(state[b]), static_cast<double>(state[kBins + b]),
                    static_cast<double>(state[2 * kBins + b]) * 0x1p-32};
      const double off = bin.accuracy() - rate;
      reliability += bin.count * bin.gap() * bin.gap();
      resolution += bin.count * off * off;
      variance += static_cast<double>(state[square + b]) * 0x1p-32 - bin.confidence * bin.confidence / bin.count;
      covariance += static_cast<double>(state[right + b]) * 0x1p-32 - bin.confidence * bin.accuracy();
      score += state[square + b] + (state[kBins + b] << 32) - 2 * state[right + b];  // below 0 for no sample
    }
    Estimate estimate = point_estimate(static_cast<double>(score) * 0x1p-32 / n);
    estimate.curves = {{"reliability", {reliability / n}},
                       {"resolution", {resolution / n}},
                       {"uncertainty", {rate * (1 - rate)}},
                       {"within_bin_variance", {variance / n}},
                       {"within_bin_covariance", {2 * covariance / n}}};
    return estimate;
  }
};
ASSAY_METRIC("brier_top_label",
             .definition =
                 "mean of (confidence - correct)^2 = reliability - resolution + uncertainty + within-bin variance - "
                 "within-bin covariance (which is twice the mean product)/w15/[lo,hi) last closed/float32 confidence "
                 "and its square truncated, both in units of 2^-32/undecided left out",
             .words = BrierTopLabel::kWords, .applies = every_cell, .reduce = launch_metric<BrierTopLabel>,
             .finish = BrierTopLabel::finish, .top_label = true);

}  // namespace
}  // namespace assay
