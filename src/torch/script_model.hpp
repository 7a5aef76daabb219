#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "assay/model.hpp"
#include "assay/source.hpp"
#include "assay/sweep.hpp"
#include "torch/cuda_device.hpp"

// LibTorch behind an interface without it: only .cpp files of this folder include torch.
namespace assay {

struct LoadedModel {
  std::unique_ptr<Model> model;
  std::string sha256;              ///< of the file
  bool folded = false;             ///< what became of ModelSpec::fold
  std::vector<std::string> notes;  ///< what a user should know but need not act on
};

/// SHA-256 of the model's file, without running it. Throws assay::Error (exit 65): missing, unreadable, or not the
/// digest that `spec.sha256` asks for.
std::string model_digest(const ModelSpec& spec);

/// Loads a TorchScript file and probes it with the first images of `data`. Loading runs code that the file brings.
/// `gradients`: attacks will ask for vjps, so they are probed too. `exec` is where it will be run. Throws assay::Error
/// (exit 65), which names what is wrong, a form that was asked for and gives other logits included.
LoadedModel load_script_model(const Exec& exec, const ModelSpec& spec, const DataSet& data, int batch, bool gradients);

/// Threads of LibTorch and of our own loops.
void set_threads(int threads);

/// What decides a model's bits on the CPU besides the model: {"torch": "2.11.0", "isa": "AVX2", ...}
std::map<std::string, std::string> torch_numerics();

}  // namespace assay
