#include "engine/textures.hpp"

#include "assay/core/error.hpp"
#include "core/sha256.hpp"
#include "data/file.hpp"
#include "data/image.hpp"

namespace assay {
namespace {

// The benchmark lists a sixth and never draws it.
constexpr const char* kFiles[] = {"frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg"};

std::string whole_file(const std::filesystem::path& path) {
  try {
    InputFile file(path);
    std::string bytes(file.size(), '\0');
    file.read_exactly(bytes.data(), bytes.size());
    return bytes;
  } catch (const Error& error) {
    throw Error(ExitCode::input, error.what(),
                "textures: a folder of frost1.png, frost2.png, frost3.png, frost4.jpg and frost5.jpg, such as "
                "imagecorruptions/frost of that Python package; frost_proc needs none");
  }
}

}  // namespace

std::shared_ptr<const Textures> load_textures(const std::filesystem::path& folder) {
  std::error_code ignored;
  const bool below = !std::filesystem::exists(folder / kFiles[0], ignored) &&
                     std::filesystem::exists(folder / "frost" / kFiles[0], ignored);
  Textures textures;
  Sha256 digest;
  for (const char* name : kFiles) {
    const std::filesystem::path path = below ? folder / "frost" / name : folder / name;
    const std::string bytes = whole_file(path);
    digest.update(sha256(bytes));
    const RgbImage image = decode_image(bytes, path);
    const auto plane = static_cast<std::size_t>(image.h * image.w);
    Textures::Picture& picture = textures.pictures.emplace_back(image.h, image.w);
    picture.pixels.resize(3 * plane);
    for (std::size_t i = 0; i < 3 * plane; ++i) picture.pixels[i % 3 * plane + i / 3] = image.pixels[i];
  }
  textures.sha256 = digest.hex();
  return std::make_shared<const Textures>(std::move(textures));
}

std::shared_ptr<const Textures> noise_textures(std::int64_t side) {
  Textures textures;
  std::uint32_t state = 1;
  for (std::int64_t k = 0; k < 5; ++k) {
    Textures::Picture& picture = textures.pictures.emplace_back(5 * side + 10 + k, 5 * side + 15 - k);
    picture.pixels.resize(static_cast<std::size_t>(3 * picture.h * picture.w));
    for (std::uint8_t& byte : picture.pixels)
      byte = static_cast<std::uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  }
  return std::make_shared<const Textures>(std::move(textures));
}

}  // namespace assay
