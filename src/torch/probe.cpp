#include <ATen/Context.h>
#include <ATen/ops/from_blob.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>

#include "assay/core/error.hpp"
#include "core/text.hpp"
#include "torch/cuda_device.hpp"
#include "torch/model_file.hpp"
#include "torch/script_model.hpp"
#include "torch/script_module.hpp"

// Loading: what can be wrong with a model is found here, once, and named; later errors are surprises.
namespace assay {
namespace {

/// Rows of most questions: the engine never asks about fewer (LibTorch picks other convolutions below 16).
constexpr std::int64_t kFew = 16;
/// Of a row's largest |logit|. Other neighbours may change the order of a sum (1e-6), batch statistics change far more.
constexpr double kTolerance = 1e-4;
/// The same for a model in a cheaper form.
constexpr double kSameModel = 1e-5;

struct Logits {
  std::int64_t n = 0, classes = 0;
  std::vector<float> values;
  const float* row(std::int64_t i) const { return values.data() + i * classes; }
};

std::string count_text(std::int64_t count, const std::string& thing) {
  return std::to_string(count) + ' ' + thing + (count == 1 ? "" : "s");
}

std::string image_text(std::int64_t c, std::int64_t h, std::int64_t w) {
  return std::to_string(c) + " x " + std::to_string(h) + " x " + std::to_string(w);
}

/// On the CPU: of the vector's own memory.
at::Tensor as_tensor(std::vector<float>& values, at::IntArrayRef sizes, at::Device device) {
  return at::from_blob(values.data(), sizes, at::TensorOptions().dtype(at::kFloat)).to(device);
}

std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kFloat).contiguous();
  const float* values = host.const_data_ptr<float>();
  return {values, values + host.numel()};
}

std::vector<float> values_of(const float* data, at::IntArrayRef sizes, at::Device device) {
  return values_of(at::for_blob(const_cast<float*>(data), sizes)
                       .options(at::TensorOptions().dtype(at::kFloat).device(device))
                       .target_device(device)
                       .make_tensor());
}

/// Largest change in a row, relative to its largest |logit|, over every `stride`-th row.
double largest_change(const Logits& a, const Logits& b, std::int64_t stride) {
  double worst = 0;
  for (std::int64_t i = 0; i < std::min(a.n, b.n); i += stride) {
    double change = 0, scale = 0;
    for (std::int64_t k = 0; k < a.classes; ++k) {
      change = std::max(change, std::abs(static_cast<double>(a.row(i)[k]) - b.row(i)[k]));
      scale = std::max(scale, std::abs(static_cast<double>(a.row(i)[k])));
    }
    if (change > 0) worst = std::max(worst, scale > 0 ? change / scale : 1.0);
  }
  return worst;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %%", 100 * share);
  return text;
}

class Probe {
 public:
  Probe(const Exec& exec, ScriptModel& model, const DataSet& data, std::int64_t batch)
      : exec_(exec), model_(model), spec_(model.spec()), data_(data), batch_(batch) {}

  /// How far `form`, the model in another form, is from it: logits for both batch sizes and, with `gradients`, the
  /// input gradient. Empty where that is near enough, else what was found.
  std::string difference(ScriptModel& form, int classes, bool gradients) {
    double change = largest_change(first_, logits_of(form, few_, kFew), 1);
    std::vector<float> pixels = images(batch_), same = pixels;
    change = std::max(change, largest_change(logits_of(model_, pixels, batch_), logits_of(form, same, batch_), 1));
    if (!(change <= kSameModel)) return "its logits differ by up to " + percent(change) + " of the largest";
    if (!gradients) return {};
    const std::vector<float> a = gradient_of(model_, classes), b = gradient_of(form, classes);
    // A pixel whose last bits put it on the other side of a ReLU's or a maximum's edge changes its image's gradient.
    std::int64_t apart = 0;
    for (std::int64_t i = 0; i < kFew; ++i) {
      const Logits one{1, data_.dim(), {a.data() + i * data_.dim(), a.data() + (i + 1) * data_.dim()}};
      apart += !(largest_change(one, {1, data_.dim(), {b.data() + i * data_.dim(), b.data() + (i + 1) * data_.dim()}},
                                1) <= kTolerance);
    }
    return apart > kFew / 4 ? "its gradients differ for " + std::to_string(apart) + " of " + count_text(kFew, "image")
                            : "";
  }

