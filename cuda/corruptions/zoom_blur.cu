// The mean of the image and of zooms of it: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C,
// Tiny-ImageNet-C and CIFAR-10-C. The factors are those of NumPy's arange, whose rounding decides how many there are;
// the factor 1 is among them, so that the image counts twice. A zoom is scipy.ndimage.zoom of order 1 (corners on
// corners) of a centred crop, its surplus trimmed as in zoom.hpp; of images that are not square each axis goes by its
// own length.
#include "corruptions/zoom.hpp"

namespace assay {
namespace {

struct Constants {
  double end, step;
};
constexpr Severities<Constants> kConstants = {{{1.11, .01}, {1.16, .01}, {1.21, .02}, {1.26, .02}, {1.31, .03}},
                                              {{1.06, .01}, {1.11, .01}, {1.16, .01}, {1.21, .01}, {1.26, .01}},
                                              {{1.06, .01}, {1.11, .01}, {1.16, .01}, {1.21, .01}, {1.26, .01}}};

int count_of(const Constants& c) {
  return static_cast<int>(std::ceil((c.end - 1.0) / c.step));
}
/// As numpy.arange: its second value tells the step.
double factor_of(const Constants& c, int i) {
  const double step = (1.0 + c.step) - 1.0;
  return 1.0 + i * step;
}

struct ZoomBlur {
  const std::uint32_t* table;  ///< for each factor, the axis of h pixels and then that of w
  int factors;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    constexpr int kStrip = Team::kStrip;
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w), count = factors;
    const std::uint32_t* all = table;
    const std::int64_t down_words = ZoomAxis::words(h), factor_words = down_words + ZoomAxis::words(w);
    const SmoothPlane plane(h, w, 0, reinterpret_cast<double*>(row.scratch));
    const int stride = plane.stride();
    const double* in = plane.in;
    for (int c = 0; c < 3; ++c) {
      const std::uint8_t* bytes = row.channel(c);
      team.sync();
      team.each_strip(h, w, [=](int y, int x) {
        double* to = plane.in + std::int64_t{y} * stride + x;
        for (int k = 0; k < kStrip; ++k)
          to[k] = x + k < w ? static_cast<double>(static_cast<float>(unit_pixel64(bytes[std::int64_t{y} * w + x + k])))
                            : 0.0;
      });
      team.sync();
      float* out = row.out + c * row.plane();
      team.each_strip(h, w, [=](int y, int x) {
        const int pixels = kStrip < w - x ? kStrip : w - x;
        float total[kStrip];
        for (int k = 0; k < kStrip; ++k) total[k] = 0.f;
        for (int f = 0; f < count; ++f) {
          const ZoomAxis down(all + f * factor_words, h), across(all + f * factor_words + down_words, w);
          const double here = down.here[y], next = down.next[y];
          const int top = down.first[y], below = top + 1 < h ? top + 1 : top, left = across.first[x];
          const double *upper = in + std::int64_t{top} * stride + left,
                       *lower = in + std::int64_t{below} * stride + left;
          double between[kStrip + 1];
          for (int k = 0; k < kStrip + 1; ++k) between[k] = upper[k] * here + lower[k] * next;
          across.template across<kStrip>(x, between,
                                         [&](int k, double pixel, double other, double weight, double rest) {
                                           total[k] += static_cast<float>(pixel * weight + other * rest);
                                         });
        }
        for (int k = 0; k < pixels; ++k) {
          const auto x0 = static_cast<float>(in[std::int64_t{y} * stride + x + k]);
          out[std::int64_t{y} * w + x + k] = clamp01((x0 + total[k]) / static_cast<float>(count + 1));
        }
      });
    }
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  const Constants& c = kConstants.at(of.args);
  std::vector<std::uint32_t> words;
  for (int f = 0; f < count_of(c); ++f)
    for (const std::int64_t side : {of.h, of.w})
      append_zoom(words, static_cast<int>(side), factor_of(c, f), of.args.table, static_cast<int>(side));
  return words;
}
std::int64_t scratch(const CorruptionShape& of) {
  return 2 * (SmoothPlane::doubles(of.h, of.w, 0) + 64);  // a strip may reach past the last line's end
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(exec, ZoomBlur{batch.constants, count_of(kConstants.at(args))}, batch);
}
ASSAY_CORRUPTION("zoom_blur", "averages zooms", {}, apply, constants, scratch);

}  // namespace
}  // namespace assay
