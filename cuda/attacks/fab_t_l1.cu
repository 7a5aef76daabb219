// Fast Adaptive Boundary in L1, a run a target class: Croce & Hein 2020, arXiv:1907.02044, algorithm 1, with targets as
// in Croce & Hein 2020, arXiv:2003.01690.
#include "attacks/fab.hpp"

namespace assay {
namespace {

std::unique_ptr<Attack> make(const Params& params) {
  return make_fab<Norm::l1, true>("fab_t_l1", params);
}
ASSAY_ATTACK(
    "fab_t_l1", "the nearest misclassified point, along the boundary with one class at a time", "l1",
    fab_params(epsilon_l1(), true), make, nullptr,
    "Croce & Hein 2020, arXiv:1907.02044, algorithm 1, with targets as in Croce & Hein 2020, arXiv:2003.01690");

}  // namespace
}  // namespace assay
