#include "core/rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/score.hpp"
#include "core/sha256.hpp"
#include "data/mutate.hpp"
#include "golden.hpp"
#include "images.hpp"

namespace assay {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
using Sample = std::vector<std::uint32_t>;
using Labels = std::vector<std::uint16_t>;

TEST(GatherPixels, BringsBytesTo255thsInTheOrderAskedFor) {
  const ByteImages images = noise_images(5, 3, 2, 3);
  const Labels labels = {10, 11, 12, 13, 14};
  const ResidentData data{{images.data.data(), 5, 3, 2, 3}, {}, labels.data()};
  const Sample sample = {4, 0, 4, 2};
  std::vector<float> out(4 * 18, kNan);
  Labels label(4);
  gather_pixels({}, data, sample.data(), 4, out.data(), label.data());
  for (std::size_t r = 0; r < 4; ++r)
    for (std::size_t i = 0; i < 18; ++i)
      EXPECT_EQ(out[r * 18 + i], static_cast<float>(images.data[sample[r] * 18 + i] / 255.0));
  EXPECT_EQ(label, (Labels{14, 10, 14, 12}));
}

TEST(GatherPixels, CopiesFloatsAsTheyAre) {
  const DataSet set = float_data(5, 1, 2, 3, 0.f, 1.f, 5);
  const ResidentData data{{}, {set.floats.data(), 5, 1, 2, 3}, set.labels.data()};
  const Sample sample = {3, 1};
  std::vector<float> out(12, kNan);
  Labels label(2);
  gather_pixels({}, data, sample.data(), 2, out.data(), label.data());
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(out[i], set.floats[18 + i]);
    EXPECT_EQ(out[6 + i], set.floats[6 + i]);
  }
  EXPECT_EQ(label, (Labels{3, 1}));
}

TEST(GatherBytes, CopiesTheSamplesAskedFor) {
  const ByteImages images = noise_images(4, 1, 2, 2);
  const Labels labels = {7, 8, 9, 10};
  const ResidentData data{{images.data.data(), 4, 1, 2, 2}, {}, labels.data()};
  const Sample sample = {3, 3, 1};
  std::vector<std::uint8_t> out(12);
  Labels label(3);
  gather_bytes({}, data, sample.data(), 3, out.data(), label.data());
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(out[i], images.data[12 + i]);
    EXPECT_EQ(out[4 + i], images.data[12 + i]);
    EXPECT_EQ(out[8 + i], images.data[4 + i]);
  }
  EXPECT_EQ(label, (Labels{10, 10, 8}));
}

/// One image of three channels, quantised.
std::vector<std::uint8_t> quantised(const std::vector<float>& rgb, std::int64_t channels) {
  const auto plane = static_cast<std::int64_t>(rgb.size() / 3);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(channels * plane));
  quantise({}, rgb.data(), {bytes.data(), 1, channels, 1, plane}, nullptr);
  return bytes;
}

TEST(Quantise, KeepsAll256Levels) {
  std::vector<float> rgb;
  for (int i = 0; i < 3 * 256; ++i) rgb.push_back(static_cast<float>(i % 256) / 255.f);
  const std::vector<std::uint8_t> rgb_bytes = quantised(rgb, 3), gray_bytes = quantised(rgb, 1);
  for (std::size_t i = 0; i < rgb_bytes.size(); ++i) EXPECT_EQ(rgb_bytes[i], i % 256);
  for (std::size_t i = 0; i < gray_bytes.size(); ++i) EXPECT_EQ(gray_bytes[i], i);
}

TEST(Quantise, TruncatesBetweenLevels) {
  std::vector<float> rgb;
  for (int i = 0; i < 3 * 255; ++i) rgb.push_back((static_cast<float>(i % 255) + 0.999f) / 255.f);
  const std::vector<std::uint8_t> bytes = quantised(rgb, 3);
  for (std::size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], i % 255);
}

TEST(Quantise, ClipsToTheBox) {
  EXPECT_EQ(quantised({-0.5f, 1.5f, -kInfinity, kInfinity, kNan, 1.f}, 3),
            (std::vector<std::uint8_t>{0, 255, 0, 255, 0, 255}));
}

TEST(Quantise, GivesTheModelWhatTheBytesSay) {
  const std::vector<float> rgb = {0.1f, 0.2f, 0.3f, 0.7f, 0.8f, 0.9f};
  for (const std::int64_t channels : {1, 3}) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(2 * channels));
    std::vector<float> pixels(bytes.size(), kNan);
    quantise({}, rgb.data(), {bytes.data(), 1, channels, 1, 2}, pixels.data());
    for (std::size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(pixels[i], static_cast<float>(bytes[i] / 255.0));
  }
}

