// Fast Adaptive Boundary in L-infinity, untargeted: Croce & Hein 2020, arXiv:1907.02044, algorithm 1.
#include "attacks/fab.hpp"

namespace assay {
namespace {

std::unique_ptr<Attack> make(const Params& params) {
  return make_fab<Norm::linf, false>("fab_linf", params);
}
ASSAY_ATTACK("fab_linf", "the nearest misclassified point, along the boundary with the nearest class", "linf",
             fab_params(epsilon_linf(), false), make, nullptr, "Croce & Hein 2020, arXiv:1907.02044, algorithm 1");

}  // namespace
}  // namespace assay
