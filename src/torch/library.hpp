#pragma once
#include <map>
#include <memory>
#include <string>

#include "torch/script_model.hpp"

// What the program uses of this folder, which is a shared library of its own: LibTorch takes a quarter of a second to
// load, and most verbs run no model.
namespace assay {

/// Each is the function of that name.
struct TorchLibrary {
  decltype(&assay::cuda_survey) cuda_survey;
  decltype(&assay::open_cuda) open_cuda;
  decltype(&assay::load_script_model) load_script_model;
  decltype(&assay::model_digest) model_digest;
  decltype(&assay::set_threads) set_threads;
  decltype(&assay::torch_numerics) torch_numerics;
};

}  // namespace assay

/// What the program asks the library for.
extern "C" const assay::TorchLibrary* assay_torch_library();
