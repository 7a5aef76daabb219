// What is refused of the right where 95% of the wrong is: FPR95 the other way round.
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct Fpr95Error {
  static constexpr bool kBoth = true;
  static double of(const Ranking& ranking) { return fpr_at_tpr(reversed(ranking), 0.95); }
};
ASSAY_METRIC("misclassification_fpr95_error",
             .definition =
                 "share of right samples at or below the lowest confidence at or below which at least 95% of the "
                 "wrong ones are, undecided left out",
             .applies = every_cell, .rank = ranked<Fpr95Error>);

}  // namespace
}  // namespace assay
