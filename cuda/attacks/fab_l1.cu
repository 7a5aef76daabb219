// Fast Adaptive Boundary in L1, untargeted: Croce & Hein 2020, arXiv:1907.02044, algorithm 1.
#include "attacks/fab.hpp"

namespace assay {
namespace {

std::unique_ptr<Attack> make(const Params& params) {
  return make_fab<Norm::l1, false>("fab_l1", params);
}
ASSAY_ATTACK("fab_l1", "the nearest misclassified point, along the boundary with the nearest class", "l1",
             fab_params(epsilon_l1(), false), make, nullptr, "Croce & Hein 2020, arXiv:1907.02044, algorithm 1");

}  // namespace
}  // namespace assay
