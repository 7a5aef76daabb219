#pragma once
#include <vector>

#include "assay/results.hpp"

namespace assay {

/// mCE and relative mCE (Hendrycks & Dietterich 2019, arXiv:1903.12261, section 4.1) of every model, table and pipeline
/// for which a corruption that stands alone (not after another one) has all five severities. The baseline is the
/// paper's AlexNet, whose errors are known for ImageNet-C's files: table 224.
std::vector<CorruptionErrors> corruption_errors(const std::vector<CellResult>& cells);

/// What the numbers of one of them mean.
std::string definition_of(const CorruptionErrors& errors);

}  // namespace assay
