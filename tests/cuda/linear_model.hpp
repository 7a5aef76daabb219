#pragma once
#include <functional>
#include <vector>

#include "assay/model.hpp"
#include "data/mutate.hpp"

namespace assay {

/// Logits W x + b and their exact gradient W^T c, added in double.
class LinearModel final : public Model {
 public:
  LinearModel(std::int64_t dim, std::vector<float> w, std::vector<float> b)
      : weight(std::move(w)), bias(std::move(b)), dim_(dim) {}

  std::vector<float> weight, bias;  ///< classes x dim, classes
  /// May change a row's logits or gradient: called with its x.
  std::function<void(const float* x, float* logits)> on_logits;
  std::function<void(const float* x, float* gradient)> on_gradient;

  int classes() const override { return static_cast<int>(bias.size()); }

  /// Logit k of one image, in double.
  double logit(std::int64_t k, const float* x) const {
    double sum = static_cast<double>(bias[static_cast<std::size_t>(k)]);
    for (std::int64_t i = 0; i < dim_; ++i) sum += static_cast<double>(at(k, i)) * static_cast<double>(x[i]);
    return sum;
  }
  float at(std::int64_t k, std::int64_t i) const { return weight[static_cast<std::size_t>(k * dim_ + i)]; }

 private:
  const float* do_forward(const Exec&, Images<const float> x, bool) override {
    x_.assign(x.data, x.data + x.size());
    const std::int64_t k_end = classes();
    logits_.resize(static_cast<std::size_t>(x.n * k_end));
    for (std::int64_t r = 0; r < x.n; ++r) {
      const float* row = x_.data() + r * dim_;
      for (std::int64_t k = 0; k < k_end; ++k)
        logits_[static_cast<std::size_t>(r * k_end + k)] = static_cast<float>(logit(k, row));
      if (on_logits) on_logits(row, logits_.data() + r * k_end);
    }
    return logits_.data();
  }
  const float* do_vjp(const Exec&, const float* cotangent, bool) override {
    gradient_.resize(x_.size());
    for (std::size_t r = 0; r * static_cast<std::size_t>(dim_) < x_.size(); ++r) {
      const float* c = cotangent + r * bias.size();
      float* g = gradient_.data() + r * static_cast<std::size_t>(dim_);
      for (std::int64_t i = 0; i < dim_; ++i) {
        double sum = 0;
        for (std::int64_t k = 0; k < classes(); ++k) sum += static_cast<double>(at(k, i)) * static_cast<double>(c[k]);
        g[i] = static_cast<float>(sum);
      }
      if (on_gradient) on_gradient(x_.data() + r * static_cast<std::size_t>(dim_), g);
    }
    return gradient_.data();
  }

  std::int64_t dim_;
  std::vector<float> x_, logits_, gradient_;
};

/// Weights in (-1, 1) / 4, none of them 0.
inline LinearModel linear_model(int classes, std::int64_t dim, std::uint64_t seed = 4) {
  Lcg random(seed);
  std::vector<float> weight, bias;
  for (std::int64_t i = 0; i < classes * dim; ++i)
    weight.push_back((static_cast<float>(random.below(2000)) - 999.5f) / 4000.f);
  for (int k = 0; k < classes; ++k) bias.push_back((static_cast<float>(random.below(2000)) - 999.5f) / 4000.f);
  return {dim, weight, bias};
}

/// Logits (0, w x + b): the margin against label 0 is w x + b. More classes have constant logits far below.
inline LinearModel two_class_model(const std::vector<float>& w, float b, std::size_t classes = 2) {
  std::vector<float> weight(w.size()), bias = {0.f, b};
  weight.insert(weight.end(), w.begin(), w.end());
  for (std::size_t k = 2; k < classes; ++k) bias.push_back(-100.f * static_cast<float>(k));
  weight.resize(classes * w.size());
  return {static_cast<std::int64_t>(w.size()), weight, bias};
}

}  // namespace assay
