#pragma once
#include <string>

#include "assay/sweep.hpp"

namespace assay {

/// How messages name a model: model 'standard' (models/standard.pt).
std::string model_title(const ModelSpec& spec);

/// Throws assay::Error, exit 65: `what` is found out about this model, `hint` says what to do.
[[noreturn]] void reject_model(const ModelSpec& spec, const std::string& what, const std::string& hint = {});

/// Looks at the file's bytes and runs nothing. Throws assay::Error (exit 65), which names the format, unless they are
/// those of a TorchScript archive.
void check_model_file(const ModelSpec& spec);

}  // namespace assay