/// Planes of a grid of colours, red slowest, in 255ths.
std::vector<float> colour_grid() {
  std::vector<float> red, green, blue;
  for (int r = 0; r < 256; r += 5)
    for (int g = 0; g < 256; g += 5)
      for (int b = 0; b < 256; b += 5) {
        red.push_back(static_cast<float>(r) / 255.f);
        green.push_back(static_cast<float>(g) / 255.f);
        blue.push_back(static_cast<float>(b) / 255.f);
      }
  red.insert(red.end(), green.begin(), green.end());
  red.insert(red.end(), blue.begin(), blue.end());
  return red;
}

TEST(Quantise, TakesTheLumaOfPillow) {
  const std::vector<std::uint8_t> bytes = quantised(colour_grid(), 1);
  EXPECT_EQ(Sha256().update(bytes.data(), bytes.size()).hex(), read_golden("pillow.txt").at("luma"));
}

TEST(Luma, IsThatOfItuR601BeforeQuantisation) {
  const std::vector<float> rgb = colour_grid();
  const std::size_t plane = rgb.size() / 3;
  std::vector<float> out(plane, kNan);
  luma({}, rgb.data(), {out.data(), 1, 1, 1, static_cast<std::int64_t>(plane)});
  for (std::size_t i = 0; i < plane; ++i) {
    const double expected = 0.299 * static_cast<double>(rgb[i]) + 0.587 * static_cast<double>(rgb[plane + i]) +
                            0.114 * static_cast<double>(rgb[2 * plane + i]);
    ASSERT_NEAR(out[i], expected, 2e-7);
  }
}

TEST(Luma, TreatsEachImageAlone) {
  const std::vector<float> rgb = {1.f, 0.f, 0.f, 0.f, 1.f, 0.f};  // red, green; one pixel each
  std::vector<float> out(2);
  luma({}, rgb.data(), {out.data(), 2, 1, 1, 1});
  EXPECT_EQ(out, (std::vector<float>{0.299f, 0.587f}));
}

/// A row among others and as the last of nine: a CPU takes eight of few classes at once, and the rest alone.
template <class Score>
SampleRow scored_in_company(const std::vector<float>& row, std::uint16_t label, const Score& score) {
  constexpr std::size_t kRows = 9;
  std::vector<float> all;
  for (std::size_t r = 0; r < kRows; ++r) all.insert(all.end(), row.begin(), row.end());
  const std::size_t classes = row.size();
  for (const std::size_t other : {2, 5})  // another one, and a broken one
    std::fill_n(all.begin() + static_cast<std::ptrdiff_t>(other * classes), classes, other == 2 ? 1.f : kNan);
  const Labels labels(kRows, label);
  std::vector<SampleRow> rows(kRows);
  score(kRows, static_cast<int>(classes), all.data(), labels.data(), rows.data());
  EXPECT_EQ(rows[5].prediction, kNoPrediction);
  for (const std::size_t r : {0, 1, 3, 4, 6, 7})
    EXPECT_EQ(std::memcmp(&rows[r], &rows[8], sizeof(SampleRow)), 0) << "row " << r;
  return rows[0];
}
SampleRow scored(const std::vector<float>& logits, std::uint16_t label, std::uint16_t flags = 0) {
  return scored_in_company(logits, label, [&](auto n, int classes, const float* z, const auto* labels, SampleRow* out) {
    const std::vector<std::uint16_t> known(n, flags);
    score_logits({}, static_cast<std::int64_t>(n), classes, z, labels, known.data(), out);
  });
}
SampleRow scored_probabilities(const std::vector<float>& p, std::uint16_t label) {
  return scored_in_company(p, label, [](auto n, int classes, const float* values, const auto* labels, SampleRow* out) {
    score_probabilities({}, static_cast<std::int64_t>(n), classes, values, labels, out);
  });
}

