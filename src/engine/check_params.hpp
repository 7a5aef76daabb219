#pragma once
#include <functional>
#include <string>
#include <vector>

#include "assay/attack.hpp"
#include "assay/core/params.hpp"
#include "assay/sweep.hpp"

namespace assay {

/// "attack" or "corruption".
std::string kind_name(Perturbation::Kind kind);

/// Parameters that a registered attack or corruption takes; throws assay::Error, exit 2, for an unknown name.
std::vector<ParamSpec> params_of(Perturbation::Kind kind, const std::string& name, const std::string& where);

/// "a number", "a whole number", ...
std::string expected(const ParamSpec& spec);

/// The value in the type that `spec` asks for; throws assay::Error, exit 2, for another type, a number out of range or
/// an unknown choice. Texts are not read as numbers.
Param checked(const ParamSpec& spec, const Param& given, const std::string& where);

/// The file that an attack's points begin at, PATH of its start = "file:PATH"; empty: none.
std::string start_file(const Params& params);

/// The class that an attack's `target` names; none where it has no such parameter.
Aim aim_of(const Params& params);

/// check_perturbation with a place of its own in the messages for each parameter ("" for the whole).
Perturbation complete_perturbation(Perturbation::Kind kind, const std::string& name, const Params& given,
                                   const std::function<std::string(const std::string& key)>& where_of);

}  // namespace assay
