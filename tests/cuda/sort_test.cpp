// Keys against std::sort.
#include "core/sort.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace assay {
namespace {

TEST(Sort, IsThatOfTheStandardLibrary) {
  std::mt19937 random(3);
  for (const std::size_t n : {0u, 1u, 2u, 1000u, 100'000u}) {
    std::vector<std::uint32_t> keys(n);
    for (std::uint32_t& key : keys) key = static_cast<std::uint32_t>(random());
    if (n > 5) keys[3] = 0;
    if (n > 5) keys[4] = keys[5] = 0xFFFFFFFFu;
    std::vector<std::uint32_t> expected = keys;
    std::ranges::sort(expected);
    sort_rising({}, keys.data(), std::ssize(keys));
    EXPECT_EQ(keys, expected);
  }
}

}  // namespace
}  // namespace assay
