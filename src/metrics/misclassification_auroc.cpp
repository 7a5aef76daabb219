// How well confidence tells right from wrong (Hendrycks & Gimpel 2017, arXiv:1610.02136, section 2).
#include "metrics/ranked.hpp"

namespace assay {
namespace {

struct Auroc {
  static constexpr bool kBoth = true;
  static double of(const Ranking& ranking) { return auroc(ranking); }
};
ASSAY_METRIC("misclassification_auroc",
             .definition = "P(confidence of a right sample > that of a wrong one) + P(equal) / 2, undecided left out",
             .applies = every_cell, .rank = ranked<Auroc>, .larger_is_better = true);

}  // namespace
}  // namespace assay
