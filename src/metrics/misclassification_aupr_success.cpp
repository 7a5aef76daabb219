// How well confidence finds what is right (Hendrycks & Gimpel 2017, arXiv:1610.02136, section 2).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct AuprSuccess {
  static constexpr bool kBoth = true;
  static double of(const Ranking& ranking) { return aupr(ranking, Area::steps); }
};
ASSAY_METRIC("misclassification_aupr_success",
             .definition =
                 "area under precision and recall of right samples, the most confident first, in steps (average "
                 "precision), ties together, undecided left out",
             .applies = every_cell, .rank = ranked<AuprSuccess>, .larger_is_better = true);

}  // namespace
}  // namespace assay
