// How well lack of confidence finds what is wrong (Hendrycks & Gimpel 2017, arXiv:1610.02136, section 2), where the
// area is that of OpenOOD: straight lines between points, which is more than can be had between them (Davis & Goadrich
// 2006).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct AuprErrorTrapezoid {
  static constexpr bool kBoth = true;
  static double of(const Ranking& ranking) { return aupr(reversed(ranking), Area::trapezoids); }
};
ASSAY_METRIC("misclassification_aupr_error_trapezoid",
             .definition =
                 "area under precision and recall of wrong samples, the least confident first, by trapezoids from "
                 "precision 1 at recall 0, ties together, undecided left out",
             .applies = every_cell, .rank = ranked<AuprErrorTrapezoid>, .larger_is_better = true);

}  // namespace
}  // namespace assay