  /// Returns the number of classes.
  int forward() {
    few_ = images(kFew);
    first_ = ask(kFew);
    const Logits whole = ask(batch_);
    check_batch_sizes();
    check_classes(whole);
    check_values(batch_ < kFew ? first_ : whole);
    check_same_when_repeated();
    check_rows_alone();
    return static_cast<int>(whole.classes);
  }

  void gradient(int classes) {
    const std::vector<float> gradient = gradient_of(model_, classes);
    std::int64_t bad = 0, zero = 0;
    for (std::int64_t i = 0; i < kFew; ++i) {
      const float *begin = gradient.data() + i * data_.dim(), *end = begin + data_.dim();
      bad += !std::all_of(begin, end, finite);
      zero += std::all_of(begin, end, [](float value) { return value == 0; });
    }
    if (bad > 0) {
      reject("the input gradient is NaN or infinite for " + std::to_string(bad) + " of " + count_text(kFew, "image"),
             "look for sqrt, log or a division at 0, or a norm of a constant image, in forward");
    }
    if (zero == kFew) {
      reject("the input gradient is zero everywhere for all of " + count_text(kFew, "image"),
             "remove rounding, saturated softmax or sigmoid outputs from forward");
    }
    if (zero > 0) {
      note("the input gradient is zero for " + std::to_string(zero) + " of " + count_text(kFew, "image") +
           ": gradient attacks may overestimate robustness");
    }
  }

  /// `as_saved` is in training mode and may change itself.
  void training_mode(torch::jit::Module as_saved) {
    ScriptModel training(spec_, std::move(as_saved), model_.device(), data_.c);
    try {
      const Logits train = logits_of(training, few_, kFew);
      const double change = largest_change(first_, train, 1);
      if (change > 0) {
        note("it was saved in training mode, where its logits differ by up to " + percent(change) +
             " (batch norm or dropout); it is run in eval mode");
      }
    } catch (const std::exception& e) {
      throw_if_lost(exec_, useful_line(e));
      note("it was saved in training mode, where it fails; it is run in eval mode");
    }
  }

  std::vector<std::string> notes() const { return notes_; }

 private:
  [[noreturn]] void reject(const std::string& what, const std::string& hint = {}) const {
    reject_model(spec_, what, hint);
  }
  void note(const std::string& what) { notes_.push_back(model_title(spec_) + ": " + what); }

  /// The first n images, from the start again where the data has fewer.
  std::vector<float> images(std::int64_t n) const {
    const std::int64_t there = std::min(n, data_.n);
    const Pixels found = data_.pixels(0, there);
    const auto dim = static_cast<std::size_t>(data_.dim()), total = dim * static_cast<std::size_t>(there);
    std::vector<float> pixels(dim * static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      pixels[i] = data_.is_float() ? found.floats[i % total] : static_cast<float>(found.bytes[i % total]) / 255.f;
    }
    return pixels;
  }

  Logits logits_of(ScriptModel& model, std::vector<float>& pixels, std::int64_t n) const {
    const at::Tensor x = as_tensor(pixels, {n, data_.c, data_.h, data_.w}, model.device());
    const at::Tensor logits = model.choose(model.run(x));
    if (x._version() != 0) model.copy_input();
    if (logits.dim() != 2 || logits.size(0) != n) throw WrongShape{logits.sizes().vec()};
    return {n, logits.size(1), values_of(logits)};
  }

  /// A question that must be answered; where it isn't, finds out why.
  Logits ask(std::int64_t n) const {
    std::vector<float> pixels = images(n);
    try {
      return logits_of(model_, pixels, n);
    } catch (const Error&) {
      throw;
    } catch (const WrongShape& found) {
      explain_shape(found.sizes, n);
    } catch (const std::exception& e) {
      throw_if_lost(exec_, useful_line(e));
      explain_failure(useful_line(e), n);
    }
  }

