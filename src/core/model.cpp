#include "assay/model.hpp"

#include <chrono>
#include <utility>

#include "assay/core/error.hpp"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

}  // namespace

const float* Model::forward(const Exec& exec, Images<const float> x, bool differentiable) {
  rows_ = 0;  // an exception below must leave nothing to differentiate
  if (x.n < 1) throw Error(ExitCode::internal, "a model was asked about " + std::to_string(x.n) + " images");
  const Clock::time_point began = Clock::now();
  const float* logits = do_forward(exec, x, differentiable);
  seconds_ += seconds_since(began);
  passes_.forward += static_cast<std::uint64_t>(x.n);
  if (differentiable) rows_ = x.n;
  return logits;
}

const float* Model::vjp(const Exec& exec, const float* cotangent, bool again) {
  const std::int64_t rows = std::exchange(rows_, again ? rows_ : 0);
  if (rows == 0) throw Error(ExitCode::internal, "vjp was asked for without a differentiable forward just before it");
  const Clock::time_point began = Clock::now();
  const float* gradient = do_vjp(exec, cotangent, again);
  seconds_ += seconds_since(began);
  passes_.backward += static_cast<std::uint64_t>(rows);
  return gradient;
}

}  // namespace assay
