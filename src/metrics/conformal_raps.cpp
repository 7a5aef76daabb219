// Regularised adaptive prediction sets (Angelopoulos et al. 2021, arXiv:2009.14193, eq. 4, not randomised).
#include "metrics/conformal.hpp"

namespace assay {
namespace {

struct Penalty {
  static double of(int rank) { return 0.01 * std::max(0, rank - 5); }
};
ASSAY_OUTPUT_METRIC("conformal_raps",
                    .definition =
                        "coverage of {classes whose nonconformity is at most the ceil((n + 1)(1 - alpha))-th smallest "
                        "of n held-out labels}; nonconformity: sum of the probabilities down to the class + 0.01 "
                        "max(0, rank - 5) in falling "
                        "order, ties by index; not randomised, a set may be empty; undecided: empty; Wilson 95%",
                    .words = conformal_words, .reduce = Cumulative<Penalty>::reduce, .finish = finish_conformal,
                    .larger_is_better = true, .nonconformity = Cumulative<Penalty>::nonconformity);

}  // namespace
}  // namespace assay
