// HSV with a S + b, which gives gray pixels a hue of red where b is not 0: Hendrycks & Dietterich 2019,
// arXiv:1903.12261; constants of ImageNet-C, Tiny-ImageNet-C and CIFAR-10-C.
#include "corruptions/hsv.hpp"

namespace assay {
namespace {

struct Constants {
  double factor, shift;
};
constexpr Severities<Constants> kConstants = {{{.3, 0}, {.1, 0}, {2, 0}, {5, .1}, {20, .2}},
                                              {{.3, 0}, {.1, 0}, {2, 0}, {5, .1}, {30, .2}},
                                              {{.3, 0}, {.1, 0}, {1.5, 0}, {2, .1}, {2.5, .2}}};

struct Saturate {
  Constants c;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    through_hsv(team, row, [c = c](double& saturation, double&) {
      const double moved = saturation * c.factor + c.shift;
      saturation = moved < 1.0 ? moved : 1.0;
    });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(exec, Saturate{kConstants.at(args)}, batch);
}
ASSAY_CORRUPTION("saturate", "scales and shifts the saturation in HSV", {}, apply, nullptr, nullptr, 1, true);

}  // namespace
}  // namespace assay
