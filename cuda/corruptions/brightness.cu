// HSV with V + c: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C, Tiny-ImageNet-C and
// CIFAR-10-C.
#include "corruptions/hsv.hpp"

namespace assay {
namespace {

constexpr Severities<> kShift = {{.1, .2, .3, .4, .5}, {.1, .2, .3, .4, .5}, {.05, .1, .15, .2, .3}};

struct Brightness {
  double shift;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    through_hsv(team, row, [add = shift](double&, double& value) {
      const double sum = value + add;
      value = sum < 1.0 ? sum : 1.0;
    });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(exec, Brightness{kShift.at(args)}, batch);
}
ASSAY_CORRUPTION("brightness", "raises the value in HSV", {}, apply);

}  // namespace
}  // namespace assay
