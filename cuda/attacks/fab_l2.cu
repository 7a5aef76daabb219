// Fast Adaptive Boundary in L2, untargeted: Croce & Hein 2020, arXiv:1907.02044, algorithm 1.
#include "attacks/fab.hpp"

namespace assay {
namespace {

std::unique_ptr<Attack> make(const Params& params) {
  return make_fab<Norm::l2, false>("fab_l2", params);
}
ASSAY_ATTACK("fab_l2", "the nearest misclassified point, along the boundary with the nearest class", "l2",
             fab_params(epsilon_l2(), false), make, nullptr, "Croce & Hein 2020, arXiv:1907.02044, algorithm 1");

}  // namespace
}  // namespace assay
