#pragma once
#include "assay/core/device.hpp"
#include "assay/metric.hpp"

// The engine's own launches: from the resident data set to model inputs, from logits to what is kept of a sample.
// All pointers are device memory; nothing here allocates or waits.
namespace assay {

/// Images of the data set on the device, all of them or those from `first` on: exactly one of bytes and floats. The
/// labels are those of all samples.
struct ResidentData {
  Images<const std::uint8_t> bytes;
  Images<const float> floats;
  const std::uint16_t* label = nullptr;
  std::int64_t first = 0;
};

/// Row r becomes sample `sample[r]`: pixels in [0, 1] (bytes / 255) in `out` (rows x dim), label in `label`.
void gather_pixels(const Exec& exec, const ResidentData& data, const std::uint32_t* sample, std::int64_t rows,
                   float* out, std::uint16_t* label);

/// Row r becomes the bytes of sample `sample[r]` (rows x dim).
void gather_bytes(const Exec& exec, const ResidentData& data, const std::uint32_t* sample, std::int64_t rows,
                  std::uint8_t* out, std::uint16_t* label);

/// From a corruption's n x 3 x H x W floats in [0, 1] to bytes, n x channels x H x W: truncation of 255 v as in the
/// reference; one channel is the ITU-R 601 luma of the truncated channels, rounded as Pillow's convert("L") does.
/// `pixels`, when given, gets bytes / 255.
void quantise(const Exec& exec, const float* corrupted, Images<std::uint8_t> bytes, float* pixels);

/// One channel of floats in [0, 1] from three, n x 3 x H x W to n x 1 x H x W: the luma before quantisation.
void luma(const Exec& exec, const float* rgb, Images<float> out);

/// Writes what is kept of each sample from its logits and the flags so far.
void score_logits(const Exec& exec, std::int64_t rows, int classes, const float* logits, const std::uint16_t* label,
                  const std::uint16_t* flags, SampleRow* out);
/// The same from probabilities (rows sum to 1); nll is -log of the label's, infinite for 0.
void score_probabilities(const Exec& exec, std::int64_t rows, int classes, const float* probabilities,
                         const std::uint16_t* label, SampleRow* out);

/// Row r gets sample first + r, and the last sample where that is past it: rows that pad a batch repeat a real one.
void number_rows(const Exec& exec, std::int64_t rows, std::int64_t first, std::int64_t last, std::uint32_t* sample);

/// Row r gets list[first + r], and list[last] where that is past it.
void pick_rows(const Exec& exec, std::int64_t rows, const std::uint32_t* list, std::int64_t first, std::int64_t last,
               std::uint32_t* sample);

/// Rows of `width` floats, copied.
void keep_rows(const Exec& exec, std::int64_t rows, std::int64_t width, const float* from, float* to);

/// `count` values set to zero.
void zero(const Exec& exec, std::uint64_t* words, std::int64_t count);

}  // namespace assay
