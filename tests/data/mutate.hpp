#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace assay {

/// A fixed sequence: Knuth's MMIX generator, whose high bits are its good ones.
class Lcg {
 public:
  explicit Lcg(std::uint64_t seed) : state_(seed) {}
  std::size_t below(std::size_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state_ >> 33) % n);
  }

 private:
  std::uint64_t state_;
};

/// `bytes` with one to four of them changed, by bit flip or by value, and now and then cut short or made longer.
/// Changes favour the first `header` bytes.
inline std::string mutated(std::string bytes, std::size_t header, Lcg& random) {
  for (std::size_t i = 1 + random.below(4); i > 0 && !bytes.empty(); --i) {
    const std::size_t range = random.below(4) > 0 && header < bytes.size() ? header : bytes.size();
    char& byte = bytes[random.below(range)];
    byte =
        random.below(2) == 0 ? static_cast<char>(byte ^ (1 << random.below(8))) : static_cast<char>(random.below(256));
  }
  switch (random.below(8)) {
    case 0:
      bytes.resize(random.below(bytes.size() + 1));
      break;
    case 1:
      bytes.append(1 + random.below(8), static_cast<char>(random.below(256)));
      break;
    default:
      break;
  }
  return bytes;
}

}  // namespace assay
