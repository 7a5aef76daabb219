#include "torch/library.hpp"

extern "C" const assay::TorchLibrary* assay_torch_library() {
  using namespace assay;
  static const TorchLibrary library{cuda_survey,  open_cuda,   load_script_model,
                                    model_digest, set_threads, torch_numerics};
  return &library;
}
