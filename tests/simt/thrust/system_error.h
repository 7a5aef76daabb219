#pragma once
// Stands in for Thrust's header of that name.
#include <stdexcept>

namespace thrust {

class system_error : public std::runtime_error {
 public:
  explicit system_error(int code) : runtime_error("as Thrust says it"), code_{code} {}
  struct Code {
    int number;
    int value() const { return number; }
  };
  Code code() const { return code_; }

 private:
  Code code_;
};

}  // namespace thrust
