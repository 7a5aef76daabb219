#pragma once
#include <string>
#include <vector>

#include "assay/loss.hpp"

namespace assay {

struct Evaluated {
  std::vector<float> value, cotangent;
};

/// A registered loss of rows of logits; targets left out are the class after the label.
inline Evaluated evaluate(const std::string& name, const std::vector<float>& logits,
                          const std::vector<std::uint16_t>& label, std::vector<std::uint16_t> target = {}) {
  const std::size_t classes = logits.size() / label.size();
  if (target.empty())
    for (const std::uint16_t y : label) target.push_back(static_cast<std::uint16_t>((y + 1u) % classes));
  Evaluated result{std::vector<float>(label.size()), std::vector<float>(logits.size())};
  Registry<Loss>::find(name)->evaluate(
      {}, {static_cast<std::int64_t>(label.size()), static_cast<int>(classes), logits.data(), label.data(),
           target.data(), result.value.data(), result.cotangent.data()});
  return result;
}

}  // namespace assay
