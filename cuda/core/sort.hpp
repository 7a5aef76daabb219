#pragma once
#include <cstdint>

#include "assay/core/device.hpp"

namespace assay {

/// Sorts `n` keys in exec's memory so that they rise; done on return. On a device by Thrust, whose working memory is
/// exec's.
void sort_rising(const Exec& exec, std::uint32_t* keys, std::int64_t n);

}  // namespace assay