TEST(ScoreRows, DoNotDependOnTheirNeighbours) {
  Lcg random(7);
  for (const int classes : {1, 2, 4, 5, 8, 9, 16, 17, 33, 100, 512, 513, 1000, 1024, 1025}) {
    constexpr std::size_t kRows = 11;
    const auto width = static_cast<std::size_t>(classes);
    std::vector<float> logits, probabilities;
    Labels labels;
    std::vector<std::uint16_t> flags;
    for (std::size_t r = 0; r < kRows; ++r) {
      float sum = 0;
      for (int k = 0; k < classes; ++k) {
        logits.push_back(static_cast<float>(random.below(1000)) / 64.f);  // with ties
        probabilities.push_back(static_cast<float>(1 + random.below(500)));
        sum += probabilities.back();
      }
      for (std::size_t k = 0; k < width; ++k) probabilities[r * width + k] /= sum;
      labels.push_back(static_cast<std::uint16_t>(random.below(static_cast<std::uint32_t>(classes))));
      flags.push_back(r % 4 == 1 ? SampleRow::fooled_any : r == 6 ? SampleRow::undecided : 0);
    }
    std::vector<SampleRow> of_logits(kRows), of_probabilities(kRows);
    score_logits({}, kRows, classes, logits.data(), labels.data(), flags.data(), of_logits.data());
    score_probabilities({}, kRows, classes, probabilities.data(), labels.data(), of_probabilities.data());
    for (std::size_t r = 0; r < kRows; ++r) {
      SampleRow alone{};
      score_logits({}, 1, classes, &logits[r * width], &labels[r], &flags[r], &alone);
      EXPECT_EQ(std::memcmp(&alone, &of_logits[r], sizeof alone), 0) << classes << " logits, row " << r;
      score_probabilities({}, 1, classes, &probabilities[r * width], &labels[r], &alone);
      EXPECT_EQ(std::memcmp(&alone, &of_probabilities[r], sizeof alone), 0) << classes << " probabilities, row " << r;
    }
  }
}

TEST(ScoreLogits, DescribesTheSoftmax) {
  // Logits log 1, log 2, log 5: probabilities 1/8, 2/8, 5/8.
  const std::vector<float> logits = {0.f, std::log(2.f), std::log(5.f)};
  const SampleRow right = scored(logits, 2), wrong = scored(logits, 0);
  EXPECT_EQ(right.prediction, 2);
  EXPECT_TRUE(right.has(SampleRow::correct));
  EXPECT_NEAR(right.confidence, 0.625, 1e-7);
  EXPECT_NEAR(right.nll, -std::log(0.625), 1e-7);
  EXPECT_NEAR(right.brier, (1 + 4 + 9) / 64.0, 1e-7);
  EXPECT_EQ(wrong.prediction, 2);
  EXPECT_FALSE(wrong.has(SampleRow::correct));
  EXPECT_NEAR(wrong.confidence, 0.625, 1e-7);
  EXPECT_NEAR(wrong.nll, std::log(8.0), 2e-7);
  EXPECT_NEAR(wrong.brier, (49 + 4 + 25) / 64.0, 2e-7);
}

TEST(ScoreLogits, ReachesTheEndsOfBrierAndKeepsALargeNll) {
  const SampleRow sure = scored({1000.f, 0.f}, 0), wrong = scored({1000.f, 0.f}, 1);
  EXPECT_EQ(sure.brier, 0.f);
  EXPECT_EQ(sure.nll, 0.f);
  EXPECT_EQ(sure.confidence, 1.f);
  EXPECT_EQ(wrong.brier, 2.f);
  EXPECT_EQ(wrong.nll, 1000.f);
  EXPECT_EQ(scored({1e30f, -1e30f}, 1).nll, 2e30f);
}

TEST(ScoreLogits, GivesTiesToTheLowestIndex) {
  EXPECT_EQ(scored({1, 3, 3, 3}, 2).prediction, 1);
  EXPECT_TRUE(scored({1, 3, 3, 3}, 1).has(SampleRow::correct));
  EXPECT_FALSE(scored({1, 3, 3, 3}, 2).has(SampleRow::correct));
  EXPECT_EQ(scored(std::vector<float>(300, -2.f), 0).prediction, 0);
}

TEST(ScoreLogits, PredictsAClassEvenAmongTheLowestLogitsThereAre) {
  const SampleRow row = scored({-FLT_MAX, -FLT_MAX, -FLT_MAX}, 0);
  EXPECT_EQ(row.prediction, 0);
  EXPECT_TRUE(row.has(SampleRow::correct));
  EXPECT_NEAR(row.confidence, 1 / 3.0, 1e-7);
  EXPECT_EQ(scored({-FLT_MAX, -3.401e38f, -FLT_MAX}, 0).prediction, 1);
}

