#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "assay/core/error.hpp"
#include "engine/run.hpp"

namespace assay {

/// n images of 1 x 4 x 4 bytes with labels 0..2, all different and always the same.
inline DataSet toy_data(std::int64_t n) {
  DataSet data;
  data.name = "toy";
  data.n = n;
  data.c = 1;
  data.h = data.w = 4;
  data.classes = 3;
  data.classes_known = true;
  data.sha256 = "toy" + std::to_string(n);
  std::uint32_t state = 7;
  for (std::int64_t i = 0; i < n * 16; ++i) {
    state = state * 1664525u + 1013904223u;
    data.bytes.push_back(static_cast<std::uint8_t>(state >> 24));
  }
  for (std::int64_t i = 0; i < n; ++i) data.labels.push_back(static_cast<std::uint16_t>(i % 3));
  return data;
}

/// The same images, read when they are asked for; every range that was, in `asked`.
inline DataSet read_on_demand(DataSet data, std::vector<std::pair<std::int64_t, std::int64_t>>& asked) {
  data.read = [bytes = std::move(data.bytes), dim = data.dim(), &asked](std::int64_t lo, std::int64_t hi,
                                                                        std::uint8_t* out) {
    asked.emplace_back(lo, hi);
    std::copy(bytes.begin() + lo * dim, bytes.begin() + hi * dim, out);
  };
  data.bytes.clear();
  return data;
}

/// Logits that are a fixed linear map of the pixels. `fails_at`: throws on that forward call (1 is the first; 0 never).
class ToyModel final : public Model {
 public:
  explicit ToyModel(float scale, int fails_at = 0) : scale_(scale), fails_at_(fails_at) {}
  int classes() const override { return 3; }
  int calls = 0;

 private:
  float weight(std::int64_t k, std::int64_t i) const { return scale_ * static_cast<float>((k * 5 + i * 3) % 7 - 3); }
  const float* do_forward(const Exec&, Images<const float> x, bool) override {
    if (++calls == fails_at_) throw Error(ExitCode::internal, "the toy model was told to fail");
    rows_ = x.n;
    dim_ = x.dim();
    logits_.assign(static_cast<std::size_t>(x.n * 3), 0.f);
    for (std::int64_t r = 0; r < x.n; ++r)
      for (std::int64_t k = 0; k < 3; ++k)
        for (std::int64_t i = 0; i < dim_; ++i)
          logits_[static_cast<std::size_t>(r * 3 + k)] += weight(k, i) * x.data[r * dim_ + i];
    return logits_.data();
  }
  const float* do_vjp(const Exec&, const float* cotangent, bool) override {
    gradient_.assign(static_cast<std::size_t>(rows_ * dim_), 0.f);
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t k = 0; k < 3; ++k)
        for (std::int64_t i = 0; i < dim_; ++i)
          gradient_[static_cast<std::size_t>(r * dim_ + i)] += weight(k, i) * cotangent[r * 3 + k];
    return gradient_.data();
  }
  float scale_;
  int fails_at_;
  std::int64_t rows_ = 0, dim_ = 0;
  std::vector<float> logits_, gradient_;
};

/// Two models, an attack with two epsilons and a corruption, on `n` toy images in units of 32.
inline Sweep toy_sweep() {
  Sweep sweep;
  sweep.seed = 5;
  sweep.batch = 16;
  sweep.unit_size = 32;
  sweep.metrics = {"accuracy", "robust_accuracy", "nll", "ece"};
  sweep.models = {{"weak", "weak.pt", {}, {}, {}, {}, {}}, {"strong", "strong.pt", {}, {}, {}, {}, {}}};
  for (const double epsilon : {0.02, 0.1})
    sweep.perturbations.push_back(check_perturbation(Perturbation::Kind::attack, "pgd_linf",
                                                     {{"epsilon", epsilon}, {"steps", std::int64_t{3}}}, ""));
  sweep.perturbations.push_back(
      check_perturbation(Perturbation::Kind::corruption, "gaussian_noise", {{"severity", std::int64_t{2}}}, ""));
  return sweep;
}

inline Plan toy_plan(const Sweep& sweep, const DataSet& data) {
  std::vector<std::string> digests;
  for (const ModelSpec& model : sweep.models) digests.push_back("digest of " + model.name);
  return make_plan(sweep, data, digests, {{"device", "cpu"}}, 1);
}

struct SilentObserver final : RunObserver {
  int failures = 0;
  std::function<void(int done)> on_progress;
  void progress(int done, int, int, std::int64_t, double) override {
    if (on_progress) on_progress(done);
  }
  void failed(const std::string&, std::int64_t, std::int64_t, const std::string&) override { ++failures; }
};

}  // namespace assay
