#pragma once
#include <cstdint>
#include <string>

#include "assay/core/device.hpp"

namespace assay {

/// Forward and backward passes, counted a row.
struct Passes {
  std::uint64_t forward = 0, backward = 0;
  Passes& operator+=(const Passes& other) {
    forward += other.forward;
    backward += other.backward;
    return *this;
  }
};

/// The one question every attack asks: the logits at these points, and the gradient for this cotangent.
/// Implemented over LibTorch in src/torch/, in closed form in tests. Not thread-safe.
class Model {
 public:
  virtual ~Model() = default;
  virtual int classes() const = 0;

  /// Logits of x (pixels in [0, 1], N x C x H x W), N x classes; valid until the next forward.
  /// With `differentiable`, vjp may follow, and x must stay as it is until then. Throws assay::Error when the model
  /// fails.
  const float* forward(const Exec& exec, Images<const float> x, bool differentiable);

  /// d <cotangent, logits> / d x of the last differentiable forward; N x C x H x W, valid until the next call. With
  /// `again` another may follow; without, it is the forward's last.
  const float* vjp(const Exec& exec, const float* cotangent, bool again = false);

  const Passes& passes() const { return passes_; }
  /// Wall time spent inside the model since construction.
  double seconds() const { return seconds_; }

 protected:
  virtual const float* do_forward(const Exec& exec, Images<const float> x, bool differentiable) = 0;
  virtual const float* do_vjp(const Exec& exec, const float* cotangent, bool again) = 0;

 private:
  Passes passes_;
  double seconds_ = 0;
  std::int64_t rows_ = 0;
};

}  // namespace assay
