// Poisson(c x) / c: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants of ImageNet-C, Tiny-ImageNet-C and
// CIFAR-10-C. The Poisson number is the inverse CDF of one uniform, so that it can be replayed. A pixel has 256 values,
// hence 256 rates c v / 255: their CDFs are a table, in units of the uniform's 2^-24.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "corruptions/corruption_kernel.hpp"

namespace assay {
namespace {

constexpr Severities<> kRate = {{60, 25, 12, 5, 3}, {250, 100, 50, 30, 15}, {500, 250, 100, 75, 50}};

// constants: for each level v, at 2 v: where its thresholds begin, and the number that the first one stands for. Then,
// for each level and each 64th of the uniforms, as 16 bits: which threshold is the first one above its least m. Then
// the thresholds: the smallest m with m 2^-24 >= CDF(k), for k = first, first + 1, ... up to the first that is 2^24.
constexpr int kLevels = 256, kParts = 64;
constexpr std::uint32_t kHeader = 2 * kLevels, kGuide = kLevels * kParts / 2;
constexpr double kUnits = 16777216.0;

std::vector<std::uint32_t> constants(const CorruptionShape& of) {
  std::vector<std::uint32_t> table(kHeader + kGuide);
  for (std::uint32_t level = 0; level < kLevels; ++level) {
    const double rate = kRate.at(of.args) * level / 255.0;
    const auto mode = static_cast<int>(rate);
    // Twelve standard deviations hold all but far less than 2^-24 on both sides for every rate up to 500.
    const int reach = static_cast<int>(12.0 * std::sqrt(rate)) + 24, first = mode > reach ? mode - reach : 0;
    double pmf = std::exp(-rate + (rate > 0 ? first * std::log(rate) : 0.0) - std::lgamma(first + 1.0)), cdf = 0;
    table[2 * level] = static_cast<std::uint32_t>(table.size());
    for (int k = first; k <= mode + reach; ++k) {
      cdf += pmf;
      pmf *= rate / (k + 1);
      const auto threshold = static_cast<std::uint32_t>(std::fmin(std::ceil(cdf * kUnits), kUnits));
      if (table.size() == table[2 * level]) table[2 * level + 1] = static_cast<std::uint32_t>(k);
      if (threshold == 0) continue;
      table.push_back(threshold);
      if (threshold == static_cast<std::uint32_t>(kUnits)) break;
    }
    if (table.back() < static_cast<std::uint32_t>(kUnits)) table.push_back(static_cast<std::uint32_t>(kUnits));
  }
  std::vector<std::uint16_t> guide;
  for (std::uint32_t level = 0; level < kLevels; ++level)
    for (std::uint32_t part = 0; part < kParts; ++part) {
      const auto begin = table.begin() + table[2 * level];
      const auto above =
          std::upper_bound(begin, level + 1 < kLevels ? table.begin() + table[2 * level + 2] : table.end(), part << 18);
      guide.push_back(static_cast<std::uint16_t>(above - begin));
    }
  std::memcpy(table.data() + kHeader, guide.data(), guide.size() * sizeof(guide[0]));
  return table;
}

struct ShotNoise {
  const std::uint32_t* table;
  float rate;
  std::uint32_t stream;

  ASSAY_HD std::uint32_t poisson(std::uint32_t level, std::uint32_t m) const {
    const std::uint32_t* thresholds = table + table[2 * level];
    std::uint32_t at = reinterpret_cast<const std::uint16_t*>(table + kHeader)[level * kParts + (m >> 18)];
    // Seldom is it more than one further on, and an addition is not predicted wrong. The last one is 2^24.
    at += thresholds[at] <= m ? 1 : 0;
    while (thresholds[at] <= m) ++at;
    return table[2 * level + 1] + at;
  }

  template <class Team>
  ASSAY_HD void operator()(Team& team, const CorruptionRow& row) const {
    const Draw draw = row.draw(stream);
    const ShotNoise noise = *this;
    const auto drawing = [=](std::int64_t block) { return units(draw.words(block)); };
    row.record(team, 0, row.size(), drawing);
    // First the uniforms alone: g++ vectorises them, and no search.
    team.map_quads(row.size(), row.out, drawing);
    const float* uniform = row.out;
    const std::int64_t size = row.size();
    row.map_quads(team, [=](std::int64_t block, const Quad<std::uint8_t>& bytes) {
      Quad<float> out;
      for (int k = 0; k < 4; ++k) {
        const std::int64_t i = 4 * block + k;
        const auto m = static_cast<std::uint32_t>(uniform[i < size ? i : size - 1] * 0x1p24f);
        out.v[k] = clamp01(static_cast<float>(noise.poisson(bytes.v[k], m)) / noise.rate);
      }
      return out;
    });
  }
};

void apply(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) {
  const std::uint32_t stream = stream_id("corruption", "shot_noise", args.severity, -1, "uniform");
  launch_corruption(exec, ShotNoise{batch.constants, static_cast<float>(kRate.at(args)), stream}, batch);
}
ASSAY_CORRUPTION("shot_noise", "replaces each value by a Poisson count", {{"uniform"}}, apply, constants);

}  // namespace
}  // namespace assay
