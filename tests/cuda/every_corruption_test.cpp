// What holds for every corruption, over the registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/rows.hpp"
#include "cuda/corruption_run.hpp"
#include "engine/corrupt.hpp"
#include "registered.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

class EveryCorruption : public testing::TestWithParam<std::string> {
 protected:
  const std::string& name() const { return GetParam(); }
  const Corruption& entry() const { return *Registry<Corruption>::find(GetParam()); }
  /// With pictures for images of 8 pixels a side, where the corruption needs any.
  CorruptionArgs with_textures(int severity, Table table) const {
    return {severity, table, entry().needs_textures ? noise_textures(8) : nullptr};
  }
  /// `side`, or what the corruption needs at least.
  std::int64_t at_least(std::int64_t side) const { return std::max<std::int64_t>(side, entry().min_side); }
  ByteImages noise(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) const {
    return noise_images(n, c, at_least(h), at_least(w));
  }
};
std::vector<CorruptionArgs> with_package() {
  std::vector<CorruptionArgs> all = all_args();
  for (const CorruptionArgs& args : package_args()) all.push_back(args);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Registered, EveryCorruption, testing::ValuesIn(registered_names<Corruption>()), by_name);

TEST_P(EveryCorruption, WritesEveryPixelInRange) {
  for (const ByteImages& images : {noise(3, 3, 5, 7), noise(2, 1, 9, 4), noise(1, 3, 32, 32),
                                   flat_images(1, 3, at_least(8), 0), flat_images(1, 1, at_least(8), 255)})
    for (const CorruptionArgs& args : with_package()) {
      const Corrupted result = corrupt(name(), args, images);
      for (const float v : result.out)
        ASSERT_TRUE(v >= 0.f && v <= 1.f) << v << ", " << images.shape() << ", " << text(args);
      for (const float v : result.draws) ASSERT_TRUE(finite(v)) << v << ", " << images.shape() << ", " << text(args);
    }
}

TEST_P(EveryCorruption, IsTheSameInAnyBatchesOrderAndThreads) {
  const ByteImages images = noise(257, 3, 7, 5);
  const auto image = static_cast<std::size_t>(images.dim());
  const CorruptionArgs args = with_textures(3, Table::c32);
  struct Way {
    std::size_t batch;
    bool backwards;
    int threads;
  };
  const auto all = [&](const Way& way) {
    omp_set_num_threads(way.threads);
    std::map<std::uint32_t, std::pair<std::vector<float>, std::vector<float>>> by_sample;
    for (std::size_t first = 0; first < 257; first += way.batch) {
      ByteImages batch{0, 3, images.h, images.w, {}};
      std::vector<std::uint32_t> sample;
      for (std::size_t k = first; k < std::min<std::size_t>(first + way.batch, 257); ++k) {
        const std::size_t s = way.backwards ? 256 - k : k;
        const auto from = images.data.begin() + static_cast<std::ptrdiff_t>(s * image);
        batch.data.insert(batch.data.end(), from, from + static_cast<std::ptrdiff_t>(image));
        sample.push_back(static_cast<std::uint32_t>(s) + 3999999900u);
        ++batch.n;
      }
      const Corrupted made = corrupt(name(), args, batch, {.sample = sample});
      const std::size_t drawn = made.draws.size() / sample.size();
      for (std::size_t k = 0; k < sample.size(); ++k) {
        const auto part = [k](const std::vector<float>& of, std::size_t size) {
          const auto from = of.begin() + static_cast<std::ptrdiff_t>(k * size);
          return std::vector<float>(from, from + static_cast<std::ptrdiff_t>(size));
        };
        by_sample[sample[k]] = {part(made.out, image), part(made.draws, drawn)};
      }
    }
    return by_sample;
  };
  const int threads = omp_get_max_threads();
  const auto expected = all({256, false, 1});
  for (const Way& way : {Way{1, false, 1}, Way{7, false, 2}, Way{256, false, 2}, Way{7, true, 1}, Way{256, true, 2}})
    EXPECT_TRUE(all(way) == expected) << "batches of " << way.batch << (way.backwards ? ", backwards, " : ", ")
                                      << way.threads << " threads";
  omp_set_num_threads(threads);
}

