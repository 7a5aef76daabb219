#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "assay/source.hpp"
#include "data/mutate.hpp"

namespace assay {

/// A batch of bytes, N x C x H x W.
struct ByteImages {
  std::int64_t n = 0, c = 0, h = 0, w = 0;
  std::vector<std::uint8_t> data;

  std::int64_t dim() const { return c * h * w; }
  std::string shape() const { return std::to_string(h) + "x" + std::to_string(w) + "x" + std::to_string(c); }
};

/// Bytes in 0..255, all levels equally often; golden/pillow.py makes the same ones.
inline ByteImages noise_images(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, std::uint64_t seed = 1) {
  ByteImages images{n, c, h, w, {}};
  Lcg random(seed);
  for (std::int64_t i = 0; i < n * c * h * w; ++i) images.data.push_back(static_cast<std::uint8_t>(random.below(256)));
  return images;
}

/// The same byte everywhere.
inline ByteImages flat_images(std::int64_t n, std::int64_t c, std::int64_t side, std::uint8_t level) {
  return {n, c, side, side, std::vector<std::uint8_t>(static_cast<std::size_t>(n * c * side * side), level)};
}

/// The same as a data set; all labels are 0.
inline DataSet byte_data(const ByteImages& images) {
  DataSet data;
  data.name = "test";
  data.n = images.n;
  data.c = images.c;
  data.h = images.h;
  data.w = images.w;
  data.bytes = images.data;
  data.labels.resize(static_cast<std::size_t>(images.n));
  return data;
}

/// A data set of floats in [lo, hi], some of them exactly at the ends; labels 0, 1, .. in turn.
inline DataSet float_data(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, float lo, float hi,
                          int classes) {
  DataSet data;
  data.name = "test";
  data.n = n;
  data.c = c;
  data.h = h;
  data.w = w;
  data.classes = classes;
  Lcg random(9);
  for (std::int64_t i = 0; i < n * data.dim(); ++i) {
    const auto step = static_cast<float>(random.below(1025));
    data.floats.push_back(step == 1024.f ? hi : lo + (hi - lo) * (step / 1024.f));
  }
  for (std::int64_t i = 0; i < n; ++i) data.labels.push_back(static_cast<std::uint16_t>(i % classes));
  return data;
}

}  // namespace assay
