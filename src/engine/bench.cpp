#include "engine/bench.hpp"

#include <algorithm>
#include <chrono>

#include "assay/attack.hpp"
#include "assay/core/buffer.hpp"
#include "assay/loss.hpp"
#include "assay/output_metric.hpp"
#include "assay/rank.hpp"
#include "assay/sweep.hpp"
#include "core/probabilities.hpp"
#include "core/rows.hpp"
#include "core/transfer.hpp"
#include "engine/loaded_corruption.hpp"
#include "engine/textures.hpp"

namespace assay {
namespace {

constexpr int kMostLaunches = 256;

/// n values on exec, made from a fixed sequence of numbers below 2^24.
template <class T, class Make>
Buffer<T> filled(const Exec& exec, std::int64_t n, const Make& make) {
  std::vector<T> values(static_cast<std::size_t>(n));
  std::uint32_t state = 1;
  for (T& value : values) value = make((state = state * 1664525u + 1013904223u) >> 8);
  Buffer<T> buffer(exec, n);
  upload(exec, buffer.data(), values.data(), values.size() * sizeof(T));
  return buffer;
}
float unit(std::uint32_t bits) {
  return static_cast<float>(bits) * 0x1p-24f;
}

struct Bench {
  using Work = std::function<void(int launch)>;
  const Exec& exec;
  const BenchOptions& options;
  const std::function<void(const BenchLine&)>& each;

  void images(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) const {
    const std::int64_t dim = c * h * w, size = n * dim, rgb = n * 3 * h * w;
    std::string shape = std::to_string(n);
    for (const std::int64_t side : {c, h, w}) shape += "x" + std::to_string(side);
    for (const auto& [name, entry] : Registry<Corruption>::all()) {
      if (!wanted("corruption", name, shape)) continue;
      CorruptionArgs args{options.severity, choose_table(options.table, std::max(h, w)), {}};
      if (std::min(h, w) < entry.least_side(args.table)) continue;
      if (entry.needs_textures) args.textures = noise_textures(std::max(h, w));
      const LoadedCorruption corruption(exec, entry, {args, h, w}, n);
      const auto bytes =
          filled<std::uint8_t>(exec, size, [](std::uint32_t bits) { return static_cast<std::uint8_t>(bits); });
      const auto sample = filled<std::uint32_t>(exec, n, [](std::uint32_t bits) { return bits; });
      const Buffer<float> out(exec, rgb);
      const CorruptionBatch batch{
          .images = {bytes.data(), n, c, h, w}, .out = out.data(), .sample = sample.data(), .seed = 1};
      time("corruption", name, shape, size + 4 * rgb, [&](int) { corruption.apply(exec, batch); });
    }
    if (wanted("engine", "quantise", shape)) {
      const auto reals = filled<float>(exec, rgb, unit);
      const Buffer<std::uint8_t> bytes(exec, size);
      const Buffer<float> pixels(exec, size);
      time("engine", "quantise", shape, 4 * rgb + 5 * size,
           [&](int) { quantise(exec, reals.data(), {bytes.data(), n, c, h, w}, pixels.data()); });
    }
    for (const auto& [name, entry] : Registry<AttackEntry>::all()) {
      if (entry.make == nullptr) continue;
      if (!wanted("attack", name + ".start", shape) && !wanted("attack", name + ".advance", shape)) continue;
      const float epsilon = entry.norm == "linf" ? 8 / 255.f : 1.f;
      const Params given = {{"epsilon", static_cast<double>(epsilon)}};
      const auto attack = entry.make(check_perturbation(Perturbation::Kind::attack, name, given, "").params);
      const auto clean = filled<float>(exec, size, unit), value = filled<float>(exec, n, unit);
      const auto gradient = filled<float>(exec, size, [](std::uint32_t bits) { return unit(bits) - 0.5f; });
      const auto item = filled<LaneItem>(exec, n, [&](std::uint32_t bits) { return LaneItem{bits, epsilon, 1, 0}; });
      constexpr int kClasses = 10;
      const auto logits = filled<float>(exec, n * kClasses, unit);
      const auto label = filled<std::uint16_t>(exec, n, [](std::uint32_t) { return std::uint16_t{0}; });
      const auto target = filled<std::uint16_t>(exec, n, [](std::uint32_t) { return std::uint16_t{1}; });
      const Buffer<std::uint8_t> ever(exec, n);
      const Buffer<float> point(exec, size), scratch(exec, size * attack->scratch_rows);
      // A lane that is done does nothing more, so each launch of a loop has states of its own.
      const auto lane_bytes = static_cast<std::int64_t>(attack->lane_bytes + 15) / 16 * 16;
      const Buffer<std::byte> state(exec, kMostLaunches * n * lane_bytes);
      const Buffer<Verdict> verdict(exec, kMostLaunches * n);
      const auto fresh = filled<Verdict>(exec, n, [](std::uint32_t) { return Verdict::fresh; });
      const auto seen = filled<Seen>(exec, n, [](std::uint32_t) { return Seen::right; });
      LaneBatch lanes;
      lanes.lanes = n;
      lanes.dim = dim;
      lanes.c = c;
      lanes.h = h;
      lanes.w = w;
      lanes.classes = kClasses;
      lanes.seed = 1;
      lanes.item = item.data();
      lanes.clean = clean.data();
      lanes.point = point.data();
      lanes.scratch = scratch.data();
      lanes.logits = logits.data();
      lanes.value = value.data();
      lanes.gradient = gradient.data();
      lanes.label = label.data();
      lanes.target = target.data();
      lanes.ever = ever.data();
      lanes.seen = seen.data();
      const auto at = [&](int launch) -> const LaneBatch& {
        lanes.state = state.data() + launch * n * lane_bytes;
        lanes.verdict = verdict.data() + launch * n;
        return lanes;
      };
      const auto renew = [&](int launch) {
        copy_within(exec, verdict.data() + launch * n, fresh.data(), static_cast<std::size_t>(n) * sizeof(Verdict));
      };
      const auto start = [&](int launch) { attack->start(exec, at(launch)); };
      const auto renew_and_start = [&](int launch) {
        renew(launch);
        start(launch);
      };
      const auto advance = [&](int launch) { attack->advance(exec, at(launch)); };
      // Reads the gradient, the clean image and, except where that is still the same, the point; writes the point.
      const std::int64_t moved = attack->queries == 2 ? 12 * size : 16 * size;
      time("attack", name + ".start", shape, 8 * size, start, renew);
      time("attack", name + ".advance", shape, moved, advance, renew_and_start);
    }
  }