TEST_P(EveryCorruption, ReadsOneChannelAsThreeEqualOnes) {
  const ByteImages gray = noise(3, 1, 7, 6);
  ByteImages rgb{3, 3, gray.h, gray.w, {}};
  const std::int64_t plane = gray.dim();
  for (std::int64_t i = 0; i < 3 * 3 * plane; ++i)
    rgb.data.push_back(gray.data[static_cast<std::size_t>(i / (3 * plane) * plane + i % plane)]);
  for (const CorruptionArgs& args : with_package())
    EXPECT_EQ(corrupt(name(), args, gray).out, corrupt(name(), args, rgb).out) << text(args);
}

TEST_P(EveryCorruption, DoesTheSameWhetherDrawsAreKeptOrNot) {
  const ByteImages images = noise(2, 3, 7, 6);
  EXPECT_EQ(corrupt(name(), {2, Table::c224}, images, {.record = false}).out,
            corrupt(name(), {2, Table::c224}, images).out);
}

TEST_P(EveryCorruption, DrawsAnewForEverySeedSampleAndSeverityIfItDrawsAtAll) {
  const ByteImages images = noise_images(1, 3, 16, 16);
  std::set<std::vector<float>> outs, draws;
  const std::vector<std::pair<CorruptOptions, int>> cases = {{{.seed = 3, .sample = {5}}, 2},
                                                             {{.seed = 4, .sample = {5}}, 2},
                                                             {{.seed = 3 + (1ull << 32), .sample = {5}}, 2},
                                                             {{.seed = 3, .sample = {6}}, 2},
                                                             {{.seed = 3, .sample = {5}}, 3}};
  for (const auto& [options, severity] : cases) {
    const Corrupted result = corrupt(name(), {severity, Table::c32}, images, options);
    draws.insert(result.draws);
    if (severity == 2) outs.insert(result.out);
  }
  const bool random = !entry().draws.empty();
  EXPECT_EQ(draws.size(), random ? 5u : 1u);
  EXPECT_EQ(outs.size(), random ? 4u : 1u);
}

TEST_P(EveryCorruption, DrawsEachKindApart) {
  const std::size_t kinds = entry().draws.size();
  std::set<std::string> names;
  for (const DrawKind& kind : entry().draws) names.insert(kind.name);
  EXPECT_EQ(names.size(), kinds);
  const CorruptionShape shape{with_textures(1, Table::c32), at_least(8), at_least(8)};
  const Corrupted result = corrupt(name(), shape.args, noise(1, 3, 8, 8));
  std::set<std::vector<float>> seen;
  auto from = result.draws.begin();
  for (const DrawKind& kind : entry().draws) {
    const auto end = from + static_cast<std::ptrdiff_t>(kind.count(shape));
    seen.emplace(from, end);
    from = end;
  }
  EXPECT_EQ(seen.size(), kinds);
}

TEST_P(EveryCorruption, IsAnotherImageForEverySeverityAndTable) {
  const ByteImages images = noise_images(1, 3, 40, 40);
  std::set<std::vector<float>> outs;
  for (const CorruptionArgs& args : all_args()) outs.insert(corrupt(name(), args, images).out);
  // Tables may share constants: brightness has .1, .2 and .3 in both.
  EXPECT_GE(outs.size(), 7u);
  for (const Table table : {Table::c32, Table::c64, Table::c224, Table::imagecorruptions}) {
    outs.clear();
    for (int severity = 1; severity <= 5; ++severity) outs.insert(corrupt(name(), {severity, table}, images).out);
    EXPECT_EQ(outs.size(), 5u);
  }
}

