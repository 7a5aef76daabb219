// Expected calibration error: each profile's own bins, at confidences on their edges.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/calibration_rows.hpp"

namespace assay {
namespace {

/// The bin that a single sample of this confidence falls in.
int bin_of(float confidence, const std::string& profile) {
  const std::vector<double> count = measure("ece", {sample(confidence, true)}, profile).curves.at("count");
  int bin = -1;
  for (std::size_t b = 0; b < count.size(); ++b)
    if (count[b] != 0) {
      EXPECT_EQ(bin, -1);
      EXPECT_EQ(count[b], 1.0);
      bin = static_cast<int>(b);
    }
  return bin;
}

// torch 2.11 on a CPU with AVX2: torch.linspace(0, 1, 16). Edges 3, 6, 7, 8, 9 and 10 are not k / 15 rounded.
constexpr float kTorchEdges[] = {0x0p+0f,        0x1.111112p-4f, 0x1.111112p-3f, 0x1.99999cp-3f,
                                 0x1.111112p-2f, 0x1.555556p-2f, 0x1.99999cp-2f, 0x1.dddde0p-2f,
                                 0x1.111110p-1f, 0x1.333332p-1f, 0x1.555554p-1f, 0x1.777778p-1f,
                                 0x1.99999ap-1f, 0x1.bbbbbcp-1f, 0x1.dddddep-1f, 0x1p+0f};
// numpy 2: numpy.linspace(0, 1, 16).
constexpr double kNumpyEdges[] = {0x0p+0,
                                  0x1.1111111111111p-4,
                                  0x1.1111111111111p-3,
                                  0x1.999999999999ap-3,
                                  0x1.1111111111111p-2,
                                  0x1.5555555555555p-2,
                                  0x1.999999999999ap-2,
                                  0x1.ddddddddddddep-2,
                                  0x1.1111111111111p-1,
                                  0x1.3333333333333p-1,
                                  0x1.5555555555555p-1,
                                  0x1.7777777777777p-1,
                                  0x1.999999999999ap-1,
                                  0x1.bbbbbbbbbbbbcp-1,
                                  0x1.ddddddddddddep-1,
                                  0x1p+0};

TEST(Ece, ClosesItsBinsBelowAndTheLastAbove) {
  for (int k = 0; k < 15; ++k) {
    const float edge = static_cast<float>(k / 15.0);
    EXPECT_EQ(bin_of(edge, ""), k);
    EXPECT_EQ(bin_of(std::nextafter(edge, 2.f), ""), k);
    if (k > 0) {
      EXPECT_EQ(bin_of(std::nextafter(edge, 0.f), ""), k - 1);
    }
  }
  EXPECT_EQ(bin_of(1.f, ""), 14);
}

TEST(Ece, BinsAsTorchMetricsDoesWhereAskedTo) {
  for (int k = 0; k < 15; ++k) {
    EXPECT_EQ(bin_of(kTorchEdges[k], "torchmetrics-1.9"), k);
    EXPECT_EQ(bin_of(std::nextafter(kTorchEdges[k], 2.f), "torchmetrics-1.9"), k);
    if (k > 0) {
      EXPECT_EQ(bin_of(std::nextafter(kTorchEdges[k], 0.f), "torchmetrics-1.9"), k - 1);
    }
  }
  EXPECT_EQ(bin_of(std::nextafter(1.f, 0.f), "torchmetrics-1.9"), 14);
  EXPECT_EQ(bin_of(1.f, "torchmetrics-1.9"), 15);  // a bin to itself
}

TEST(Ece, BinsAsScikitLearnDoesWhereAskedTo) {
  // No float32 but 0 and 1 is an edge: the two around each fall on its sides. (lo, hi]: 0 and 1 are in the end bins.
  EXPECT_EQ(bin_of(0.f, "sklearn-1.9"), 0);
  EXPECT_EQ(bin_of(1.f, "sklearn-1.9"), 14);
  for (int k = 1; k < 15; ++k) {
    const float near = static_cast<float>(kNumpyEdges[k]);
    EXPECT_EQ(bin_of(near, "sklearn-1.9"), static_cast<double>(near) > kNumpyEdges[k] ? k : k - 1);
    EXPECT_EQ(bin_of(std::nextafter(near, 2.f), "sklearn-1.9"), k);
    EXPECT_EQ(bin_of(std::nextafter(near, 0.f), "sklearn-1.9"), k - 1);
  }
}

TEST(Ece, IsTheWeightedGapOfItsBins) {
  // Bin 7 (.467 to .533): 4 samples of .5, 3 right, gap .25. Bin 13 (.867 to .933): 2 of .875, none right, gap .875.
  const std::vector<SampleRow> rows = {sample(.5f, true),  sample(.5f, true),    sample(.5f, true),
                                       sample(.5f, false), sample(.875f, false), sample(.875f, false)};
  for (const std::string profile : {"", "torchmetrics-1.9", "sklearn-1.9"}) {
    const Estimate e = measure("ece", rows, profile);
    EXPECT_NEAR(e.value, (4 * .25 + 2 * .875) / 6, 1e-15) << profile;
    EXPECT_EQ(e.curves.at("count")[7], 4.0);
    EXPECT_EQ(e.curves.at("accuracy")[7], 0.75);
    EXPECT_EQ(e.curves.at("confidence")[7], 0.5);
    EXPECT_EQ(e.curves.at("accuracy")[13], 0.0);
    EXPECT_EQ(e.curves.at("confidence")[13], 0.875);
    EXPECT_TRUE(std::isnan(e.curves.at("accuracy")[0]));
    EXPECT_EQ(e.curves.at("count").size(), profile == "torchmetrics-1.9" ? 16u : 15u);
  }
}

/// All edges and their neighbours, and 1.0; of 43, 26 are right.
std::vector<SampleRow> edges() {
  std::vector<SampleRow> rows;
  const auto add = [&](float confidence) {
    const std::size_t i = rows.size();
    rows.push_back(sample(confidence, (i * i + i) % 5 < 2));
  };
  for (int k = 1; k < 15; ++k) {
    const float edge = static_cast<float>(k / 15.0);
    add(edge);
    add(std::nextafter(edge, 0.f));
    add(std::nextafter(edge, 2.f));
  }
  add(1.f);
  return rows;
}

// netcal 1.4.0, ECE(15) and MCE(15) of rows of 20 classes with these confidences.
TEST(Ece, IsNetcals) {
  EXPECT_NEAR(measure("ece", edges(), "netcal-1.4").value, 0.3100775204772173, 1.2e-7);
  EXPECT_NEAR(measure("mce", edges(), "netcal-1.4").value, 0.9111111089587212, 1.2e-7);
}

// One sample of 1.0 that is wrong and one of .96875 that is right: in one bin the gaps offset each other, in two not.
TEST(Ece, KeepsConfidenceOneApartForTorchMetricsOnly) {
  const std::vector<SampleRow> rows = {sample(1.f, false), sample(.96875f, true)};
  EXPECT_NEAR(measure("ece", rows).value, .96875 / 2, 1e-15);
  EXPECT_NEAR(measure("ece", rows, "sklearn-1.9").value, .96875 / 2, 1e-15);
  EXPECT_NEAR(measure("ece", rows, "torchmetrics-1.9").value, (1 + .03125) / 2, 1e-15);
}

TEST(Ece, IsZeroWhenSureAndRightAndOneWhenSureAndWrong) {
  for (const std::string profile : {"", "torchmetrics-1.9", "sklearn-1.9"}) {
    EXPECT_EQ(measure("ece", std::vector<SampleRow>(5000, sample(1.f, true)), profile).value, 0.0);
    EXPECT_EQ(measure("ece", std::vector<SampleRow>(5000, sample(1.f, false)), profile).value, 1.0);
  }
}

TEST(Ece, CountsEveryRowOnceWhereverItIs) {
  // Confidence (17 b + 8) / 256 is in bin b. The bins in turn, every fourth right, every seventh undecided.
  for (const std::int64_t n : {1, 3, 4, 511, 512, 513, 4095, 4096, 4097, 4608, 9001})
    for (const std::string profile : {"", "sklearn-1.9", "torchmetrics-1.9"}) {
      std::vector<SampleRow> rows;
      std::vector<double> count(profile == "torchmetrics-1.9" ? 16 : 15), correct(count.size()),
          confidence(count.size());
      for (std::int64_t i = 0; i < n; ++i) {
        const auto bin = static_cast<std::size_t>(i % 15);
        rows.push_back(sample(static_cast<float>(17 * bin + 8) / 256.f, i % 4 == 0));
        if (i % 7 == 4) {  // whatever its confidence is
          rows.back().flags |= SampleRow::undecided;
          rows.back().confidence = i % 2 == 0 ? NAN : -3e9f;
          continue;
        }
        ++count[bin];
        correct[bin] += i % 4 == 0 ? 1 : 0;
        confidence[bin] += static_cast<double>(17 * bin + 8) / 256;
      }
      const Estimate e = measure("ece", rows, profile);
      double gaps = 0, all = 0;
      for (std::size_t b = 0; b < count.size(); ++b) {
        EXPECT_EQ(e.curves.at("count")[b], count[b]) << n << " rows, bin " << b << ' ' << profile;
        all += count[b];
        gaps += std::abs(correct[b] - confidence[b]);
        if (count[b] == 0) continue;
        EXPECT_EQ(e.curves.at("accuracy")[b], correct[b] / count[b]) << n << " rows, bin " << b;
        EXPECT_EQ(e.curves.at("confidence")[b], confidence[b] / count[b]) << n << " rows, bin " << b;
      }
      EXPECT_EQ(e.value, gaps / all);
    }
}

TEST(Ece, TruncatesConfidencesToUnitsOfTwoToTheMinus32) {
  // 2^-9 + 2^-32 has no more bits than a float32 has; 2^-10 + 2^-33 has half a unit, 2^-33 is but one half.
  const float whole = 0x1.000002p-9f, half = 0x1.000002p-10f;
  EXPECT_EQ(measure("ece", std::vector<SampleRow>(600, sample(whole, false))).value, static_cast<double>(whole));
  EXPECT_EQ(measure("ece", std::vector<SampleRow>(600, sample(half, false))).value, 0x1p-10);
  EXPECT_EQ(measure("ece", std::vector<SampleRow>(600, sample(0x1p-33f, false))).value, 0.0);
}

TEST(Ece, LeavesUndecidedOut) {
  SampleRow undecided = sample(0.f, false);
  undecided.flags = SampleRow::undecided;
  const Estimate e = measure("ece", {sample(.5f, true), undecided, undecided});
  EXPECT_EQ(e.value, 0.5);
  EXPECT_EQ(e.curves.at("count")[0], 0.0);
}

}  // namespace
}  // namespace assay
