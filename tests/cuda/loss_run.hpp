#pragma once
#include <string>
#include <vector>

#include "assay/loss.hpp"

namespace assay {

struct Evaluated {
  std::vector<float> value, cotangent;
};

/// A registered loss of rows of logits.
inline Evaluated evaluate(const std::string& name, const std::vector<float>& logits,
                          const std::vector<std::uint16_t>& label) {
  Evaluated result{std::vector<float>(label.size()), std::vector<float>(logits.size())};
  Registry<Loss>::find(name)->evaluate({}, static_cast<std::int64_t>(label.size()),
                                       static_cast<int>(logits.size() / label.size()), logits.data(), label.data(),
                                       result.value.data(), result.cotangent.data());
  return result;
}

}  // namespace assay