// 70 samples are more than one of the exporter's batches.
TEST_P(EveryCorruption, IsExportedAsItIsComputedHoweverTheRangeIsSplit) {
  for (const std::int64_t channels : {1, 3}) {
    const ByteImages images = noise(70, channels, 5, 4);
    const DataSet data = byte_data(images);
    const CorruptionArgs args = with_textures(4, Table::c32);
    const StopFlag stop{false};
    if (channels == 1 && entry().needs_color) {
      EXPECT_ERROR(corrupt_images({}, data, {name(), args, 3, 0, 70, true, true}, stop), ExitCode::input,
                   testing::HasSubstr("three channels"));
      continue;
    }
    CorruptedImages parts;
    for (const auto& [lo, hi] : {std::pair<std::int64_t, std::int64_t>{0, 3}, {3, 4}, {4, 70}}) {
      const CorruptedImages part = corrupt_images({}, data, {name(), args, 3, lo, hi, true, true}, stop);
      parts.bytes.insert(parts.bytes.end(), part.bytes.begin(), part.bytes.end());
      parts.floats.insert(parts.floats.end(), part.floats.begin(), part.floats.end());
      for (const auto& [kind, drawn] : part.draws) {
        DrawnValues& so_far = parts.draws[kind];
        so_far.shape = drawn.shape;
        so_far.values.insert(so_far.values.end(), drawn.values.begin(), drawn.values.end());
      }
    }
    const CorruptedImages whole = corrupt_images({}, data, {name(), args, 3, 0, 70, true, true}, stop);
    EXPECT_EQ(whole.bytes, parts.bytes);
    EXPECT_EQ(whole.floats, parts.floats);
    EXPECT_EQ(whole.draws, parts.draws);

    const Corrupted direct = corrupt(name(), args, images);
    std::vector<std::uint8_t> bytes(images.data.size());
    quantise({}, direct.out.data(), {bytes.data(), 70, channels, images.h, images.w}, nullptr);
    EXPECT_EQ(whole.bytes, bytes);
    if (channels == 3) {
      EXPECT_EQ(whole.floats, direct.out);
    }
    ASSERT_EQ(whole.draws.size(), entry().draws.size());
    const CorruptionShape shape{args, images.h, images.w};
    auto from = direct.draws.begin();
    for (std::ptrdiff_t s = 0; s < 70; ++s)
      for (const DrawKind& kind : entry().draws) {
        const auto count = static_cast<std::ptrdiff_t>(kind.count(shape));
        ASSERT_TRUE(std::equal(from, from + count, whole.draws.at(kind.name).values.begin() + s * count));
        from += count;
      }
  }
}

TEST_P(EveryCorruption, RefusesDataWithoutBytes) {
  const StopFlag stop{false};
  const DataSet data = float_data(2, 1, 4, 4, 0.f, 1.f, 2);
  EXPECT_ERROR(corrupt_images({}, data, {name(), {}, 0, 0, 2, false, false}, stop), ExitCode::input,
               testing::HasSubstr("uint8"));
}

TEST_P(EveryCorruption, RefusesImagesThatAreTooSmall) {
  if (entry().min_side == 1) return;
  const StopFlag stop{false};
  const DataSet data = byte_data(noise_images(2, 3, entry().min_side - 1, 40));
  EXPECT_ERROR(corrupt_images({}, data, {name(), {}, 0, 0, 2, false, false}, stop), ExitCode::input,
               testing::HasSubstr("needs images of at least"));
}

TEST_P(EveryCorruption, RefusesWhatThePackageRefuses) {
  const StopFlag stop{false};
  const CorruptionArgs args = with_textures(1, Table::imagecorruptions);
  EXPECT_ERROR(corrupt_images({}, byte_data(noise_images(1, 3, 40, 31)), {name(), args, 0, 0, 1, false, false}, stop),
               ExitCode::input, testing::HasSubstr("needs images of at least 32 x 32"));
  EXPECT_EQ(corrupt_images({}, byte_data(noise_images(1, 3, 40, 32)), {name(), args, 0, 0, 1, false, false}, stop)
                .bytes.size(),
            3u * 40 * 32);
}

TEST_P(EveryCorruption, SaysWhatItIs) {
  EXPECT_FALSE(entry().about.empty());
  EXPECT_FALSE(entry().source.empty());
}

TEST(ChooseTable, GoesByTheLongerSideUnlessNamed) {
  EXPECT_EQ(choose_table("auto", 28), Table::c32);
  EXPECT_EQ(choose_table("auto", 48), Table::c32);
  EXPECT_EQ(choose_table("auto", 49), Table::c64);
  EXPECT_EQ(choose_table("auto", 144), Table::c64);
  EXPECT_EQ(choose_table("auto", 145), Table::c224);
  EXPECT_EQ(choose_table("32", 224), Table::c32);
  EXPECT_EQ(choose_table("64", 224), Table::c64);
  EXPECT_EQ(choose_table("224", 28), Table::c224);
  EXPECT_EQ(choose_table("imagecorruptions-1.1.2", 28), Table::imagecorruptions);
}

TEST(ChooseTable, KnowsATableByItsName) {
  for (const Table table : {Table::c32, Table::c64, Table::c224, Table::imagecorruptions})
    EXPECT_EQ(choose_table(table_name(table), 1), table);
}

TEST(ChooseTable, RefusesUnknownNames) {
  EXPECT_ERROR(choose_table("65", 64), ExitCode::usage, testing::HasSubstr("'65'"));
}

}  // namespace
}  // namespace assay
