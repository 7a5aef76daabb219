#pragma once
#include <string>

#include "assay/attack.hpp"
#include "assay/sweep.hpp"

namespace assay {

/// Throws assay::Error, exit 2, when a loss of the attack is not defined for so few classes, or its target is none of
/// them. `model` names it.
void check_classes(const Perturbation& perturbation, int classes, const std::string& model);

}  // namespace assay
