// Adaptive prediction sets (Romano, Sesia & Candes 2020, arXiv:2006.02544, eq. 5, not randomised).
#include "metrics/conformal.hpp"

namespace assay {
namespace {

struct Penalty {
  static double of(int) { return 0; }
};
ASSAY_OUTPUT_METRIC("conformal_aps",
                    .definition =
                        "coverage of {classes whose nonconformity is at most the ceil((n + 1)(1 - alpha))-th smallest "
                        "of n held-out labels}; nonconformity: sum of the probabilities down to the class in falling "
                        "order, ties by index; not randomised, a set may be empty; undecided: empty; Wilson 95%",
                    .words = conformal_words, .reduce = Cumulative<Penalty>::reduce, .finish = finish_conformal,
                    .larger_is_better = true, .nonconformity = Cumulative<Penalty>::nonconformity);

}  // namespace
}  // namespace assay
