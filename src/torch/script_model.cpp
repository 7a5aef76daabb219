#include "torch/script_model.hpp"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <omp.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "assay/core/error.hpp"
#include "core/text.hpp"
#include "torch/cuda_device.hpp"
#include "torch/model_file.hpp"
#include "torch/script_module.hpp"

namespace assay {
namespace {

at::Tensor per_channel(const ModelSpec& spec, const char* name, const std::vector<double>& values, at::Device device,
                       std::int64_t channels) {
  if (values.empty()) return {};
  const auto count = static_cast<std::int64_t>(values.size());
  if (count != 1 && count != channels) {
    reject_model(spec,
                 std::string(name) + " has " + std::to_string(count) + " values, but the data has " +
                     std::to_string(channels) + (channels == 1 ? " channel" : " channels"),
                 "give one value for all channels, or one a channel");
  }
  return at::tensor(values, at::kDouble).to(at::kFloat).view({1, count, 1, 1}).to(device);
}

std::string shape_text(const at::Tensor& tensor) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : tensor.sizes()) sizes.push_back(std::to_string(size));
  return sizes.empty() ? "a single number" : join(sizes, " x ");
}

std::string value_text(const c10::IValue& value) {
  return value.isTensor() && value.toTensor().defined() ? shape_text(value.toTensor()) : value.tagKind();
}

/// The elements of a tuple or list, or the entries of a dict, under the names that `output` may give.
std::vector<std::pair<std::string, c10::IValue>> elements_of(const c10::IValue& answer) {
  std::vector<std::pair<std::string, c10::IValue>> elements;
  const auto add = [&](const c10::IValue& value) { elements.emplace_back(std::to_string(elements.size()), value); };
  if (answer.isTuple()) {
    for (const c10::IValue& value : answer.toTupleRef().elements()) add(value);
  } else if (answer.isList()) {
    for (const c10::IValue& value : answer.toListRef()) add(value);
  } else if (answer.isGenericDict()) {
    for (const auto& entry : answer.toGenericDict()) {
      if (entry.key().isString()) elements.emplace_back(entry.key().toStringRef(), entry.value());
    }
  }
  return elements;
}

/// A tensor of memory that is not its own. The device is said twice, or LibTorch asks CUDA whose the pointer is.
at::Tensor view(float* data, at::IntArrayRef sizes, at::Device device) {
  return at::for_blob(data, sizes)
      .options(at::TensorOptions().dtype(at::kFloat).device(device))
      .target_device(device)
      .make_tensor();
}

std::string trimmed(const std::string& line) {
  const std::size_t first = line.find_first_not_of(" \t\r"), last = line.find_last_not_of(" \t\r");
  return first == line.npos ? "" : line.substr(first, last - first + 1);
}

}  // namespace

std::string useful_line(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::istringstream text(torch_error != nullptr ? torch_error->what_without_backtrace() : error.what());
  std::string first, named;
  for (std::string raw; std::getline(text, raw);) {
    const std::string line = trimmed(raw);
    if (first.empty()) first = line;
    // A TorchScript trace ends as a Python one does, with "RuntimeError: what happened".
    for (const char* kind : {"Error: ", "Exception: "}) {
      const std::size_t end = line.find(kind);
      if (end != line.npos && line.find(' ') > end) named = line.substr(line.find(' ') + 1);
    }
  }
  std::string line = named.empty() ? first : named;
  // The CPU's allocator says where and what it enforces before it says what is the matter.
  if (const std::size_t words = line.find("] err == 0. "); line.starts_with("[enforce fail at ") && words != line.npos)
    line.erase(0, words + 12);
  constexpr std::size_t kLong = 160;  // LibTorch's own advice may follow, a paragraph of it
  return line.size() <= kLong ? line : line.substr(0, std::min(line.find(". "), 2 * kLong));
}

at::Device device_of(const Exec& exec) {
  if (exec.backend == Backend::cpu) return at::kCPU;
  return c10::impl::VirtualGuardImpl(at::kCUDA).getDevice();
}

