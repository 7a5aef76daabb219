#pragma once
#include <gmock/gmock.h>

#include <stdexcept>
#include <string>

#include "assay/core/error.hpp"

namespace assay {

/// The assay::Error that `call` throws; anything else it throws, or nothing, fails the test.
template <class Call>
Error thrown_by(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  throw std::runtime_error("expected an assay::Error; nothing was thrown");
}

/// The call throws assay::Error with this exit code, and its message matches `what`.
#define EXPECT_ERROR(call, exit_code, ...)                                         \
  do {                                                                             \
    const ::assay::Error assay_error_ = ::assay::thrown_by([&] { (void)(call); }); \
    EXPECT_EQ(assay_error_.code(), exit_code);                                     \
    EXPECT_THAT(std::string(assay_error_.what()), __VA_ARGS__);                    \
  } while (false)

}  // namespace assay
