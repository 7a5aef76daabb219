// Smooth calibration error. Goldens: NumPy, the definition without a grid: Gaussians around each confidence and its
// images, added up directly, to 1e-7. Those of the profile: smECE of relplot 1.0.3, of float64 confidences.
#include <gtest/gtest.h>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

/// Nearly calibrated, on no point of the grid but the ends.
std::vector<SampleRow> close(int n) {
  std::vector<SampleRow> rows;
  for (int i = 0; i < n; ++i) {
    const int at = (7 * i * i + 11 * i) % 1010;
    rows.push_back(sample(static_cast<float>(at) / 1009.f, 641 * i % 1013 < at));
  }
  return rows;
}

TEST(EceSmooth, IsTheDefinitionsWithoutAGrid) {
  EXPECT_NEAR(measure("ece_smooth", no_ties()).value, 0.299918282, 1e-6);
  EXPECT_NEAR(measure("ece_smooth", close(2000)).value, 0.018294407, 1e-6);
  EXPECT_NEAR(measure("ece_smooth", close(100)).value, 0.069764030, 1e-6);
}

TEST(EceSmooth, IsRelplotsWithItsProfile) {
  const auto relplot = [](const std::vector<SampleRow>& rows) {
    return measure("ece_smooth", rows, "relplot-1.0").value;
  };
  EXPECT_NEAR(relplot(no_ties()), 0.336781848503, 1e-11);
  EXPECT_NEAR(relplot(close(2000)), 0.0182361968553, 1e-11);
  EXPECT_NEAR(relplot(close(100)), 0.0698213073857, 1e-11);
  EXPECT_NEAR(relplot(many_bins(90)), 0.377870620985, 1e-11);
  EXPECT_NEAR(relplot({sample(.25f, true)}), 0.749848532545, 1e-11);
  EXPECT_NEAR(relplot({sample(.5f, true), sample(.125f, true), sample(.9f, true)}), 0.491647673809, 1e-11);
  EXPECT_NEAR(relplot(std::vector<SampleRow>(10, sample(1.f, false))), 0.999947784135, 1e-11);  // wider than 1
  EXPECT_EQ(relplot(std::vector<SampleRow>(50, sample(1.f, true))), 0);
  EXPECT_NEAR(relplot(close(10000)), 0.00555177934966, 1e-11);
}

TEST(EceSmooth, IsTheMeanGapWhereAllGapsHaveOneSign) {
  // What a Gaussian spreads within [0, 1] it neither loses nor offsets.
  EXPECT_NEAR(measure("ece_smooth", {sample(.5f, true), sample(.125f, true), sample(.9f, true)}).value,
              (.5 + .875 + .1) / 3, 1e-7);
  EXPECT_NEAR(measure("ece_smooth", std::vector<SampleRow>(5000, sample(1.f, false))).value, 1, 1e-12);
}

TEST(EceSmooth, IsZeroWhereNothingIsOff) {
  EXPECT_EQ(measure("ece_smooth", std::vector<SampleRow>(5000, sample(1.f, true))).value, 0);
  EXPECT_EQ(measure("ece_smooth", {sample(.5f, true), sample(.5f, false), sample(0.f, false)}).value, 0);
}

TEST(EceSmooth, OffsetsWhatIsNearerThanItsOwnValue) {
  // Bins of 1/15 would call one of these twice the other.
  const auto pair = [](float gap) {
    return measure("ece_smooth", {sample(.5f - gap, true), sample(.5f + gap, false)}).value;
  };
  EXPECT_LT(pair(.001f), pair(.01f));
  EXPECT_LT(pair(.01f), pair(.1f));
  EXPECT_LT(pair(.001f), .1);
  EXPECT_GT(pair(.001f), .5 * pair(.002f));
}

TEST(EceSmooth, SharesAConfidenceBetweenItsNeighbours) {
  const float between = 2048.5f / 4096.f;
  EXPECT_NEAR(measure("ece_smooth", {sample(between, true)}).value, 1 - static_cast<double>(between), 1e-12);
}

}  // namespace
}  // namespace assay
