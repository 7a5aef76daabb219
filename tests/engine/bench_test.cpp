#include "engine/bench.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "assay/attack.hpp"
#include "assay/corruption.hpp"
#include "assay/loss.hpp"
#include "assay/metric.hpp"
#include "registered.hpp"

namespace assay {
namespace {

BenchOptions small(const std::string& filter) {
  BenchOptions options;
  options.filter = filter;
  options.repeat = 3;
  options.least_ms = 0;
  options.images = {{2, 1, 8, 9}, {2, 3, 32, 32}};
  options.logits = {{4, 10}};
  options.samples = {100};
  return options;
}

std::vector<BenchLine> lines(const std::string& filter) {
  std::vector<BenchLine> all;
  bench_kernels(Exec{}, small(filter), [&](const BenchLine& line) { all.push_back(line); });
  return all;
}

TEST(Bench, TimesWhateverIsRegisteredInEveryShape) {
  // By name: other tests of this program register members that compute nothing.
  const auto expect_all = [](const std::string& kind, const std::vector<std::string>& names, std::size_t shapes) {
    ASSERT_FALSE(names.empty());
    for (const std::string& name : names) EXPECT_EQ(lines(kind + " " + name + " ").size(), shapes) << name;
  };
  expect_all("corruption", registered_names<Corruption>(), 2);
  expect_all("loss", registered_names<Loss>(), 1);
  expect_all("metric", registered_names<Metric>(), 1);
  for (const std::string& name : single_attacks()) {
    EXPECT_EQ(lines("attack " + name + ".start ").size(), 2u) << name;
    EXPECT_EQ(lines("attack " + name + ".advance ").size(), 2u) << name;
  }
}

TEST(Bench, GivesTheMedianItsEndsAndTheSpeedOfAsManyBytesCopied) {
  for (const BenchLine& line : lines("pgd_linf")) {
    SCOPED_TRACE(line.name + " " + line.shape);
    EXPECT_EQ(line.kind, "attack");
    EXPECT_GT(line.fastest_ms, 0);
    EXPECT_LE(line.fastest_ms, line.ms);
    EXPECT_LE(line.ms, line.slowest_ms);
    EXPECT_DOUBLE_EQ(line.gb_s, static_cast<double>(line.bytes) / line.ms / 1e6);
    EXPECT_GT(line.copy_gb_s, 0);
  }
}

TEST(Bench, CountsTheBytesThatAKernelCannotDoWithout) {
  const auto bytes = [](const std::string& filter) { return lines(filter).front().bytes; };
  constexpr std::int64_t kPixels = 2 * 8 * 9;
  EXPECT_EQ(bytes("corruption contrast 2x1x8x9"), kPixels + 3 * kPixels * 4);
  EXPECT_EQ(bytes("attack pgd_linf.start 2x1x8x9"), 2 * kPixels * 4);
  EXPECT_EQ(bytes("attack pgd_linf.advance 2x1x8x9"), 4 * kPixels * 4);
  EXPECT_EQ(bytes("attack fgsm.advance 2x1x8x9"), 3 * kPixels * 4) << "its point is still the clean image";
  EXPECT_EQ(bytes("loss margin"), 4 * (10 * (4 + 4) + 2 + 4));
  EXPECT_EQ(bytes("metric ece"), 100 * 16);
}

TEST(Bench, TimesNothingThatTheFilterDoesNotFind) {
  EXPECT_THAT(lines("no such kernel"), testing::IsEmpty());
}

}  // namespace
}  // namespace assay
