// A piece of a photograph of ice laid over the image: the benchmark's own photographs, which the user has, of which it
// draws the first five and shrinks them for small images as OpenCV's resize does. The Python package imagecorruptions
// enlarges them by 1.1 beyond the image, by OpenCV's cubic resize.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "assay/core/error.hpp"
#include "corruptions/frost.hpp"

namespace assay {
namespace {

constexpr int kPictures = 5;

/// A picture among a corruption's constants: behind these, 3 x h x w bytes from `at` on.
struct Picture {
  std::uint32_t at;
  std::int32_t h, w;
};

double scale_of(Table table) {
  return table == Table::c224 ? 1 : table == Table::c64 ? .3 : .2;
}
struct Size {
  std::int64_t h, w;
};
Size scaled(const Textures::Picture& picture, const CorruptionShape& of) {
  const auto h = static_cast<double>(picture.h), w = static_cast<double>(picture.w);
  if (of.args.table != Table::imagecorruptions) {
    const double scale = scale_of(of.args.table);
    return {static_cast<std::int64_t>(std::nearbyint(h * scale)), static_cast<std::int64_t>(std::nearbyint(w * scale))};
  }
  const double scale = 1.1 * std::max({1.0, static_cast<double>(of.h) / h, static_cast<double>(of.w) / w});
  return {static_cast<std::int64_t>(std::ceil(h * scale)), static_cast<std::int64_t>(std::ceil(w * scale))};
}

/// One axis of OpenCV's linear resize of bytes: the pixels on both sides and their weights in 2048ths.
struct Between {
  std::int64_t first, next;
  std::int32_t here, there;
};
std::vector<Between> betweens(std::int64_t from, std::int64_t to, double scale) {
  std::vector<Between> all;
  for (std::int64_t i = 0; i < to; ++i) {
    const auto at = static_cast<float>((static_cast<double>(i) + .5) * (1 / scale) - .5);
    const auto first = static_cast<std::int64_t>(std::floor(at));
    const float part = at - static_cast<float>(first);
    const auto inside = [from](std::int64_t k) { return std::clamp<std::int64_t>(k, 0, from - 1); };
    all.push_back({inside(first), inside(first + 1), static_cast<std::int32_t>(std::nearbyint((1 - part) * 2048)),
                   static_cast<std::int32_t>(std::nearbyint(part * 2048))});
  }
  return all;
}
void append_shrunken(std::vector<std::uint8_t>& bytes, const Textures::Picture& picture, const Size& to, Table table) {
  const auto rows = betweens(picture.h, to.h, scale_of(table)), columns = betweens(picture.w, to.w, scale_of(table));
  for (std::int64_t c = 0; c < 3; ++c)
    for (const Between& row : rows)
      for (const Between& column : columns) {
        const auto across = [&](std::int64_t y) {
          const std::uint8_t* line = picture.pixels.data() + (c * picture.h + y) * picture.w;
          return (line[column.first] * column.here + line[column.next] * column.there) >> 4;
        };
        const std::int32_t upper = (row.here * across(row.first)) >> 16, lower = (row.there * across(row.next)) >> 16;
        bytes.push_back(static_cast<std::uint8_t>((upper + lower + 2) >> 2));
      }
}

/// One axis of OpenCV's cubic resize: the four pixels around and their weights.
struct Around {
  std::int64_t at[4];
  double weight[4];
};
std::vector<Around> arounds(std::int64_t from, std::int64_t to) {
  constexpr double kA = -.75;
  std::vector<Around> all;
  for (std::int64_t i = 0; i < to; ++i) {
    const double at = (static_cast<double>(i) + .5) * (static_cast<double>(from) / static_cast<double>(to)) - .5;
    const auto first = static_cast<std::int64_t>(std::floor(at));
    const double t = at - static_cast<double>(first), u = 1 - t;
    const auto inside = [from](std::int64_t k) { return std::clamp<std::int64_t>(k, 0, from - 1); };
    const double left = kA * t * u * u, right = kA * t * t * u, here = ((kA + 2) * t - (kA + 3)) * t * t + 1;
    all.push_back({{inside(first - 1), inside(first), inside(first + 1), inside(first + 2)},
                   {left, here, 1 - here - left - right, right}});
  }
  return all;
}
/// In double and then rounded: OpenCV's wheels for x86 leave bytes to Intel's IPP, which hardly ever differs from that,
/// where OpenCV's own weights in 2048ths do so in one value of 25.
void append_enlarged(std::vector<std::uint8_t>& bytes, const Textures::Picture& picture, const Size& to) {
  const auto rows = arounds(picture.h, to.h), columns = arounds(picture.w, to.w);
  std::vector<double> across(static_cast<std::size_t>(picture.h * to.w));
  for (std::int64_t c = 0; c < 3; ++c) {
    double* wide = across.data();
    for (std::int64_t y = 0; y < picture.h; ++y) {
      const std::uint8_t* line = picture.pixels.data() + (c * picture.h + y) * picture.w;
      for (const auto& [at, weight] : columns)
        *wide++ = line[at[0]] * weight[0] + line[at[1]] * weight[1] + line[at[2]] * weight[2] + line[at[3]] * weight[3];
    }
    for (const auto& [at, weight] : rows)
      for (std::int64_t x = 0; x < to.w; ++x) {
        double sum = 0;
        for (std::size_t k = 0; k < 4; ++k) sum += across[static_cast<std::size_t>(at[k] * to.w + x)] * weight[k];
        bytes.push_back(static_cast<std::uint8_t>(std::nearbyint(std::clamp(sum, 0., 255.))));
      }
  }
}

struct Frost {
  FrostWeights weights;
  const std::uint32_t* constants;
  std::uint32_t stream;

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const int h = static_cast<int>(row.h), w = static_cast<int>(row.w);
    const Words4 words = row.draw(stream).words(0);
    // One of [0, n): the last place of a crop is never drawn, as in the benchmark.
    const auto pick = [&words](int k, std::int32_t n) {
      return static_cast<std::int32_t>(static_cast<double>(unit_float(words.v[k])) * n);
    };
    const std::int32_t which = pick(0, kPictures);
    const Picture picture = reinterpret_cast<const Picture*>(constants)[which];
    const std::int32_t top = pick(1, picture.h - h), left = pick(2, picture.w - w);
    if (float* drawn = row.draws; drawn != nullptr)
      team.once([=] {
        drawn[0] = static_cast<float>(which);
        drawn[1] = static_cast<float>(top);
        drawn[2] = static_cast<float>(left);
      });
    const std::int64_t size = std::int64_t{picture.h} * picture.w, stride = picture.w;
    const std::uint8_t* ice = reinterpret_cast<const std::uint8_t*>(constants) + picture.at + top * stride + left;
    const FrostWeights mixing = weights;
    row.map_pixels(team, [=](int y, int x) {
      const std::uint8_t* from = ice + y * stride + x;
      return [=](int k, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
        return Rgb{mixing.mix(red, from[k]), mixing.mix(green, from[size + k]), mixing.mix(blue, from[2 * size + k])};
      };
    });
  }
};

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  std::vector<Picture> pictures;
  std::vector<std::uint8_t> bytes;
  for (const Textures::Picture& picture : of.args.textures->pictures) {
    const Size size = scaled(picture, of);
    pictures.push_back({static_cast<std::uint32_t>(kPictures * sizeof(Picture) + bytes.size()),
                        static_cast<std::int32_t>(size.h), static_cast<std::int32_t>(size.w)});
    if (of.args.table == Table::imagecorruptions)
      append_enlarged(bytes, picture, size);
    else
      append_shrunken(bytes, picture, size, of.args.table);
  }
  std::vector<std::uint32_t> words((kPictures * sizeof(Picture) + bytes.size() + 3) / 4);
  auto* const at = reinterpret_cast<std::uint8_t*>(words.data());
  std::memcpy(at, pictures.data(), kPictures * sizeof(Picture));
  std::ranges::copy(bytes, at + kPictures * sizeof(Picture));
  return words;
}
void check(const CorruptionShape& of) {
  for (const Textures::Picture& picture : of.args.textures->pictures) {
    const auto [h, w] = scaled(picture, of);
    if (of.h < h && of.w < w) continue;
    const auto size = [](std::int64_t rows, std::int64_t columns) {
      return std::to_string(rows) + " x " + std::to_string(columns);
    };
    throw Error(ExitCode::input,
                "frost cuts its ice out of pictures, and one has " + size(h, w) + " pixels with table " +
                    table_name(of.args.table) + "; images of " + size(of.h, of.w) + " are too large for that",
                "table = \"224\" leaves the pictures as they are; frost_proc makes ice of any size");
  }
}
std::vector<std::int64_t> crop_shape(const CorruptionShape&) {
  return {3};
}
void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  launch_corruption(
      exec, Frost{kFrostWeights.at(args), batch.constants, stream_id("corruption", "frost", args.severity, -1, "crop")},
      batch);
}
ASSAY_CORRUPTION("frost", "lays a piece of the benchmark's pictures of ice over the image", {{"crop", crop_shape}},
                 apply, constants, nullptr, 1, false, true, check);

}  // namespace
}  // namespace assay
