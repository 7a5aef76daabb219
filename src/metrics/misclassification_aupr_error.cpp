// How well lack of confidence finds what is wrong (Hendrycks & Gimpel 2017, arXiv:1610.02136, section 2).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct AuprError {
  static constexpr bool kBoth = true;
  static double of(const Ranking& ranking) { return aupr(reversed(ranking), Area::steps); }
};
ASSAY_METRIC("misclassification_aupr_error",
             .definition =
                 "area under precision and recall of wrong samples, the least confident first, in steps (average "
                 "precision), ties together, undecided left out",
             .applies = every_cell, .rank = ranked<AuprError>, .larger_is_better = true);

}  // namespace
}  // namespace assay
