#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "assay/attack.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// The names of a registry, for INSTANTIATE_TEST_SUITE_P: a new member is tested before anyone writes a test for it.
template <class T>
std::vector<std::string> registered_names() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : Registry<T>::all())
    if (!name.starts_with("toy_")) names.push_back(name);
  return names;
}

/// The registered attacks that are not ensembles.
inline std::vector<std::string> single_attacks() {
  std::vector<std::string> names = registered_names<AttackEntry>();
  std::erase_if(names, [](const std::string& name) { return Registry<AttackEntry>::find(name)->make == nullptr; });
  return names;
}

/// The test's name is the key, in the letters that GoogleTest takes.
inline std::string by_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace_if(name, [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

}  // namespace assay