  std::vector<float> gradient_of(ScriptModel& model, int classes) {
    // The weights of neither a constant sum (softmax) nor a symmetric one, along which a gradient would vanish.
    std::vector<float> cotangent(static_cast<std::size_t>(kFew * classes));
    for (std::size_t i = 0; i < cotangent.size(); ++i) {
      const auto k = i % static_cast<std::size_t>(classes);
      cotangent[i] = (k % 2 == 0 ? 1.f : -1.f) / (1.f + static_cast<float>(k));
    }
    const at::Device device = model.device();
    const at::Tensor x = as_tensor(few_, {kFew, data_.c, data_.h, data_.w}, device);
    const at::Tensor direction = as_tensor(cotangent, {kFew, classes}, device);
    const float* logits = model.do_forward(exec_, {x.const_data_ptr<float>(), kFew, data_.c, data_.h, data_.w}, true);
    const double change = largest_change(first_, {kFew, classes, values_of(logits, {kFew, classes}, device)}, 1);
    if (change > kTolerance) {
      reject("its logits differ by up to " + percent(change) + " when gradients are asked for",
             "remove torch.is_grad_enabled() from forward");
    }
    return values_of(model.do_vjp(exec_, direction.const_data_ptr<float>(), false), {kFew, data_.c, data_.h, data_.w},
                     device);
  }

  bool answers(std::int64_t n) const {
    std::vector<float> pixels = images(n);
    try {
      logits_of(model_, pixels, n);
      return true;
    } catch (const std::exception& e) {
      throw_if_lost(exec_, useful_line(e));
      return false;
    }
  }

  /// True where the module runs at all for these sizes.
  bool runs(at::IntArrayRef sizes, at::ScalarType type) const {
    std::vector<float> pixels(static_cast<std::size_t>(c10::multiply_integers(sizes)), 0.5f);
    try {
      torch::jit::Module module = model_.module();
      const torch::jit::GraphOptimizerEnabledGuard as_written(false);
      module.forward({as_tensor(pixels, sizes, model_.device()).to(type)});
      return true;
    } catch (const std::exception& e) {
      throw_if_lost(exec_, useful_line(e));
      return false;
    }
  }

  /// Called when `failed` images were not answered with as many rows: names the batch sizes that are, if any.
  void explain_batch_size(std::int64_t failed) const {
    std::set<std::int64_t> sizes{1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 256, batch_};
    sizes.erase(failed);
    std::vector<std::string> working;
    for (const std::int64_t n : sizes) {
      if (answers(n)) working.push_back(std::to_string(n));
    }
    if (!working.empty()) reject_batch_size(join(working), std::to_string(failed));
  }

  [[noreturn]] void reject_batch_size(const std::string& working, const std::string& failed) const {
    reject(
        "it answers batches of N = " + working + ", but not of N = " + failed + ": a batch size is baked into the file",
        "export with torch.jit.script, or trace code that reads x.shape[0] instead of a fixed number");
  }

  void check_batch_sizes() {
    std::vector<std::string> working, failed;
    for (const std::int64_t n : std::set<std::int64_t>{1, 2, 3, kFew, batch_}) {
      (n == kFew || n == batch_ || answers(n) ? working : failed).push_back(std::to_string(n));
    }
    // One image alone is what squeeze() breaks, and is never asked about.
    if (failed == std::vector<std::string>{"1"}) return note("it does not answer a batch of one image");
    if (!failed.empty()) reject_batch_size(join(working), join(failed));
  }

  [[noreturn]] void explain_shape(const std::vector<std::int64_t>& sizes, std::int64_t n) const {
    std::vector<std::string> parts;
    for (const std::int64_t size : sizes) parts.push_back(std::to_string(size));
    const std::string found = "its output for " + count_text(n, "image") + " is " +
                              (parts.empty() ? "one number" : join(parts, " x ")) + ", expected logits, " +
                              std::to_string(n) + " x classes";
    if (sizes.size() == 2) {
      explain_batch_size(n);
      reject(found, "return one row of logits an image");
    }
    if (sizes.size() == 1 && sizes[0] == n) reject(found + "; this is one number an image", kTwoLogits);
    reject(found, sizes.size() > 2 ? "flatten it in the model: return logits.flatten(1)"
                                   : "return one row of logits an image");
  }

