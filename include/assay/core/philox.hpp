#pragma once
#include "assay/core/device.hpp"
#include "assay/core/math.hpp"

namespace assay {

struct Words4 {
  std::uint32_t v[4];
};

/// Philox4x32-10 (Salmon et al., SC'11): a pure function of (counter, key), hence no generator state anywhere.
ASSAY_HD Words4 philox4x32(Words4 ctr, std::uint32_t k0, std::uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * ctr.v[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * ctr.v[2];
    ctr = {{static_cast<std::uint32_t>(p1 >> 32) ^ ctr.v[1] ^ k0, static_cast<std::uint32_t>(p1),
            static_cast<std::uint32_t>(p0 >> 32) ^ ctr.v[3] ^ k1, static_cast<std::uint32_t>(p0)}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return ctr;
}

/// [0, 1), a multiple of 2^-24.
ASSAY_HD float unit_float(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

/// One stream of random numbers for one sample: a function of the seed, the sample's index in the data set, the
/// purpose (`stream_id`) and the element; never of batch, lane, thread, shard or device.
/// Element e of four consecutive ones is word e % 4 of block e / 4; elements are flat C x H x W indices.
struct Draw {
  std::uint64_t seed;
  std::uint32_t stream;
  std::uint32_t sample;
  std::uint32_t step = 0;

  ASSAY_HD Words4 words(std::int64_t block) const {
    return philox4x32({{static_cast<std::uint32_t>(block), step, sample, stream}}, static_cast<std::uint32_t>(seed),
                      static_cast<std::uint32_t>(seed >> 32));
  }
  /// Four N(0, 1): Box-Muller on words (0, 1) and (2, 3), the cosine first.
  ASSAY_HD void normal4(std::int64_t block, float out[4]) const {
    const Words4 w = words(block);
    for (int k = 0; k < 4; k += 2) {
      const float radius = sqrtf(-2.f * log_unit(1.f - unit_float(w.v[k])));
      float s, c;
      sincos_turns(unit_float(w.v[k + 1]), s, c);
      out[k] = radius * c;
      out[k + 1] = radius * s;
    }
  }
};

/// The counter's last word: the first 32 bits (big-endian) of SHA-256 of `kind/name/level/target/purpose`, where level
/// is a severity or a restart and an absent target is "-".
std::uint32_t stream_id(const char* kind, const char* name, int level, int target, const char* purpose);

}  // namespace assay
