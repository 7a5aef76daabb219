#include "engine/corrupt.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "assay/core/buffer.hpp"
#include "assay/core/error.hpp"
#include "core/rows.hpp"
#include "core/transfer.hpp"
#include "engine/loaded_corruption.hpp"

namespace assay {

void check_images(const std::string& name, const DataSet& data, const CorruptionArgs& args) {
  const Corruption& entry = *Registry<Corruption>::find(name);
  if (data.is_float())
    throw Error(ExitCode::input, "corruptions take uint8 images, but '" + data.name + "' holds float32",
                "save the images as uint8 N x H x W x C");
  if (data.c != 1 && data.c != 3)
    throw Error(ExitCode::input, "corruptions take images of 1 or 3 channels, but those of '" + data.name + "' have " +
                                     std::to_string(data.c));
  const int least = entry.least_side(args.table);
  if (std::min(data.h, data.w) < least)
    throw Error(ExitCode::input,
                fmt::format("{} with table {} needs images of at least {} x {}, but those of '{}' have {} x {}", name,
                            table_name(args.table), least, least, data.name, data.h, data.w));
  if (entry.needs_color && data.c != 3)
    throw Error(ExitCode::input,
                fmt::format("{} needs images of three channels, but those of '{}' have {}", name, data.name, data.c));
  if (entry.check != nullptr) entry.check({args, data.h, data.w});
}

CorruptedImages corrupt_images(const Exec& exec, const DataSet& data, const CorruptRequest& request,
                               const StopFlag& stop) {
  check_images(request.name, data, request.args);
  constexpr std::int64_t kBatch = 64;
  const CorruptionShape shape{request.args, data.h, data.w};
  const Corruption& entry = *Registry<Corruption>::find(request.name);
  const LoadedCorruption corruption(exec, entry, shape, kBatch);
  const LoadedCorruption stored =
      request.stored ? LoadedCorruption(exec, stored_pass(), shape, kBatch) : LoadedCorruption();
  const std::int64_t dim = data.dim(), rgb = 3 * data.h * data.w, drawn_each = corruption.draw_count();
  const std::int64_t n = request.hi - request.lo;
  const Buffer<std::uint32_t> sample(exec, kBatch);
  const Buffer<std::uint8_t> clean(exec, kBatch * dim), corrupted(exec, kBatch * dim);
  const Buffer<float> real(exec, kBatch * rgb), gray(exec, request.floats ? kBatch * dim : 0);
  const Buffer<float> draws(exec, request.draws ? kBatch * drawn_each : 0);

  CorruptedImages out;
  out.bytes.resize(static_cast<std::size_t>(n * dim));
  if (request.floats) out.floats.resize(out.bytes.size());
  std::vector<float> drawn(static_cast<std::size_t>(draws.size()));
  if (request.draws)
    for (const DrawKind& kind : entry.draws) {
      out.draws[kind.name].shape = kind.shape_of(shape);
      out.draws[kind.name].values.reserve(static_cast<std::size_t>(n * kind.count(shape)));
    }
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
    if (request.floats) {
      const bool one = data.c == 1;
      if (one) luma(exec, real.data(), {gray.data(), rows, 1, data.h, data.w});
      export_images(exec, out.floats.data() + at, one ? gray.data() : real.data(),
                    static_cast<std::size_t>(rows * dim) * sizeof(float));
    }
    if (request.stored) {
      stored.apply(
          exec,
          {.images = {corrupted.data(), rows, data.c, data.h, data.w}, .out = real.data(), .sample = sample.data()});
      quantise(exec, real.data(), {corrupted.data(), rows, data.c, data.h, data.w}, nullptr);
    }
    export_images(exec, out.bytes.data() + at, corrupted.data(), static_cast<std::size_t>(rows * dim));
    if (request.draws && drawn_each > 0) {
      export_images(exec, drawn.data(), draws.data(), static_cast<std::size_t>(rows * drawn_each) * sizeof(float));
      const float* from = drawn.data();
      for (std::int64_t r = 0; r < rows; ++r)
        for (const DrawKind& kind : entry.draws) {
          std::vector<float>& to = out.draws[kind.name].values;
          const std::int64_t count = kind.count(shape);
          to.insert(to.end(), from, from + count);
          from += count;
        }
    }
  }
  return out;
}

}  // namespace assay
