#include "assay/core/team.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/threads_block.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::HasSubstr;

const std::vector<std::int64_t> kSizes = {0, 1, 2, 7, 255, 256, 257, 1000, 32768, 32769, 33100, 100000};

/// Values of both signs over twelve decades: any other order of addition gives other bits.
std::vector<float> rough(std::int64_t n) {
  std::vector<float> values;
  std::uint32_t state = 12345;
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    const float mantissa = static_cast<float>(state >> 8) * 0x1p-23f - 1.f;
    values.push_back(mantissa * std::pow(10.f, static_cast<float>((state >> 3) % 13) - 6.f));
  }
  return values;
}

/// The sum as it is defined: segments of 32 Ki, in each 256 strided sums and a tree that folds the upper half onto the
/// lower one.
template <class T>
T defined_sum(const std::vector<T>& values) {
  T total{};
  for (std::size_t first = 0; first < values.size(); first += 32768) {
    std::vector<T> column(256);
    for (std::size_t i = first; i < std::min(values.size(), first + 32768); ++i) column[i % 256] += values[i];
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

TEST(BlockTeam, AddsToTheSameBitsAsSerialTeam) {
  for (const std::int64_t n : kSizes) {
    const std::vector<float> values = rough(n);
    const float* v = values.data();
    std::vector<float> sums(kTeamWidth);
    std::vector<double> doubles(kTeamWidth);
    on_block([&](auto& team, int worker) {
      sums[static_cast<std::size_t>(worker)] = team.sum(n, [=](std::int64_t i) { return v[i]; });
      doubles[static_cast<std::size_t>(worker)] =
          team.sum(n, [=](std::int64_t i) { return 1.0 / (1.0 + std::abs(v[i])); });
    });
    const SerialTeam serial;
    EXPECT_THAT(sums, testing::Each(serial.sum(n, [=](std::int64_t i) { return v[i]; }))) << n;
    EXPECT_THAT(doubles, testing::Each(serial.sum(n, [=](std::int64_t i) { return 1.0 / (1.0 + std::abs(v[i])); })))
        << n;
  }
}

TEST(BlockTeam, CountsAndFindsTheLargestAsSerialTeamDoes) {
  for (const std::int64_t n : {0, 1, 255, 257, 1000, 33000}) {
    std::vector<std::int64_t> counts(kTeamWidth);
    std::vector<float> tops(kTeamWidth);
    const auto value = [](std::int64_t i) {  // rises to 999 at 999 and falls behind; NaN at each seventh
      return i % 7 == 3 ? std::numeric_limits<float>::quiet_NaN() : -std::abs(static_cast<float>(i) - 999.f) + 999.f;
    };
    on_block([&](auto& team, int worker) {
      counts[static_cast<std::size_t>(worker)] = team.count(n, [](std::int64_t i) { return i % 3 == 0; });
      tops[static_cast<std::size_t>(worker)] = team.max(n, -1.f, value);
    });
    float top = -1;
    for (std::int64_t i = 0; i < n; ++i) top = std::isnan(value(i)) ? top : std::max(top, value(i));
    EXPECT_THAT(counts, testing::Each((n + 2) / 3)) << n;
    EXPECT_THAT(tops, testing::Each(top)) << n;
  }
}

TEST(BlockTeam, GivesElementsToWorkersInTurn) {
  std::vector<int> owner(1000, -1);
  std::vector<std::atomic<int>> visits(1000);
  on_block([&](auto& team, int worker) {
    team.each(1000, [&](std::int64_t i) {
      owner[static_cast<std::size_t>(i)] = worker;
      ++visits[static_cast<std::size_t>(i)];
    });
  });
  for (std::size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(owner[i], static_cast<int>(i % 256)) << i;
    EXPECT_EQ(visits[i], 1) << i;
  }
}

TEST(BlockTeam, DoesOnceWhatOneWorkerDoesAndShowsItToAll) {
  int value = 0;  // plain: the barriers of once() must order it
  std::vector<int> before(kTeamWidth, -1), after(kTeamWidth, -1);
  on_block([&](auto& team, int worker) {
    before[static_cast<std::size_t>(worker)] = value;
    team.once([&] { ++value; });
    after[static_cast<std::size_t>(worker)] = value;
  });
  EXPECT_THAT(before, testing::Each(0));
  EXPECT_THAT(after, testing::Each(1));
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

#if !defined(ASSAY_WITH_CUDA)
TEST(ForEachTeam, RefusesADeviceThatThisBuildDoesNotHave) {
  std::vector<std::atomic<int>> visits(1);
  EXPECT_ERROR(for_each_team({.backend = Backend::cuda}, 1, Visit{visits.data()}), ExitCode::device, HasSubstr("CUDA"));
  EXPECT_EQ(visits[0], 0);
}
#endif

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