  void losses(std::int64_t rows, int classes) const {
    const std::string shape = std::to_string(rows) + "x" + std::to_string(classes);
    const std::int64_t size = rows * classes;
    for (const auto& [name, loss] : Registry<Loss>::all()) {
      if (classes < loss.min_classes || !wanted("loss", name, shape)) continue;
      const auto logits = filled<float>(exec, size, [](std::uint32_t bits) { return 20 * unit(bits) - 10; });
      const auto label =
          filled<std::uint16_t>(exec, rows, [](std::uint32_t bits) { return static_cast<std::uint16_t>(bits % 2); });
      const auto target = filled<std::uint16_t>(
          exec, rows, [](std::uint32_t bits) { return static_cast<std::uint16_t>(1 - bits % 2); });
      const Buffer<float> value(exec, rows), cotangent(exec, size);
      time("loss", name, shape, 8 * size + 6 * rows, [&](int) {
        loss.evaluate(exec,
                      {rows, classes, logits.data(), label.data(), target.data(), value.data(), cotangent.data()});
      });
    }
  }

  void metrics(std::int64_t samples) const {
    const std::string shape = std::to_string(samples);
    for (const auto& [name, metric] : Registry<Metric>::all()) {
      if (!wanted("metric", name, shape)) continue;
      const auto row = [](std::uint32_t bits) {
        return SampleRow{0, static_cast<std::uint16_t>(bits % 32), unit(bits), 3 * unit(bits), 2 * unit(bits)};
      };
      if (metric.rank != nullptr) {
        const auto rows = filled<SampleRow>(Exec{}, samples, row);
        const std::span<const SampleRow> all(rows.data(), static_cast<std::size_t>(samples));
        time("metric", name, shape, 16 * samples, [&](int) { metric.rank(by_confidence(all, exec)); });
        continue;
      }
      const auto rows = filled<SampleRow>(exec, samples, row);
      const Buffer<std::uint64_t> state(exec, metric.words);  // whatever is there: it is added to
      time("metric", name, shape, 16 * samples, [&](int) { metric.reduce(exec, rows.data(), samples, state.data()); });
    }
  }

