// How well confidence finds what is right (Hendrycks & Gimpel 2017, arXiv:1610.02136, section 2).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct AuprSuccess {
  static constexpr bool kBoth = true;
  static double of(const Ranking& ranking) { return aupr(ranking, Area::steps); }
};
ASSAY_RANKED_METRIC("misclassification_aupr_success", AuprSuccess,
                    "area under precision and recall of right samples, the most confident first, in steps (average "
                    "precision), ties together, undecided left out");

}  // namespace
}  // namespace assay
