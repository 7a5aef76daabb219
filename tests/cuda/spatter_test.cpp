// Water is shaded as OpenCV does (golden/opencv.py) and pale blue; mud has a soft rim.
#include <gtest/gtest.h>

#include <cmath>

#include "core/sha256.hpp"
#include "corruptions/water.hpp"
#include "cuda/blur_cases.hpp"
#include "golden.hpp"

namespace assay {
namespace {

class Spatter : public testing::TestWithParam<std::tuple<std::pair<int, int>, int>> {
 protected:
  Spatter() {
    const auto [h, w] = std::get<0>(GetParam());
    const auto words = static_cast<std::size_t>(Framed::words(h, w));
    memory_.assign(3 * words + static_cast<std::size_t>(equalizing_words(h)), -77);
    levels_ = {h, w, memory_.data()};
    one_ = {h, w, memory_.data() + words};
    other_ = {h, w, memory_.data() + 2 * words};
    const ByteImages noise = noise_images(1, 1, h, w);
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) {
        int sum = 0;
        for (int dy = -2; dy <= 2; ++dy)
          for (int dx = -2; dx <= 2; ++dx)
            sum +=
                noise.data[static_cast<std::size_t>(std::clamp(y + dy, 0, h - 1) * w + std::clamp(x + dx, 0, w - 1))];
        levels_.line(y)[x] = sum / 25 < std::get<1>(GetParam()) ? 0 : sum / 25;
      }
  }
  std::int32_t* counts() { return other_.first + Framed::words(other_.h, other_.w); }
  /// The digest of f of a plane's values as bytes.
  template <class F>
  static std::string digest(const Framed& plane, const F& f) {
    std::vector<std::uint8_t> bytes;
    for (int y = 0; y < plane.h; ++y)
      for (int x = 0; x < plane.w; ++x) bytes.push_back(static_cast<std::uint8_t>(f(plane.line(y)[x])));
    return Sha256().update(bytes.data(), bytes.size()).hex();
  }
  static std::string golden(const std::string& what) {
    static const std::map<std::string, std::string> values = read_golden("opencv.txt");
    const auto& [shape, threshold] = GetParam();
    return values.at(what + ' ' + std::to_string(shape.first) + 'x' + std::to_string(shape.second) + ' ' +
                     std::to_string(threshold));
  }

  std::vector<std::int32_t> memory_;
  Framed levels_{}, one_{}, other_{};
};
INSTANTIATE_TEST_SUITE_P(Levels, Spatter,
                         testing::Combine(testing::Values(std::pair(32, 32), std::pair(64, 64), std::pair(45, 31),
                                                          std::pair(3, 70), std::pair(70, 3), std::pair(2, 2),
                                                          std::pair(1, 1), std::pair(224, 224)),
                                          testing::Values(0, 120, 140, 255)));

TEST_P(Spatter, FindsTheEdgesThatCannyFinds) {
  SerialTeam team;
  find_edges(team, levels_, one_, other_);
  EXPECT_EQ(digest(other_, [](std::int32_t v) { return v == kStrong ? 255 : 0; }), golden("edges"));
}

TEST_P(Spatter, ShadesWaterAsOpenCvDoes) {
  SerialTeam team;
  shade_water(team, levels_, one_, other_, counts());
  EXPECT_EQ(digest(one_, [](std::int32_t v) { return v; }), golden("water"));
}

struct Blob {
  double mean, deviation, sigma, threshold;
};
const CorruptionArgs kWater{3, Table::c32}, kMud{4, Table::c32};
constexpr Blob kWaterBlob = {.65, .3, 1, .69}, kMudBlob = {.65, .1, .7, .69};

/// scikit-image's gaussian of a square plane, by its definition.
std::vector<double> blurred(const std::vector<double>& plane, int side, double sigma) {
  const int radius = static_cast<int>(4 * sigma + .5);
  std::vector<double> out(plane.size());
  double total = 0;
  for (int k = -radius; k <= radius; ++k) total += std::exp(-.5 * k * k / (sigma * sigma));
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      for (int dy = -radius; dy <= radius; ++dy)
        for (int dx = -radius; dx <= radius; ++dx)
          out[static_cast<std::size_t>(y * side + x)] +=
              std::exp(-.5 * (dy * dy + dx * dx) / (sigma * sigma)) / (total * total) *
              plane[static_cast<std::size_t>(std::clamp(y + dy, 0, side - 1) * side + std::clamp(x + dx, 0, side - 1))];
  return out;
}
std::vector<double> liquid(const std::vector<float>& normal, int side, const Blob& of) {
  std::vector<double> plane;
  for (const float z : normal) plane.push_back(of.mean + of.deviation * static_cast<double>(z));
  return blurred(plane, side, of.sigma);
}

TEST(SpatterWater, IsPaleBlueWhereTheLiquidIsAndOfItsStrengthAtMost) {
  constexpr int kSide = 32, kPlane = kSide * kSide;
  const Corrupted result = corrupt("spatter", kWater, flat_images(1, 3, kSide, 0));
  const std::vector<double> wet = liquid(result.draws, kSide, kWaterBlob);
  float most = 0;
  for (std::size_t i = 0; i < kPlane; ++i) {
    const float red = result.out[i], green = result.out[kPlane + i];
    if (wet[i] < kWaterBlob.threshold - 1e-9) {
      ASSERT_EQ(red, 0.f);
    }
    ASSERT_NEAR(green * 175.f, red * 238.f, 1e-5f);
    ASSERT_EQ(result.out[2 * kPlane + i], green);
    most = std::max(most, red);
  }
  EXPECT_NEAR(most, .5f * 175.f / 255.f, 1e-7f);
}

TEST(SpatterMud, IsBrownWithARimThatEndsAtFourFifths) {
  constexpr int kSide = 32, kPlane = kSide * kSide;
  const ByteImages image = noise_images(1, 3, kSide, kSide);
  const Corrupted result = corrupt("spatter", kMud, image);
  std::vector<double> wet = liquid(result.draws, kSide, kMudBlob);
  for (double& v : wet) v = v > kMudBlob.threshold ? 1 : 0;
  const std::vector<double> cover = blurred(wet, kSide, .6);
  constexpr double kBrown[] = {63 / 255., 42 / 255., 20 / 255.};
  int covered = 0;
  for (std::size_t i = 0; i < kPlane; ++i) {
    ASSERT_GT(std::abs(cover[i] - .8), 1e-6);
    const double share = cover[i] < .8 ? 0 : cover[i];
    covered += share > 0 ? 1 : 0;
    for (std::size_t c = 0; c < 3; ++c)
      ASSERT_NEAR(result.out[c * kPlane + i], image.data[c * kPlane + i] / 255. * (1 - share) + kBrown[c] * share,
                  5e-7);
  }
  EXPECT_GT(covered, 20);
  EXPECT_LT(covered, kPlane / 2);
}

TEST(SpatterWater, LeavesTheImageWhereNothingIsWet) {
  // 3 x 3 pixels under a blur of sigma 4: hardly ever above the threshold.
  const ByteImages image = noise_images(1, 3, 3, 3);
  const Corrupted result = corrupt("spatter", {1, Table::c224}, image);
  for (std::size_t i = 0; i < image.data.size(); ++i)
    EXPECT_EQ(result.out[i], static_cast<float>(image.data[i]) / 255.f);
}

}  // namespace
}  // namespace assay
