#pragma once
#include <c10/core/Device.h>
#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/module.h>

#include <exception>
#include <string>
#include <vector>

#include "assay/model.hpp"
#include "assay/sweep.hpp"

// Includes torch: for the .cpp files of this folder only.
namespace assay {

/// The one line of a LibTorch exception that says what happened, without its C++ or TorchScript trace.
std::string useful_line(const std::exception& error);

/// Where exec's work runs, for LibTorch. On CUDA: the current device, which is the one that is open.
at::Device device_of(const Exec& exec);

/// True where this line of an error says that memory ran out, on the host or the device.
bool says_out_of_memory(const std::string& line);

/// Keeps LibTorch's warnings, which would else go to stderr: the first line of each, once.
class Warnings final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override;
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

/// A TorchScript module and its input gradient by autograd. Until `finish_probing` its errors are the model's (exit
/// 65), then they are the run's (exit 70).
class ScriptModel final : public Model {
 public:
  /// `module` lies on `device`. `channels`: of the data, what `mean` and `std` are checked against. Parameters stop
  /// requiring gradients.
  ScriptModel(const ModelSpec& spec, torch::jit::Module module, at::Device device, std::int64_t channels);

  int classes() const override { return classes_; }
  void finish_probing(int classes);
  /// Another form of `saved`, whose probing is finished.
  void like(const ScriptModel& saved) {
    copies_input_ = saved.copies_input_;
    finish_probing(saved.classes_);
  }

  /// What the module returns for pixels N x C x H x W on its device, normalised first. Throws whatever LibTorch throws.
  c10::IValue run(const at::Tensor& pixels);
  /// The element of `answer` that the spec's `output` asks for. Throws assay::Error when there is none.
  at::Tensor choose(const c10::IValue& answer) const;
  /// For a module that writes into its input, which is the caller's memory: it gets a copy from now on.
  void copy_input() { copies_input_ = true; }

  const torch::jit::Module& module() const { return module_; }
  const ModelSpec& spec() const { return spec_; }
  at::Device device() const { return device_; }

  const float* do_forward(const Exec& exec, Images<const float> x, bool differentiable) override;
  const float* do_vjp(const Exec& exec, const float* cotangent, bool again) override;

 private:
  template <class Work>
  const float* guarded(const Exec& exec, const char* pass, const Work& work);

  ModelSpec spec_;
  torch::jit::Module module_;
  at::Device device_;
  at::Tensor mean_, std_;  // 1 x C x 1 x 1, or undefined
  bool copies_input_ = false;
  int classes_ = 0;
  ExitCode failure_ = ExitCode::input;
  // What the returned pointers point into, and what vjp goes back through.
  at::Tensor pixels_, logits_, gradient_;
};

}  // namespace assay
