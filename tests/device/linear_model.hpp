#pragma once
#include <vector>

#include "assay/core/team.hpp"
#include "assay/model.hpp"
#include "core/transfer.hpp"

namespace assay {

/// Logits W x + b by kernels on exec, whichever it is.
class DeviceLinearModel final : public Model {
 public:
  DeviceLinearModel(const Exec& exec, int classes, std::int64_t dim, std::int64_t most_rows, float scale)
      : classes_(classes),
        weight_(exec, classes * dim),
        logits_(exec, most_rows * classes),
        gradient_(exec, most_rows * dim) {
    std::vector<float> weight;
    std::uint32_t state = 99;
    for (std::int64_t i = 0; i < classes * dim; ++i) {
      state = state * 1664525u + 1013904223u;
      weight.push_back(scale * (static_cast<float>(state >> 8) * 0x1p-23f - 1.f));
    }
    upload(exec, weight_.data(), weight.data(), weight.size() * sizeof(float));
  }
  int classes() const override { return classes_; }

  struct Logits {
    int classes;
    std::int64_t dim;
    const float *weight, *x;
    float* logits;
    template <class Team>
    ASSAY_HD void operator()(Team& team, std::int64_t row) const {
      for (int k = 0; k < classes; ++k) {
        const float z = team.sum_of(dim, [](float w, float v) { return w * v; }, weight + k * dim, x + row * dim);
        team.once([&] { logits[row * classes + k] = z; });
      }
    }
  };
  struct Gradient {
    int classes;
    std::int64_t dim;
    const float *weight, *cotangent;
    float* gradient;
    template <class Team>
    ASSAY_HD void operator()(Team& team, std::int64_t row) const {
      const Gradient own = *this;
      team.each(dim, [=](std::int64_t i) {
        float sum = 0;
        for (int k = 0; k < own.classes; ++k) sum += own.cotangent[row * own.classes + k] * own.weight[k * own.dim + i];
        own.gradient[row * own.dim + i] = sum;
      });
    }
  };

 private:
  const float* do_forward(const Exec& exec, Images<const float> x, bool) override {
    rows_ = x.n;
    dim_ = x.dim();
    for_each_team(exec, rows_, Logits{classes_, dim_, weight_.data(), x.data, logits_.data()});
    return logits_.data();
  }
  const float* do_vjp(const Exec& exec, const float* cotangent, bool) override {
    for_each_team(exec, rows_, Gradient{classes_, dim_, weight_.data(), cotangent, gradient_.data()});
    return gradient_.data();
  }

  int classes_;
  std::int64_t rows_ = 0, dim_ = 0;
  Buffer<float> weight_, logits_, gradient_;
};

}  // namespace assay