bool says_out_of_memory(const std::string& line) {
  const auto has = [&](const char* words) { return line.find(words) != line.npos; };
  // The CPU's allocator, CUDA's, and cuBLAS or cuDNN.
  return has("allocate memory") || has("out of memory") || has("ALLOC_FAILED");
}

void Warnings::process(const c10::Warning& warning) {
  const std::string line = trimmed(warning.msg().substr(0, warning.msg().find('\n')));
  if (std::find(lines_.begin(), lines_.end(), line) == lines_.end()) lines_.push_back(line);
}

ScriptModel::ScriptModel(const ModelSpec& spec, torch::jit::Module module, at::Device device, std::int64_t channels)
    : spec_(spec),
      module_(std::move(module)),
      device_(device),
      mean_(per_channel(spec, "mean", spec.mean, device, channels)),
      std_(per_channel(spec, "std", spec.std, device, channels)) {
  if (std::any_of(spec.std.begin(), spec.std.end(), [](double value) { return !(value > 0); })) {
    reject_model(spec, "std has a value that is not above 0");
  }
  for (at::Tensor parameter : module_.parameters()) parameter.requires_grad_(false);
}

void ScriptModel::finish_probing(int classes) {
  classes_ = classes;
  failure_ = ExitCode::internal;
}

c10::IValue ScriptModel::run(const at::Tensor& pixels) {
  // The optimising executor rewrites the graph after it has watched the first calls: call 1 and call 3, and so a
  // resumed process, would not run the same arithmetic.
  const torch::jit::GraphOptimizerEnabledGuard as_written(false);
  at::Tensor input = pixels;
  if (mean_.defined()) input = input.sub(mean_);
  if (std_.defined()) input = input.div(std_);
  if (copies_input_ && input.is_same(pixels)) input = input.clone();
  return module_.forward({input});
}

at::Tensor ScriptModel::choose(const c10::IValue& answer) const {
  const auto* index = std::get_if<std::int64_t>(&spec_.output);
  const auto* key = std::get_if<std::string>(&spec_.output);
  const std::string wanted = index != nullptr ? std::to_string(*index) : key != nullptr ? *key : "";
  const std::string asked = "output = " + (key != nullptr ? '"' + wanted + '"' : wanted) + " is asked for, but ";
  const auto fail = [&](const std::string& what, const std::string& hint) {
    throw Error(failure_, model_title(spec_) + ": " + what, hint);
  };

  c10::IValue chosen = answer;
  if (answer.isTensor()) {
    // A plain tensor counts as its own element 0, so that one `output = 0` may stand for all models of a sweep.
    if (!wanted.empty() && wanted != "0") {
      fail(asked + "it returns one tensor", "remove `output`");
    }
  } else {
    const auto elements = elements_of(answer);
    const std::string kind = answer.isTuple()         ? "a tuple"
                             : answer.isList()        ? "a list"
                             : answer.isGenericDict() ? "a dict"
                                                      : "";
    if (kind.empty())
      fail("it returns " + answer.tagKind() + ", expected logits (a tensor N x classes)",
           "return the logits from forward");
    std::vector<std::string> listing;
    for (const auto& [name, value] : elements) listing.push_back(name + " (" + value_text(value) + ")");
    const std::string returns = "it returns " + kind + " with " + (listing.empty() ? "no elements" : join(listing));
    if (wanted.empty()) {
      fail(returns + "; which one holds the logits?",
           "set `output` of this model to " + std::string(answer.isGenericDict() ? "the key" : "the number") +
               " of the logits");
    }
    const auto found = std::find_if(elements.begin(), elements.end(), [&](const auto& e) { return e.first == wanted; });
    if (found == elements.end() || answer.isGenericDict() != (key != nullptr)) {
      fail(asked + returns, "set `output` to one of these");
    }
    chosen = found->second;
  }
  if (!chosen.isTensor() || !chosen.toTensor().defined()) {
    fail("output " + wanted + " is " + chosen.tagKind() + ", expected logits (a tensor N x classes)",
         "set `output` to the element that holds them");
  }
  at::Tensor logits = chosen.toTensor();
  if (!logits.is_floating_point()) {
    fail(std::string("its output has type ") + c10::toString(logits.scalar_type()) + ", expected float logits",
         "return the logits, not the index of the largest");
  }
  return logits;
}