  [[noreturn]] void explain_failure(const std::string& line, std::int64_t n) const {
    if (says_out_of_memory(line)) {
      reject("no memory for a batch of " + std::to_string(n) + ": " + line, "use a smaller batch");
    }
    const auto says = [&](const char* word) { return line.find(word) != line.npos; };
    // A build without CUDA has no such backend, one with it misses the driver, or finds a tensor on cuda:0.
    if (model_.device().is_cpu() && (says("CUDA") || says("NVIDIA") || says("cuda:"))) {
      reject("it fails on the CPU: " + line,
             "the file names a CUDA device: move the model with model.cpu() before the export");
    }
    if (says("same device")) {
      reject("it fails on " + model_.device().str() + ": " + line,
             "a trace keeps the device that it was made on: export with torch.jit.script, or use --device cpu");
    }
    explain_batch_size(n);
    for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kDouble}) {
      if (runs({2, data_.c, data_.h, data_.w}, type)) {
        reject(std::string("it takes images of type ") + c10::toString(type) + ", expected Float (float32)",
               "convert it with model.float() before the export");
      }
    }
    const std::string has = "the data has " + image_text(data_.c, data_.h, data_.w) + " images";
    for (const auto& [c, h, w] : other_shapes()) {
      if (!runs({2, c, h, w}, at::kFloat)) continue;
      const bool same_size = h == data_.h && w == data_.w;
      reject("it takes " + image_text(c, h, w) + " images, " + has,
             same_size ? "use data with " + count_text(c, "channel") +
                             ", or export a module that converts: x.expand(-1, 3, -1, -1) or x.mean(1, True)"
                       : "use data of that size, or export a module that resizes its input");
    }
    reject("it fails on the data's " + image_text(data_.c, data_.h, data_.w) + " images: " + line,
           "run it in Python on torch.zeros(2, " + std::to_string(data_.c) + ", " + std::to_string(data_.h) + ", " +
               std::to_string(data_.w) + ")");
  }

  /// Likely inputs of image models, the data's own size first.
  std::vector<std::array<std::int64_t, 3>> other_shapes() const {
    std::vector<std::array<std::int64_t, 3>> shapes;
    for (const std::int64_t c : {1, 3, 4}) {
      if (c != data_.c) shapes.push_back({c, data_.h, data_.w});
    }
    for (const std::int64_t side : {28, 32, 64, 96, 224, 299}) {
      if (side == data_.h && side == data_.w) continue;
      shapes.push_back({data_.c, side, side});
      for (const std::int64_t c : {1, 3, 4}) {
        if (c != data_.c) shapes.push_back({c, side, side});
      }
    }
    return shapes;
  }

  void check_classes(const Logits& whole) const {
    const std::int64_t found = whole.classes;
    if (first_.classes != found) {
      reject("it returns " + std::to_string(first_.classes) + " logits an image for N = " + std::to_string(first_.n) +
             " and " + std::to_string(found) + " for N = " + std::to_string(whole.n));
    }
    if (found < 2) {
      reject("its output has " + count_text(found, "logit") + " an image, expected one a class", kTwoLogits);
    }
    if (spec_.classes && *spec_.classes != found) {
      reject("it has " + std::to_string(found) + " classes, expected classes = " + std::to_string(*spec_.classes),
             "set classes = " + std::to_string(found));
    }
    const std::int64_t reached =
        data_.labels.empty() ? 0 : *std::max_element(data_.labels.begin(), data_.labels.end()) + std::int64_t{1};
    if (found < reached) {
      reject("it has " + std::to_string(found) + " classes, but the labels of " + data_.name + " reach " +
                 std::to_string(reached - 1),
             "use a model that was trained for these labels");
    }
    if (data_.classes_known && found != data_.classes && !spec_.classes) {
      reject(
          "it has " + std::to_string(found) + " classes, but " + data_.name + " has " + std::to_string(data_.classes),
          "if this is meant, set classes = " + std::to_string(found) + " for this model");
    }
  }

  void check_values(const Logits& logits) {
    std::int64_t bad = 0;
    bool probabilities = true;
    for (std::int64_t i = 0; i < logits.n; ++i) {
      const float *begin = logits.row(i), *end = begin + logits.classes;
      bad += !std::all_of(begin, end, finite);
      double sum = 0;
      for (const float* value = begin; value < end; ++value) {
        sum += *value;
        probabilities = probabilities && *value >= 0 && *value <= 1;
      }
      probabilities = probabilities && std::abs(sum - 1) <= 1e-4;  // float32 rounding of a thousand summands
    }
    if (bad > 0) {
      reject("its logits are NaN or infinite for " + std::to_string(bad) + " of the first " +
                 count_text(logits.n, "image"),
             "check the weights, and mean and std");
    }
    if (probabilities) {
      note(
          "its outputs look like probabilities (softmax inside): their gradients vanish where the model is sure, so "
          "attacks look weaker than they are; export the logits instead");
    }
  }

  void check_same_when_repeated() {
    const Logits again = ask(kFew);
    if (again.values == first_.values) return;
    reject("two equal calls differ by up to " + percent(largest_change(first_, again, 1)) + " of the largest logit",
           "training mode that matters (dropout), a random layer, or a state that calls change is in the file: call "
           "model.eval() before the export");
  }

  /// Every second image stays where it is; what stands between is replaced by its negative.
  void check_rows_alone() {
    std::vector<float> mixed = few_;
    const auto dim = static_cast<std::size_t>(data_.dim());
    for (std::size_t i = 0; i < mixed.size(); ++i) {
      if (i / dim % 2 == 1) mixed[i] = 1.f - mixed[i];
    }
    const double change = largest_change(first_, logits_of(model_, mixed, kFew), 2);
    if (change <= kTolerance) return;
    reject(
        "an image's logits change with the other images of its batch, by up to " + percent(change) + " of the largest",
        "most often this is batch norm in training mode, baked in by a trace (call model.eval() before the export), "
        "else dynamic quantisation");
  }

  struct WrongShape : std::exception {
    explicit WrongShape(std::vector<std::int64_t> found) : sizes(std::move(found)) {}
    std::vector<std::int64_t> sizes;
  };
  static constexpr char kTwoLogits[] = "make a one-logit head two: return torch.cat([torch.zeros_like(z), z], 1)";

  const Exec& exec_;
  ScriptModel& model_;
  const ModelSpec& spec_;
  const DataSet& data_;
  std::int64_t batch_;
  std::vector<float> few_;  // the first images
  Logits first_;            // and the first answer about them
  std::vector<std::string> notes_;
};

