#pragma once
#include <map>
#include <string>
#include <vector>

#include "assay/corruption.hpp"
#include "assay/source.hpp"
#include "engine/evaluate.hpp"

namespace assay {

/// What to corrupt, and what to keep of it.
struct CorruptRequest {
  std::string name;
  CorruptionArgs args;
  std::uint64_t seed = 0;
  std::int64_t lo = 0, hi = 0;  ///< samples
  bool floats = false, draws = false;
  bool stored = false;  ///< the pipeline "stored": bytes through JPEG, floats before it
};

/// Values of one kind that were drawn for n images, n x shape.
struct DrawnValues {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  bool operator==(const DrawnValues&) const = default;
};

/// Corrupted samples on the host. C is the data's.
struct CorruptedImages {
  std::vector<std::uint8_t> bytes;           ///< n x C x H x W
  std::vector<float> floats;                 ///< n x C x H x W before quantisation (gray: luma), when asked for
  std::map<std::string, DrawnValues> draws;  ///< by name, when asked for
};

/// Throws assay::Error (exit 65) unless the corruption takes the images: uint8, of 1 or 3 channels, as large and with
/// as much colour as it needs, and no larger than it can with these args.
void check_images(const std::string& name, const DataSet& data, const CorruptionArgs& args);

/// Corrupts samples of `data` exactly as a sweep does. Throws as check_images does, and Interrupted.
CorruptedImages corrupt_images(const Exec& exec, const DataSet& data, const CorruptRequest& request,
                               const StopFlag& stop);

/// n x C x H x W to n x H x W x C.
template <class T>
std::vector<T> channels_last(const std::vector<T>& planar, std::int64_t c, std::int64_t plane) {
  std::vector<T> out(planar.size());
  const auto channels = static_cast<std::size_t>(c), pixels = static_cast<std::size_t>(plane);
  for (std::size_t i = 0; i < planar.size(); ++i) {
    const std::size_t image = i / (channels * pixels), channel = i / pixels % channels, pixel = i % pixels;
    out[(image * pixels + pixel) * channels + channel] = planar[i];
  }
  return out;
}

}  // namespace assay