template <class Work>
const float* ScriptModel::guarded(const Exec& exec, const char* pass, const Work& work) {
  if ((exec.backend == Backend::cuda) != device_.is_cuda())
    throw Error(ExitCode::internal, model_title(spec_) + ": it lies on " + device_.str() + " and was asked elsewhere");
  Warnings unheard;
  const c10::WarningUtils::WarningHandlerGuard quiet(&unheard);
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    const std::string line = useful_line(e);
    throw_if_lost(exec, line);
    const bool memory = says_out_of_memory(line) || dynamic_cast<const std::bad_alloc*>(&e) != nullptr;
    throw Error(
        failure_,
        model_title(spec_) + ": the " + pass + " pass of a batch of " + shape_text(pixels_) + " failed: " + line,
        memory ? "use a smaller batch" : "");
  }
}

const float* ScriptModel::do_forward(const Exec& exec, Images<const float> x, bool differentiable) {
  return guarded(exec, "forward", [&] {
    const at::AutoGradMode gradients(differentiable);
    // LibTorch has no tensor of const memory; a module that would write into it was found by the probe and gets a copy.
    pixels_ = view(const_cast<float*>(x.data), {x.n, x.c, x.h, x.w}, device_);
    pixels_.requires_grad_(differentiable);
    logits_ = choose(run(pixels_)).to(device_, at::kFloat).contiguous();
    if (logits_.dim() != 2 || logits_.size(0) != x.n || (classes_ != 0 && logits_.size(1) != classes_)) {
      throw Error(failure_, model_title(spec_) + ": it returned " + shape_text(logits_) + " for " +
                                shape_text(pixels_) + ", expected " + std::to_string(x.n) + " x " +
                                std::to_string(classes_));
    }
    if (differentiable && !logits_.requires_grad()) {
      throw Error(
          failure_,
          model_title(spec_) +
              ": no gradient reaches the image, as its logits do not depend on it by differentiable operations",
          "remove detach(), torch.no_grad(), argmax, rounding, quantisation or torch.jit.optimize_for_inference");
    }
    if (logits_.is_alias_of(pixels_)) logits_ = logits_.clone();
    return logits_.const_data_ptr<float>();
  });
}

const float* ScriptModel::do_vjp(const Exec& exec, const float* cotangent, bool again) {
  return guarded(exec, "backward", [&] {
    const at::Tensor direction = view(const_cast<float*>(cotangent), logits_.sizes(), device_);
    const at::Tensor gradient = torch::autograd::grad({logits_}, {pixels_}, {direction}, again).front();
    gradient_ = gradient.to(at::kFloat).contiguous();
    return gradient_.const_data_ptr<float>();
  });
}

void set_threads(int threads) {
  if (threads < 1) throw Error(ExitCode::usage, "threads = " + std::to_string(threads) + ", expected at least 1");
  at::set_num_threads(threads);
  omp_set_num_threads(threads);
  // Can be set once a process. Modules that fork would else run on a pool as wide as the machine, beside ours.
  static const bool once = [] {
    try {
      at::set_num_interop_threads(1);
    } catch (const c10::Error&) {
      return false;
    }
    return true;
  }();
  (void)once;
}

std::map<std::string, std::string> torch_numerics() {
  // oneDNN and MKL choose their kernels by the processor itself, LibTorch's own ones by get_cpu_capability().
  const std::string vendor = __builtin_cpu_is("intel") ? "intel" : __builtin_cpu_is("amd") ? "amd" : "other";
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return {{"torch", TORCH_VERSION},
          {"isa", at::get_cpu_capability()},
          {"cpu", vendor + (avx512 ? " avx512" : " avx2")},
          {"mkl", at::get_mkl_version()},
          {"onednn", at::get_mkldnn_version()}};
}

}  // namespace assay
