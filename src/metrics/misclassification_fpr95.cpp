// What passes of the wrong where 95% of the right do (Liang et al. 2018, arXiv:1706.02690, section 4).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct Fpr95 {
  static constexpr bool kBoth = true;
  static double of(const Ranking& ranking) { return fpr_at_tpr(ranking, 0.95); }
};
ASSAY_METRIC("misclassification_fpr95",
             .definition =
                 "share of wrong samples at or above the highest confidence at or above which at least 95% of the "
                 "right ones are, undecided left out",
             .applies = every_cell, .rank = ranked<Fpr95>);

}  // namespace
}  // namespace assay
