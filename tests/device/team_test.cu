// Every function of a team, on one block and on several, has the bits of the CPU's team.
#include <cmath>
#include <limits>
#include <numeric>

#include "assay/core/team.hpp"
#include "device/device.hpp"
#include "rough.hpp"

namespace assay {
namespace {

constexpr int kNumbers = 6;

/// Uses every function of a team on each row, one after the other: a barrier too few shows in some order.
struct Everything {
  std::int64_t n;
  const float* in;
  const std::uint8_t* bytes;
  float* mapped;
  float* own;
  float* turned;
  double* numbers;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t size = n;
    const float* x = in + row * size;
    const std::uint8_t* b = bytes + row * size;
    float *y = mapped + row * size, *z = own + row * size, *t = turned + row * size;
    const float total = team.sum(size, [=](std::int64_t i) { return x[i]; });
    const double precise =
        team.sum_of(size, [](float v, std::uint8_t w) { return 1.0 / (1.0 + static_cast<double>(v * v) + w); }, x, b);
    const float top = team.max(size, -1e30f, [=](std::int64_t i) { return i % 7 == 3 ? nan() : x[i]; });
    const float bottom = -team.max_of(size, -1e30f, [](float v) { return -v; }, x);
    const std::int64_t positive = team.count(size, [=](std::int64_t i) { return x[i] > 0.f; });
    team.map(size, y, [=](float v, std::uint8_t w) { return v / top + static_cast<float>(w); }, x, b);
    team.map(size, y, [](float v) { return v * 3.f; }, y);
    team.each(size, [=](std::int64_t i) { z[i] = y[i] + static_cast<float>(i); });
    team.sync();
    team.map_quads(size, t, [=](std::int64_t q) {
      Quad<float> quad{};
      for (int k = 0; k < 4; ++k)
        if (4 * q + k < size) quad.v[k] = z[size - 1 - (4 * q + k)];
      return quad;
    });
    const float after = team.sum_of(size, [](float v) { return v; }, t);
    double* out = numbers + row * kNumbers;
    // Read by every worker before one of them writes it, and after.
    const double before = out[5];
    team.once([&] {
      out[0] = static_cast<double>(total);
      out[1] = precise;
      out[2] = static_cast<double>(top);
      out[3] = static_cast<double>(bottom);
      out[4] = static_cast<double>(positive);
      out[5] += static_cast<double>(after) + 1.0;
    });
    const auto both = static_cast<float>(before + 2.0 * out[5]);
    team.each(size, [=](std::int64_t i) { z[i] += both; });
  }
  ASSAY_HD static float nan() { return NAN; }
};

struct Outcome {
  std::vector<float> mapped, own, turned;
  std::vector<double> numbers;
};

Outcome everything(const Exec& exec, std::int64_t rows, std::int64_t n, std::size_t shift) {
  const auto size = static_cast<std::size_t>(rows * n);
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 37);
  const Held<float> in(exec, rough(rows * n), shift);
  const Held<std::uint8_t> other(exec, bytes, shift);
  const std::vector<float> nothing(size, -7.f);
  const Held<float> mapped(exec, nothing, shift), own(exec, nothing), turned(exec, nothing);
  const Held<double> numbers(exec, std::vector<double>(static_cast<std::size_t>(rows * kNumbers)));
  for_each_row(exec, rows, n,
               Everything{n, in.data(), other.data(), mapped.data(), own.data(), turned.data(), numbers.data()});
  return {mapped.fetch(), own.fetch(), turned.fetch(), numbers.fetch()};
}

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_TRUE(same_bits(a.mapped, b.mapped));
  EXPECT_TRUE(same_bits(a.own, b.own));
  EXPECT_TRUE(same_bits(a.turned, b.turned));
  EXPECT_TRUE(same_bits(a.numbers, b.numbers));
}

class Team : public BothBackends {};

TEST_F(Team, HasTheBitsOfTheCpusOnOneBlock) {
  for (const std::int64_t n : {1, 3, 4, 7, 255, 1024, 1027, 5000})
    for (const std::size_t shift : {0u, 1u}) {
      SCOPED_TRACE(std::to_string(n) + ", shifted by " + std::to_string(shift));
      const Outcome expected = everything(cpu, 3, n, shift);
      in_every_order([&] { expect_same(everything(cuda, 3, n, shift), expected); });
    }
}

TEST_F(Team, HasTheBitsOfTheCpusOnSeveralBlocks) {
  for (const std::int64_t n : {32769, 70001, 140000}) {
    SCOPED_TRACE(n);
    const Outcome expected = everything(cpu, 1, n, 0);
    in_every_order([&] { expect_same(everything(cuda, 1, n, 0), expected); });
  }
}

#if defined(ASSAY_SIMT)
TEST_F(Team, SharesARowBetweenAsManyBlocksAsTheDeviceHolds) {
  const std::int64_t n = 5 * kSegment;
  const Outcome expected = everything(cpu, 2, n, 0);
  for (const auto& [processors, blocks] : {std::pair{1, 2u}, {2, 4u}, {3, 6u}, {8, 10u}}) {
    simt::restart();
    simt::device().processors = processors;  // of two blocks each
    expect_same(everything(cuda, 2, n, 0), expected);
    std::size_t most = 0;
    for (const simt::Call& call : simt::device().log)
      if (call.kind == simt::Call::launch) most = std::max(most, call.bytes);
    EXPECT_EQ(most, blocks);
  }
}
#endif

TEST_F(Team, NeedsNoWorkspaceForRowsThatFillTheDeviceAnyway) {
  cuda.workspace_bytes = 0;
  const Outcome expected = everything(cpu, 2, 40000, 0);
  expect_same(everything(cuda, 2, 40000, 0), expected);
}

struct AddOne {
  std::uint64_t* counter;
  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    team.each(100, [=, this](std::int64_t i) { atomic_add(counter, static_cast<std::uint64_t>(i)); });
  }
};

TEST_F(Team, LosesNoAdditionBetweenTeams) {
  in_every_order([&] {
    const Held<std::uint64_t> counter(cuda, {std::uint64_t{1} << 40});
    for_each_team(cuda, 50, AddOne{counter.data()});
    EXPECT_EQ(counter.fetch()[0], (std::uint64_t{1} << 40) + 50 * 4950);
  });
}

struct MarkRow {
  int* visits;
  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    team.once([&] { ++visits[row]; });
  }
};

TEST_F(Team, VisitsEveryRowOnce) {
  for (const std::size_t rows : {1u, 2u, 100u}) {
    const Held<int> visits(cuda, std::vector<int>(rows));
    for_each_team(cuda, static_cast<std::int64_t>(rows), MarkRow{visits.data()});
    EXPECT_EQ(visits.fetch(), std::vector<int>(rows, 1));
  }
  for_each_team(cuda, 0, MarkRow{nullptr});
}

}  // namespace
}  // namespace assay
