// Every registered attack, loss, corruption and metric has the same bits on the CUDA backend as on the CPU's.
#include <algorithm>
#include <limits>
#include <numeric>

#include "assay/corruption.hpp"
#include "assay/loss.hpp"
#include "core/rows.hpp"
#include "data/mutate.hpp"
#include "device/device.hpp"
#include "device/linear_model.hpp"
#include "engine/evaluate.hpp"
#include "engine/loaded_corruption.hpp"
#include "engine/textures.hpp"
#include "images.hpp"
#include "registered.hpp"

namespace assay {
namespace {

class Every : public BothBackends, public testing::WithParamInterface<std::string> {};

std::vector<float> rough_logits(std::size_t rows, std::size_t classes) {
  Lcg random(5);
  std::vector<float> logits;
  for (std::size_t i = 0; i < rows * classes; ++i)
    logits.push_back(30.f * (static_cast<float>(random.below(2001)) / 1000.f - 1.f));
  return logits;
}
std::vector<std::uint16_t> labels_of(std::size_t rows, std::size_t classes) {
  std::vector<std::uint16_t> labels(rows);
  for (std::size_t r = 0; r < rows; ++r) labels[r] = static_cast<std::uint16_t>(r * 7 % classes);
  return labels;
}

class EveryLoss : public Every {};
INSTANTIATE_TEST_SUITE_P(Registered, EveryLoss, testing::ValuesIn(registered_names<Loss>()), by_name);

TEST_P(EveryLoss, HasTheBitsOfTheCpu) {
  const Loss& loss = *Registry<Loss>::find(GetParam());
  for (const std::size_t classes : {2u, 10u, 300u}) {
    if (classes < static_cast<std::size_t>(loss.min_classes)) continue;
    constexpr std::size_t kRows = 5;
    const auto run = [&](const Exec& exec) {
      const Held<float> logits(exec, rough_logits(kRows, classes));
      const Held<std::uint16_t> label(exec, labels_of(kRows, classes));
      const Held<float> value(exec, std::vector<float>(kRows)), cotangent(exec, std::vector<float>(kRows * classes));
      std::vector<std::uint16_t> targets = labels_of(kRows, classes);
      for (std::uint16_t& target : targets) target = static_cast<std::uint16_t>((target + 1u) % classes);
      const Held<std::uint16_t> target(exec, targets);
      loss.evaluate(exec, {kRows, static_cast<int>(classes), logits.data(), label.data(), target.data(), value.data(),
                           cotangent.data()});
      std::vector<float> all = value.fetch();
      for (const float v : cotangent.fetch()) all.push_back(v);
      return all;
    };
    const std::vector<float> expected = run(cpu);
    in_every_order([&] { EXPECT_TRUE(same_bits(run(cuda), expected)) << classes; });
  }
}

class EveryCorruption : public Every {};
INSTANTIATE_TEST_SUITE_P(Registered, EveryCorruption, testing::ValuesIn(registered_names<Corruption>()), by_name);

TEST_P(EveryCorruption, HasTheBitsOfTheCpu) {
  const Corruption& entry = *Registry<Corruption>::find(GetParam());
  struct Shape {
    std::int64_t n, c, h, w;
    int severity = 4;  // where glass_blur goes round twice, and spatter is mud
    Table table = Table::c32;
  };
  std::vector<Shape> shapes = {{2, 1, 28, 28}, {2, 3, 32, 32}, {2, 3, 17, 23}, {1, 3, 128, 96}};
  if (GetParam() == "spatter") {  // water; and with weak edges
    shapes.push_back({2, 3, 33, 30, 3});
    shapes.push_back({6, 3, 32, 32, 3, Table::c224});
  }
  if (GetParam() == "elastic_transform") shapes.push_back({2, 3, 17, 23, 2});  // its kernel folded
  // Pixels in a row of one weight.
  if (GetParam() == "defocus_blur") shapes.push_back({1, 3, 17, 40, 5, Table::c224});
  // Offsets to later pixels too.
  if (GetParam() == "glass_blur") shapes.push_back({2, 3, 17, 23, 3, Table::c224});
  // Motion past the borders.
  shapes.push_back({2, 3, 32, 32, 5, Table::imagecorruptions});
  for (const auto& [n, c, h, w, severity, table] : shapes) {
    SCOPED_TRACE(std::to_string(c) + " x " + std::to_string(h) + " x " + std::to_string(w));
    const ByteImages images = noise_images(n, c, h, w);
    const auto size = static_cast<std::size_t>(n * 3 * h * w);
    std::vector<std::uint32_t> sample(static_cast<std::size_t>(n));
    std::iota(sample.begin(), sample.end(), 40u);
    CorruptionShape shape{{severity, table}, h, w};
    if (entry.needs_textures) shape.args.textures = noise_textures(std::max(h, w));
    const auto drawn = static_cast<std::size_t>(n * entry.draw_count(shape));
    const auto run = [&](const Exec& exec) {
      const Held<std::uint8_t> bytes(exec, images.data), corrupted(exec, std::vector<std::uint8_t>(images.data.size()));
      const Held<std::uint32_t> numbers(exec, sample);
      const LoadedCorruption corruption(exec, entry, shape, n);
      const Held<float> out(exec, std::vector<float>(size)), pixels(exec, std::vector<float>(images.data.size()));
      const Held<float> draws(exec, std::vector<float>(drawn));
      corruption.apply(exec, {.images = {bytes.data(), n, c, h, w},
                              .out = out.data(),
                              .sample = numbers.data(),
                              .draws = drawn == 0 ? nullptr : draws.data(),
                              .seed = 11});
      quantise(exec, out.data(), {corrupted.data(), n, c, h, w}, pixels.data());
      std::vector<float> all = out.fetch();
      if (drawn > 0)
        for (const float v : draws.fetch()) all.push_back(v);
      for (const float v : pixels.fetch()) all.push_back(v);
      for (const std::uint8_t v : corrupted.fetch()) all.push_back(v);
      return all;
    };
    const std::vector<float> expected = run(cpu);
    in_every_order([&] { EXPECT_TRUE(same_bits(run(cuda), expected)); });
  }
}

std::vector<SampleRow> some_rows(std::size_t n) {
  Lcg random(6);
  std::vector<SampleRow> rows;
  for (std::size_t i = 0; i < n; ++i)
    rows.push_back({static_cast<std::uint16_t>(random.below(10)), static_cast<std::uint16_t>(random.below(64)),
                    static_cast<float>(random.below(1001)) / 1000.f, static_cast<float>(random.below(1000)) / 100.f,
                    static_cast<float>(random.below(2001)) / 1000.f});
  rows[7].nll = std::numeric_limits<float>::infinity();
  return rows;
}

/// Those that are sums: of a rank statistic the order alone is a device's.
std::vector<std::string> summed_metrics() {
  std::vector<std::string> names = registered_names<Metric>();
  std::erase_if(names, [](const std::string& name) { return Registry<Metric>::find(name)->reduce == nullptr; });
  return names;
}

class EveryMetric : public Every {};
INSTANTIATE_TEST_SUITE_P(Registered, EveryMetric, testing::ValuesIn(summed_metrics()), by_name);

TEST_P(EveryMetric, HasTheStateOfTheCpu) {
  std::vector<Metric> variants = Registry<Metric>::find(GetParam())->profiles;
  variants.push_back(*Registry<Metric>::find(GetParam()));
  for (const Metric& metric : variants) {
    SCOPED_TRACE(metric.profile);
    const std::vector<SampleRow> rows = some_rows(9001);  // three teams
    const auto run = [&](const Exec& exec) {
      const Held<SampleRow> held(exec, rows);
      const Held<std::uint64_t> state(exec, std::vector<std::uint64_t>(static_cast<std::size_t>(metric.words)));
      metric.reduce(exec, held.data(), static_cast<std::int64_t>(rows.size()), state.data());
      return state.fetch();
    };
    const auto expected = run(cpu);
    in_every_order([&] { EXPECT_EQ(run(cuda), expected); });
  }
}

class EveryAttack : public Every {
 protected:
  /// What a whole unit leaves behind, and the last iterates.
  std::vector<float> attacked(const Exec& exec, const DataSet& data, const Params& params,
                              const std::vector<float>& starts = {}) {
    const Perturbation attack = check_perturbation(Perturbation::Kind::attack, GetParam(), params, "test");
    const StopFlag stop{false};
    Evaluator evaluator(exec, data, 16, 3, stop);
    DeviceLinearModel model(exec, 4, data.dim(), 16, 0.5f);
    AttackExport exported;
    const UnitResult unit = evaluator.attacked(attack, 0, data.n, model, &exported, starts);
    EXPECT_EQ(unit.error, "");
    std::vector<float> all = exported.points;
    for (const std::uint64_t passes : exported.passes) all.push_back(static_cast<float>(passes >> 32));
    for (const SampleRow& row : unit.rows)
      all.insert(all.end(), {static_cast<float>(row.prediction), static_cast<float>(row.flags), row.confidence, row.nll,
                             row.brier});
    return all;
  }
  void compare(const DataSet& data, const Params& params) {
    EXPECT_TRUE(same_bits(attacked(cuda, data, params), attacked(cpu, data, params)));
  }
  void compare_in_every_order(const DataSet& data, const Params& params) {
    const std::vector<float> expected = attacked(cpu, data, params);
    in_every_order([&] { EXPECT_TRUE(same_bits(attacked(cuda, data, params), expected)); });
  }
  Params with(Params params) {
    const AttackEntry& entry = *Registry<AttackEntry>::find(GetParam());
    params["epsilon"] = entry.norm == "linf" ? 0.1 : 1.0;
    Params taken;
    for (const ParamSpec& spec : attack_params(entry)) {
      if (!params.contains(spec.name)) continue;
      taken[spec.name] = params.at(spec.name);
      if (spec.type == assay::ParamType::integer)
        taken[spec.name] = std::max(integer_param(params, spec.name), static_cast<std::int64_t>(spec.min));
      // A targeted attack takes other losses.
      const std::vector<std::string> choices = choices_of(spec);
      if (spec.name == "loss" && std::ranges::find(choices, text_param(params, "loss")) == choices.end())
        taken["loss"] = choices.front();
    }
    return taken;
  }
};
INSTANTIATE_TEST_SUITE_P(Registered, EveryAttack, testing::ValuesIn(single_attacks()), by_name);

TEST_P(EveryAttack, HasTheBitsOfTheCpu) {
  for (const bool random : {true, false}) {
    SCOPED_TRACE(random ? "random start, to the end" : "clean start, up to the first success");
    const Params params = with({{"steps", std::int64_t{2}},
                                {"queries", std::int64_t{4}},
                                {"directions", std::int64_t{3}},
                                {"random_start", random},
                                {"full", random}});
    compare_in_every_order(float_data(3, 3, 5, 7, 0.f, 1.f, 3), params);
    compare(float_data(3, 1, 28, 28, 0.f, 1.f, 3), params);
  }
}

std::vector<std::string> attacks_with_a_start() {
  std::vector<std::string> names = single_attacks();
  std::erase_if(names, [](const std::string& name) {
    return std::ranges::none_of(Registry<AttackEntry>::find(name)->params, &ParamSpec::file);
  });
  return names;
}
class StartedAttack : public EveryAttack {};
INSTANTIATE_TEST_SUITE_P(Registered, StartedAttack, testing::ValuesIn(attacks_with_a_start()), by_name);

TEST_P(StartedAttack, HasTheBitsOfTheCpu) {
  const Params params = with({{"steps", std::int64_t{2}},
                              {"directions", std::int64_t{3}},
                              {"start", std::string("file:test")},
                              {"full", true}});
  const DataSet data = float_data(3, 3, 5, 7, 0.f, 1.f, 3);
  std::vector<float> starts(data.floats.rbegin(), data.floats.rend());
  const std::vector<float> expected = attacked(cpu, data, params, starts);
  in_every_order([&] { EXPECT_TRUE(same_bits(attacked(cuda, data, params, starts), expected)); });
}

TEST_P(EveryAttack, HasTheBitsOfTheCpuWithEveryParameterSet) {
  const Params params = with({{"steps", std::int64_t{2}},
                              {"step", 0.05},
                              {"norm_offset", 0.5},
                              {"loss", std::string("margin")},
                              {"queries", std::int64_t{20}},
                              {"directions", std::int64_t{20}},
                              {"delta", 0.05},
                              {"targets", std::int64_t{2}},
                              {"eot", std::int64_t{3}},
                              {"large_epsilon", false},
                              {"share", 0.2},
                              {"decay", 0.5},
                              {"beta", 0.5},
                              {"eta", 1.2},
                              {"p_init", 0.3},
                              {"schedule", std::string("rescaled")}});
  compare(float_data(2, 1, 6, 6, 0.f, 1.f, 3), params);
}

/// What curves and ensembles leave behind.
class Together : public BothBackends {
 protected:
  static std::vector<float> rows_of(const Exec& exec, const std::vector<Perturbation>& attacks) {
    const DataSet data = float_data(16, 1, 4, 5, 0.f, 1.f, 4);
    const StopFlag stop{false};
    Evaluator evaluator(exec, data, 16, 3, stop);
    DeviceLinearModel model(exec, 4, data.dim(), 16, 0.5f);
    std::vector<float> all;
    for (const UnitResult& unit : evaluator.curve(attacks, 0, data.n, model)) {
      EXPECT_EQ(unit.error, "");
      EXPECT_TRUE(
          std::ranges::any_of(unit.rows, [](const SampleRow& row) { return row.has(SampleRow::clean_correct); }));
      all.push_back(static_cast<float>(unit.passes.forward));
      for (const SampleRow& row : unit.rows)
        all.insert(all.end(), {static_cast<float>(row.prediction), static_cast<float>(row.flags), row.nll, row.brier});
    }
    return all;
  }
  void compare(const std::vector<Perturbation>& attacks) {
    const std::vector<float> expected = rows_of(cpu, attacks);
    in_every_order([&] { EXPECT_TRUE(same_bits(rows_of(cuda, attacks), expected)); });
  }
};

TEST_F(Together, RadiiOfACurveHaveTheBitsOfTheCpu) {
  for (const char* name : {"fgsm", "pgd_linf"})
    for (const char* mode : {"exact", "bisect"}) {
      SCOPED_TRACE(std::string(name) + " " + mode);
      std::vector<Perturbation> curve;
      for (const double epsilon : {0.01, 0.05, 0.1, 0.3}) {
        Params params = {{"epsilon", epsilon}};
        if (name != std::string("fgsm")) params["steps"] = std::int64_t{2};
        curve.push_back(check_perturbation(Perturbation::Kind::attack, name, params, "test"));
        curve.back().curve = {0.01, 0.05, 0.1, 0.3};
        curve.back().params["mode"] = std::string(mode);
      }
      compare(curve);
    }
}

TEST_F(Together, MembersOfAnEnsembleHaveTheBitsOfTheCpu) {
  const std::string members =
      "pgd_linf steps=2 restarts=2; apgd_t_linf steps=2 eot=2; fab_linf steps=2; square_linf queries=3";
  compare({check_perturbation(Perturbation::Kind::attack, "ensemble_linf", {{"epsilon", 0.05}, {"members", members}},
                              "test")});
}

TEST_P(EveryAttack, HasTheBitsOfTheCpuOnLongRows) {
  // 16 lanes, as a unit pads its batch: more blocks than the small stand-in holds, so it is made larger.
#if defined(ASSAY_SIMT)
  simt::device().processors = 16;
#endif
  const Params params = with({{"steps", std::int64_t{1}},
                              {"queries", std::int64_t{2}},
                              {"directions", std::int64_t{2}},
                              {"random_start", true}});
  compare(float_data(2, 1, 182, 182, 0.f, 1.f, 3), params);
}

}  // namespace
}  // namespace assay
