// scikit-image's gaussian (truncated at 4 sigma, edges repeated): Hendrycks & Dietterich 2019, arXiv:1903.12261;
// constants of ImageNet-C, Tiny-ImageNet-C and CIFAR-10-C.
#include "corruptions/blur.hpp"

namespace assay {
namespace {

constexpr Severities<> kSigma = {{1, 2, 3, 4, 6}, {.5, .75, 1, 1.25, 1.5}, {.4, .6, .7, .8, 1}};

struct GaussianBlur {
  Taps kernel;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w);
    const SmoothPlane plane(h, w, kernel.radius, reinterpret_cast<double*>(row.scratch));
    for (int c = 0; c < 3; ++c) {
      fill_plane(team, plane, row.channel(c));
      float* out = row.out + c * row.plane();
      smooth(team, plane, kernel, Edge::nearest, [=](int y, int x, const double* sum, int count) {
        for (int k = 0; k < count; ++k) out[std::int64_t{y} * w + x + k] = same_level(sum[k]);
      });
    }
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  std::vector<std::uint32_t> words;
  append_doubles(words, gaussian_taps(kSigma.at(of.args)));
  return words;
}
std::int64_t scratch(const CorruptionShape& of) {
  return 2 * SmoothPlane::doubles(of.h, of.w, gaussian_radius(kSigma.at(of.args)));
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(exec, GaussianBlur{{doubles_at(batch.constants), gaussian_radius(kSigma.at(args))}}, batch);
}
ASSAY_CORRUPTION("gaussian_blur", "blurs with a normal kernel", {}, apply, constants, scratch);

}  // namespace
}  // namespace assay