  /// On the host, where outputs are.
  void output_metrics(std::int64_t samples, int classes) const {
    const std::string shape = std::to_string(samples) + "x" + std::to_string(classes);
    const std::int64_t size = samples * classes;
    for (const auto& [name, metric] : Registry<OutputMetric>::all()) {
      if (!wanted("metric", name, shape)) continue;
      const auto logits = filled<float>(Exec{}, size, [](std::uint32_t bits) { return 20 * unit(bits) - 10; });
      const auto label = filled<std::uint16_t>(Exec{}, samples, [&](std::uint32_t bits) {
        return static_cast<std::uint16_t>(bits % static_cast<std::uint32_t>(classes));
      });
      const Buffer<SampleRow> rows(Exec{}, samples);
      const Buffer<float> probabilities(Exec{}, size);
      score_logits({}, samples, classes, logits.data(), label.data(), nullptr, rows.data());
      probabilities_of(samples, classes, logits.data(), rows.data(), probabilities.data());
      std::vector<std::uint64_t> state(static_cast<std::size_t>(metric.words(classes)));
      const Outputs outputs{samples, classes, probabilities.data(), label.data(), rows.data()};
      time("metric", name, shape, 4 * size + 18 * samples, [&](int) { metric.reduce(outputs, 0.9, state.data()); });
    }
  }

  bool wanted(const std::string& kind, const std::string& name, const std::string& shape) const {
    return (kind + " " + name + " " + shape).find(options.filter) != std::string::npos;
  }

  /// Milliseconds of `launches` calls of `work`; `before` has been called as often.
  double loop_ms(int launches, const Work& work, const Work& before) const {
    for (int i = 0; i < launches && before; ++i) before(i);
    drain(exec);
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < launches; ++i) work(i);
    drain(exec);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  }

  int launches_for(const Work& work, const Work& before) const {
    loop_ms(1, work, before);  // what is done but once: pages touched, kernels loaded
    int launches = 1;
    while (launches < kMostLaunches && loop_ms(launches, work, before) < options.least_ms) launches *= 2;
    return launches;
  }

  void time(const std::string& kind, const std::string& name, const std::string& shape, std::int64_t bytes,
            const Work& work, const Work& before = {}) const {
    if (!wanted(kind, name, shape)) return;
    const std::int64_t half = bytes / 2;
    const Buffer<std::byte> from(exec, half), to(exec, half);
    const Work copy = [&](int) { copy_within(exec, to.data(), from.data(), static_cast<std::size_t>(half)); };
    copy_within(exec, from.data(), to.data(), static_cast<std::size_t>(half));  // untouched pages would be one page
    const int launches = launches_for(work, before), copies = launches_for(copy, {});
    std::vector<double> ms, copy_ms;
    for (int i = 0; i < std::max(options.repeat, 1); ++i) {
      ms.push_back(loop_ms(launches, work, before) / launches);
      copy_ms.push_back(loop_ms(copies, copy, {}) / copies);
    }
    for (auto* times : {&ms, &copy_ms}) std::ranges::sort(*times);
    const double median = ms[ms.size() / 2], copy_median = copy_ms[copy_ms.size() / 2];
    const auto gb_s = [&](double launch) { return static_cast<double>(bytes) / launch * 1e-6; };
    each({kind, name, shape, median, ms.front(), ms.back(), bytes, gb_s(median), gb_s(copy_median)});
  }
};

}  // namespace

void bench_kernels(const Exec& exec, const BenchOptions& options, const std::function<void(const BenchLine&)>& each) {
  const Bench bench{exec, options, each};
  for (const auto& [n, c, h, w] : options.images) bench.images(n, c, h, w);
  for (const auto& [rows, classes] : options.logits) bench.losses(rows, classes);
  for (const std::int64_t samples : options.samples) {
    bench.metrics(samples);
    bench.output_metrics(samples, 10);
  }
}

}  // namespace assay