TEST(ScoreLogits, CountsTheLabelAmongTheFirstFive) {
  const std::vector<float> logits = {9, 8, 7, 6, 5, 4, 3};
  for (std::uint16_t label = 0; label < 7; ++label)
    EXPECT_EQ(scored(logits, label).has(SampleRow::top5), label < 5) << label;
  // Ties rank by index: of seven equal logits the first five.
  for (std::uint16_t label = 0; label < 7; ++label)
    EXPECT_EQ(scored(std::vector<float>(7, 1.f), label).has(SampleRow::top5), label < 5) << label;
  // Four above, and the tie for the fifth place goes to the lower index.
  EXPECT_TRUE(scored({1, 9, 9, 1, 9, 9}, 0).has(SampleRow::top5));
  EXPECT_FALSE(scored({1, 9, 9, 1, 9, 9}, 3).has(SampleRow::top5));
  EXPECT_TRUE(scored({0, 1}, 0).has(SampleRow::top5));  // fewer than five classes
}

TEST(ScoreLogits, SaysNothingOfUndecidedSamples) {
  for (const SampleRow& row : {scored({1, kNan, 0}, 0), scored({1, 0, kInfinity}, 2), scored({1, 0, -kInfinity}, 0),
                               scored({2, 1, 0}, 0, SampleRow::undecided)}) {
    EXPECT_EQ(row.flags, SampleRow::undecided);
    EXPECT_EQ(row.prediction, 0xFFFF);
    EXPECT_EQ(row.confidence, 0.f);
    EXPECT_EQ(row.nll, 0.f);
    EXPECT_EQ(row.brier, 0.f);
  }
}

TEST(ScoreLogits, KeepsTheFlagsOfAnAttack) {
  constexpr std::uint16_t kBefore = SampleRow::clean_correct | SampleRow::fooled_any;
  EXPECT_EQ(scored({2, 1, 0}, 0, kBefore).flags, kBefore | SampleRow::correct | SampleRow::top5);
  EXPECT_EQ(scored({kNan, 1, 0}, 0, kBefore).flags, kBefore | SampleRow::undecided);
}

TEST(ScoreProbabilities, TakesThemAsTheyAre) {
  const SampleRow row = scored_probabilities({0.125f, 0.25f, 0.625f}, 1);
  EXPECT_EQ(row.prediction, 2);
  EXPECT_EQ(row.flags, SampleRow::top5);
  EXPECT_EQ(row.confidence, 0.625f);
  EXPECT_NEAR(row.nll, std::log(4.0), 1e-7);
  EXPECT_NEAR(row.brier, (1 + 36 + 25) / 64.0, 1e-7);
}

TEST(ScoreProbabilities, HasAnInfiniteNllForALabelOfProbabilityZero) {
  EXPECT_EQ(scored_probabilities({1.f, 0.f}, 1).nll, kInfinity);
  EXPECT_EQ(scored_probabilities({1.f, 0.f}, 1).brier, 2.f);
  EXPECT_EQ(scored_probabilities({1.f, 0.f}, 0).nll, 0.f);
  EXPECT_NEAR(scored_probabilities({1.f, FLT_TRUE_MIN}, 1).nll, 149 * M_LN2, 1e-5);
}

TEST(ScoreProbabilities, LeavesWhatIsNoProbabilityUndecided) {
  for (const float broken : {kNan, kInfinity, -0.01f, 1.01f})
    EXPECT_EQ(scored_probabilities({0.5f, broken, 0.5f}, 0).flags, SampleRow::undecided) << broken;
}

TEST(NumberRows, RepeatsTheLastSampleWhereTheRangeEnds) {
  Sample sample(6);
  number_rows({}, 6, 10, 13, sample.data());
  EXPECT_EQ(sample, (Sample{10, 11, 12, 13, 13, 13}));
}

TEST(PickRows, RepeatsTheLastEntryWhereTheListEnds) {
  const Sample list = {9, 7, 5, 3, 1};
  Sample sample(6);
  pick_rows({}, 6, list.data(), 1, 3, sample.data());
  EXPECT_EQ(sample, (Sample{7, 5, 3, 3, 3, 3}));
}

TEST(Zero, ClearsItsWordsOnly) {
  std::vector<std::uint64_t> words(300, 7);
  zero({}, words.data(), 299);
  EXPECT_EQ(words.back(), 7u);
  words.pop_back();
  EXPECT_THAT(words, testing::Each(0u));
}

}  // namespace
}  // namespace assay