torch::jit::Module load_module(const Exec& exec, const ModelSpec& spec) {
  try {
    return torch::jit::load(spec.path.string(), device_of(exec));
  } catch (const std::exception& e) {
    throw_if_lost(exec, useful_line(e));
    reject_model(spec, "LibTorch cannot load it: " + useful_line(e),
                 "export it again with torch.jit.script(model.eval()).save(\"model.pt\"), without "
                 "torch.jit.optimize_for_inference");
  }
}

void check_module(const ModelSpec& spec, const torch::jit::Module& module) {
  const std::optional<torch::jit::Method> forward = module.find_method("forward");
  if (!forward) reject_model(spec, "the archive has no forward method", "export a whole torch.nn.Module");
  std::vector<std::string> inputs;
  for (const c10::Argument& argument : forward->function().getSchema().arguments()) {
    if (!argument.default_value()) inputs.push_back(argument.name());
  }
  if (inputs.size() != 2) {  // self and the images
    inputs.erase(inputs.begin());
    reject_model(spec,
                 "forward takes " + count_text(static_cast<std::int64_t>(inputs.size()), "input") + " (" +
                     join(inputs) + "), expected one batch of images",
                 "export a module whose forward takes the images alone");
  }
  for (const auto& parameter : module.named_parameters()) {
    const at::ScalarType type = parameter.value.scalar_type();
    if (type == at::kFloat || !(at::isFloatingType(type) || at::isComplexType(type) || at::isQIntType(type))) continue;
    reject_model(spec,
                 "parameter '" + parameter.name + "' has type " + c10::toString(type) + ", expected Float (float32)",
                 "convert it with model.float() before the export");
  }
}

