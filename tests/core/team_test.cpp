#include "assay/core/team.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "rough.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::HasSubstr;

const std::vector<std::int64_t> kSizes = {0,   1,   2,    4,    5,    7,    9,     16,    17,    255,
                                          256, 257, 1000, 1024, 1025, 3000, 32768, 32769, 33100, 100000};

/// The sum as it is defined: segments of 32 Ki, in each 1,024 strided sums, four neighbours folded pairwise into one of
/// 256, and a tree that folds the upper half of these onto the lower one.
template <class T>
T defined_sum(const std::vector<T>& values) {
  T total{};
  for (std::size_t first = 0; first < values.size(); first += 32768) {
    std::vector<T> strided(1024), column;
    for (std::size_t i = first; i < std::min(values.size(), first + 32768); ++i) strided[i % 1024] += values[i];
    for (std::size_t k = 0; k < 1024; k += 4)
      column.push_back((strided[k] + strided[k + 1]) + (strided[k + 2] + strided[k + 3]));
    for (; column.size() > 1; column.resize(column.size() / 2))
      for (std::size_t k = 0; k < column.size() / 2; ++k) column[k] += column[k + column.size() / 2];
    total += column[0];
  }
  return total;
}

TEST(SerialTeam, SumsInTheDefinedOrder) {
  const SerialTeam team;
  for (const std::int64_t n : kSizes) {
    const std::vector<float> values = rough(n);
    const float* v = values.data();
    EXPECT_EQ(team.sum(n, [=](std::int64_t i) { return v[i]; }), defined_sum(values)) << n;
    const std::vector<double> doubles(values.begin(), values.end());
    const double* d = doubles.data();
    EXPECT_EQ(team.sum(n, [=](std::int64_t i) { return d[i]; }), defined_sum(doubles)) << n;
  }
}

TEST(SerialTeam, SumsWholeNumbersExactly) {
  const SerialTeam team;
  for (const std::int64_t n : kSizes) EXPECT_EQ(team.sum(n, [](std::int64_t i) { return i; }), n * (n - 1) / 2) << n;
}

// One large value and many that a plain float loop would lose: 1 + 99999 * 2^-25 in place of 1.
TEST(SerialTeam, LosesLittleOfManySmallTerms) {
  const float sum = SerialTeam{}.sum(100000, [](std::int64_t i) { return i == 0 ? 1.f : 0x1p-25f; });
  EXPECT_NEAR(sum, 1 + 99999 * 0x1p-25, 2e-5);
}

TEST(SerialTeam, CountsWhatHolds) {
  const SerialTeam team;
  for (const std::int64_t n : kSizes)
    EXPECT_EQ(team.count(n, [](std::int64_t i) { return i % 3 == 0; }), (n + 2) / 3) << n;
}

TEST(SerialTeam, FindsTheLargestWhereverItStands) {
  const SerialTeam team;
  for (const std::int64_t at : {0, 1, 255, 256, 999})
    EXPECT_EQ(team.max(1000, -5.f, [=](std::int64_t i) { return i == at ? -1.f : -2.f; }), -1.f) << at;
}

TEST(SerialTeam, NeverLetsNanWin) {
  const SerialTeam team;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::int64_t at : {0, 1, 299})
    EXPECT_EQ(team.max(300, -5.f, [=](std::int64_t i) { return i == at ? nan : (i == 150 ? 3.f : 2.f); }), 3.f) << at;
}

TEST(SerialTeam, GivesTheLowestOfNothingOrOfNan) {
  const SerialTeam team;
  EXPECT_EQ(team.max(0, -5.f, [](std::int64_t) { return 1.f; }), -5.f);
  EXPECT_EQ(team.max(9, -5.f, [](std::int64_t) { return std::numeric_limits<float>::quiet_NaN(); }), -5.f);
}

TEST(SerialTeam, VisitsEveryElementOnce) {
  for (const std::int64_t n : kSizes) {
    std::vector<int> visits(static_cast<std::size_t>(n));
    int* v = visits.data();
    SerialTeam{}.each(n, [=](std::int64_t i) { ++v[i]; });
    EXPECT_THAT(visits, testing::Each(1)) << n;
  }
}

TEST(SerialTeam, MapsElementsAndQuads) {
  const SerialTeam team;
  for (const std::int64_t n : kSizes) {
    const std::vector<float> in = rough(n);
    std::vector<float> sums(in), quads(in);
    team.map(n, sums.data(), [](float a, float b) { return a + 2.f * b; }, in.data(), sums.data());
    team.map_quads(
        n, quads.data(),
        [](std::int64_t q, Quad<float> x) {
          for (int k = 0; k < 4; ++k) x.v[k] = x.v[k] * 3.f + static_cast<float>(4 * q + k);
          return x;
        },
        in.data());
    for (std::size_t i = 0; i < in.size(); ++i) {
      ASSERT_EQ(sums[i], in[i] + 2.f * in[i]) << i;
      ASSERT_EQ(quads[i], in[i] * 3.f + static_cast<float>(i)) << i;
    }
  }
}

struct Visit {
  std::atomic<int>* visits;
  template <class Team>
  void operator()(Team& team, std::int64_t row) const {
    team.once([&] { ++visits[row]; });
  }
};

TEST(ForEachTeam, CallsEveryRowOnce) {
  std::vector<std::atomic<int>> visits(1000);
  for_each_team({}, 1000, Visit{visits.data()});
  for (const auto& count : visits) EXPECT_EQ(count, 1);
}

TEST(ForEachTeam, DoesNothingForNoRows) {
  for_each_team({}, 0, Visit{nullptr});
}

TEST(ForEachTeam, RefusesADeviceThatThisBuildDoesNotHave) {
  std::vector<std::atomic<int>> visits(1);
  EXPECT_ERROR(for_each_team({.backend = Backend::cuda}, 1, Visit{visits.data()}), ExitCode::device, HasSubstr("CUDA"));
  EXPECT_EQ(visits[0], 0);
}

struct AddTo {
  std::uint64_t* counter;
  template <class Team>
  void operator()(Team&, std::int64_t row) const {
    atomic_add(counter, static_cast<std::uint64_t>(row));
  }
};

TEST(AtomicAdd, LosesNothingBetweenThreads) {
  std::uint64_t counter = std::uint64_t{1} << 40;
  for_each_team({}, 200000, AddTo{&counter});
  EXPECT_EQ(counter, (std::uint64_t{1} << 40) + 200000ull * 199999 / 2);
}

}  // namespace
}  // namespace assay
