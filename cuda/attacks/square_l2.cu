// Square Attack in L2: Andriushchenko et al. 2020, arXiv:1912.00049, algorithms 1 and 3.
#include "attacks/square_windows.hpp"

namespace assay {
namespace {

struct L2Windows {
  ASSAY_HD static float mass(float v) { return v * v; }
  ASSAY_HD static float size(float mass) { return sqrtf(mass); }
  ASSAY_HD static float rectangle(float k) { return 1.f / (k * k); }
  ASSAY_HD static float radius(float epsilon) { return epsilon; }
  ASSAY_HD static float ratio(float a, float b) { return sqrtf(a / b); }
  ASSAY_HD static float gain(std::int64_t) { return 1.f; }

  ASSAY_HD static float tile(float radius, std::int64_t tiles) { return radius / sqrtf(static_cast<float>(tiles)); }
  ASSAY_HD static bool leaves(std::int64_t) { return false; }

  template <class Team>
  ASSAY_HD static void project(Team& team, const LaneRow& row) {
    team.map(row.dim, row.point, [](float p) { return clamp01(p); }, row.point);
  }
};

std::unique_ptr<Attack> make(const Params& params) {
  return make_square<SquareWindows<L2Windows>>("square_l2", params);
}
ASSAY_ATTACK("square_l2", "random search that moves square windows of the perturbation, without gradients", "l2",
             square_params(epsilon_l2()), make, nullptr,
             "Andriushchenko et al. 2020, arXiv:1912.00049, algorithms 1 and 3");

}  // namespace
}  // namespace assay