/// Process-wide: only algorithms of LibTorch that give the same bits each time.
void ask_for_same_bits() {
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  // Its guard against uninitialised memory fills every new tensor, which costs time and decides nothing.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

bool saved_in_training_mode(const torch::jit::Module& module) {
  for (const torch::jit::Module& part : module.modules()) {
    if (part.hasattr("training") && part.attr("training").isBool() && part.attr("training").toBool()) return true;
  }
  return false;
}

/// The module with cheaper passes, by what LibTorch does at load time. Freezing makes weights constants of the graph,
/// where batch norms can be multiplied into them.
torch::jit::Module in_form(torch::jit::Module module, bool fold, bool channels_last) {
  for (at::Tensor weight : module.parameters()) {
    weight.requires_grad_(false);
    if (channels_last && weight.dim() == 4) weight.set_data(weight.contiguous(at::MemoryFormat::ChannelsLast));
  }
  return fold ? torch::jit::freeze(module) : module;
}

/// The model in the form that its spec asks for or, where it asks for none, frozen and folded if that gives the same
/// logits. Null: as it was saved. `folded` says what became of it.
std::unique_ptr<ScriptModel> reformed(const Exec& exec, const ModelSpec& spec, const DataSet& data, Probe& probe,
                                      const ScriptModel& saved, bool gradients, bool& folded) {
  std::string wrong;
  for (const bool fold : {true, false}) {
    if (fold != spec.fold.value_or(fold)) continue;
    if (!fold && !spec.channels_last) break;
    try {
      torch::jit::Module module = load_module(exec, spec);
      module.eval();
      auto form = std::make_unique<ScriptModel>(spec, in_form(std::move(module), fold, spec.channels_last),
                                                device_of(exec), data.c);
      form->like(saved);
      wrong = probe.difference(*form, saved.classes(), gradients);
      folded = fold;
      if (wrong.empty()) return form;
    } catch (const std::exception& e) {
      throw_if_lost(exec, useful_line(e));
      // What a machine has room for must not decide how a model is run.
      if (says_out_of_memory(useful_line(e))) reject_model(spec, useful_line(e), "use a smaller batch");
      wrong = "it fails: " + useful_line(e);
    }
  }
  folded = false;
  if (!spec.fold.value_or(false) && !spec.channels_last) return nullptr;
  const std::string keys = !spec.channels_last          ? "fold"
                           : !spec.fold.value_or(false) ? "channels_last"
                                                        : "fold and channels_last";
  reject_model(spec, "with " + keys + " " + wrong, "remove " + keys + " from this model");
}

}  // namespace

LoadedModel load_script_model(const Exec& exec, const ModelSpec& spec, const DataSet& data, int batch, bool gradients) {
  if (data.n < 1 || batch < 1) reject_model(spec, "there are no images to try it on");
  LoadedModel loaded;
  loaded.sha256 = model_digest(spec);
  check_model_file(spec);

  Warnings warnings;
  const c10::WarningUtils::WarningHandlerGuard collected(&warnings);
  const at::AutoGradMode no_gradients(false);
  ask_for_same_bits();
  torch::jit::Module module = load_module(exec, spec);
  check_module(spec, module);
  const bool training = saved_in_training_mode(module);
  module.eval();
  auto model = std::make_unique<ScriptModel>(spec, std::move(module), device_of(exec), data.c);

  Probe probe(exec, *model, data, batch);
  try {
    const int classes = probe.forward();
    if (gradients) probe.gradient(classes);
    if (training) probe.training_mode(load_module(exec, spec));
    model->finish_probing(classes);
    if (auto form = reformed(exec, spec, data, probe, *model, gradients, loaded.folded)) model = std::move(form);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw_if_lost(exec, useful_line(e));
    reject_model(spec, "it answered once and then failed: " + useful_line(e));
  }

  loaded.notes = probe.notes();
  for (const std::string& line : warnings.lines()) loaded.notes.push_back(model_title(spec) + " warns: " + line);
  loaded.model = std::move(model);
  return loaded;
}

}  // namespace assay
