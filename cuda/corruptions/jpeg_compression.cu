// Saved as JPEG by Pillow and read again: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C,
// Tiny-ImageNet-C and CIFAR-10-C. Gray images come out as Pillow's of mode L: their chroma is nothing.
#include "corruptions/jpeg.hpp"

namespace assay {
namespace {

constexpr Severities<int> kQuality = {{25, 18, 15, 10, 7}, {65, 58, 50, 40, 25}, {80, 65, 58, 50, 40}};

struct JpegCompression {
  [[maybe_unused]] static constexpr int kTeamsTogether = 2;
  const std::uint32_t* tables;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w);
    const std::uint8_t *red = row.channel(0), *green = row.channel(1), *blue = row.channel(2);
    const jpeg::Decoded image = jpeg::round_trip(team, h, w, tables, row.scratch, [=](int c, int y, int x) {
      return std::int32_t{(c == 0 ? red : c == 1 ? green : blue)[std::int64_t{y} * w + x]};
    });
    row.map_pixels(team, [=](int y, int x) {
      return [strip = image.strip<Team::kStrip>(y, x)](int k, std::uint8_t, std::uint8_t, std::uint8_t) {
        return strip(k);
      };
    });
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  return jpeg_tables(kQuality.at(of.args));
}
std::int64_t scratch(const CorruptionShape& of) {
  return jpeg::scratch_floats(of.h, of.w);
}
void apply(const Exec& exec, const CorruptionArgs&, const CorruptionBatch& batch) {
  launch_corruption(exec, JpegCompression{batch.constants}, batch);
}
std::vector<std::uint32_t> stored_tables(const CorruptionShape&) {
  return jpeg_tables(85);
}
ASSAY_CORRUPTION("jpeg_compression", "saves as JPEG and reads again", {}, apply, constants, scratch);

}  // namespace

const Corruption& stored_pass() {
  static const Corruption pass{"saves as JPEG at quality 85 and reads again", {}, apply, stored_tables, scratch};
  return pass;
}

}  // namespace assay
