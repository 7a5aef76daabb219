#include "engine/corrupt.hpp"

#include <algorithm>

#include "assay/core/buffer.hpp"
#include "assay/core/error.hpp"
#include "core/rows.hpp"
#include "core/transfer.hpp"
#include "engine/loaded_corruption.hpp"

namespace assay {

CorruptedImages corrupt_images(const Exec& exec, const DataSet& data, const CorruptRequest& request,
                               const StopFlag& stop) {
  if (data.is_float())
    throw Error(ExitCode::input, "corruptions take uint8 images, but '" + data.name + "' holds float32",
                "save the images as uint8 N x H x W x C");
  constexpr std::int64_t kBatch = 64;
  const LoadedCorruption corruption(exec, request.name, request.args);
  const Corruption& entry = corruption.entry();
  const std::int64_t dim = data.dim(), rgb = 3 * data.h * data.w, kinds = static_cast<std::int64_t>(entry.draws.size());
  const std::int64_t n = request.hi - request.lo;
  const Buffer<std::uint32_t> sample(exec, kBatch);
  const Buffer<std::uint8_t> clean(exec, kBatch * dim), corrupted(exec, kBatch * dim);
  const Buffer<float> real(exec, kBatch * rgb), gray(exec, request.floats ? kBatch * dim : 0);
  const Buffer<float> draws(exec, request.draws ? kBatch * kinds * rgb : 0);

  CorruptedImages out;
  out.bytes.resize(static_cast<std::size_t>(n * dim));
  if (request.floats) out.floats.resize(out.bytes.size());
  std::vector<float> drawn(static_cast<std::size_t>(draws.size()));
  for (const std::string& name : entry.draws)
    if (request.draws) out.draws[name].reserve(static_cast<std::size_t>(n * rgb));
  for (std::int64_t first = request.lo; first < request.hi; first += kBatch) {
    if (stop) throw Interrupted{};
    const std::int64_t rows = std::min(kBatch, request.hi - first);
    number_rows(exec, rows, first, request.hi - 1, sample.data());
    upload(exec, clean.data(), data.pixels(first, first + rows).bytes, static_cast<std::size_t>(rows * dim));
    corruption.apply(exec, {.images = {clean.data(), rows, data.c, data.h, data.w},
                            .out = real.data(),
                            .sample = sample.data(),
                            .draws = draws.data(),
                            .seed = request.seed});
    quantise(exec, real.data(), {corrupted.data(), rows, data.c, data.h, data.w}, nullptr);
    const std::int64_t at = (first - request.lo) * dim;
    export_images(exec, out.bytes.data() + at, corrupted.data(), static_cast<std::size_t>(rows * dim));
    if (request.floats) {
      const bool one = data.c == 1;
      if (one) luma(exec, real.data(), {gray.data(), rows, 1, data.h, data.w});
      export_images(exec, out.floats.data() + at, one ? gray.data() : real.data(),
                    static_cast<std::size_t>(rows * dim) * sizeof(float));
    }
    if (request.draws && kinds > 0) {
      export_images(exec, drawn.data(), draws.data(), static_cast<std::size_t>(rows * kinds * rgb) * sizeof(float));
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t k = 0; k < kinds; ++k) {
          const float* from = drawn.data() + (r * kinds + k) * rgb;
          auto& to = out.draws[entry.draws[static_cast<std::size_t>(k)]];
          to.insert(to.end(), from, from + rgb);
        }
    }
  }
  return out;
}

}  // namespace assay
