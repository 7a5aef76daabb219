// Corruptions after each other, and attacks on what they leave.
#include <gtest/gtest.h>

#include "cuda/attack_run.hpp"
#include "engine/corrupt.hpp"
#include "engine/toy_sweep.hpp"

namespace assay {
namespace {

constexpr std::int64_t kImages = 37;

DataSet images() {
  DataSet data = byte_data(noise_images(kImages, 3, 9, 8));
  for (std::size_t i = 0; i < data.labels.size(); ++i) data.labels[i] = static_cast<std::uint16_t>(i % 3);
  data.classes = 3;
  return data;
}
Perturbation corruption(const std::string& name, std::int64_t severity, const std::string& pipeline = "in_memory") {
  return check_perturbation(Perturbation::Kind::corruption, name,
                            {{"severity", severity}, {"table", "32"}, {"pipeline", pipeline}}, "");
}
Perturbation attack_of(const std::string& name, double epsilon) {
  return check_perturbation(Perturbation::Kind::attack, name, {{"epsilon", epsilon}}, "");
}
/// The data set that `assay corrupt` would write.
DataSet corrupted(DataSet data, const Perturbation& by) {
  const StopFlag stop{false};
  CorruptRequest request;
  request.name = by.name;
  request.args = {static_cast<int>(integer_param(by.params, "severity")), Table::c32, {}};
  request.seed = 3;
  request.hi = data.n;
  request.stored = text_param(by.params, "pipeline") == "stored";
  data.bytes = corrupt_images({}, data, request, stop).bytes;
  return data;
}

/// What can be compared of rows.
std::string bits(const std::vector<SampleRow>& rows) {
  return {reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(SampleRow)};
}

class Composition : public testing::Test {
 protected:
  const StopFlag stop{false};
  ToyModel model{1.f};
};

TEST_F(Composition, CorruptsWhatWasCorrupted) {
  const DataSet data = images();
  const Perturbation first = corruption("fog", 2), second = corruption("gaussian_blur", 3, "stored");
  Perturbation last = corruption("shot_noise", 4);
  const DataSet by_hand = corrupted(corrupted(data, first), second);
  const auto expected = Evaluator({}, by_hand, 16, 3, stop).plain(&last, 0, kImages, {&model}).front();
  last.before = {first, second};
  Evaluator evaluator({}, data, 16, 3, stop);
  const auto found = evaluator.plain(&last, 0, kImages, {&model}).front();
  EXPECT_EQ(bits(found.rows), bits(expected.rows));
  EXPECT_EQ(found.states, expected.states);
  EXPECT_NE(bits(found.rows), bits(evaluator.plain(&second, 0, kImages, {&model}).front().rows));
  const auto part = evaluator.plain(&last, 20, 31, {&model}).front();
  EXPECT_EQ(bits(part.rows), bits({expected.rows.begin() + 20, expected.rows.begin() + 31}));
}

TEST_F(Composition, AttacksWhatWasCorrupted) {
  const DataSet data = images();
  const Perturbation fog = corruption("fog", 1), noise = corruption("gaussian_noise", 2, "stored");
  const DataSet by_hand = corrupted(corrupted(data, fog), noise);
  for (const auto& [name, epsilon] :
       {std::pair("pgd_linf", 0.01), std::pair("square_l2", 0.3), std::pair("fgsm", 0.02)}) {
    SCOPED_TRACE(name);
    Perturbation attack = attack_of(name, epsilon);
    AttackExport expected, found;
    const UnitResult there = Evaluator({}, by_hand, 16, 3, stop).attacked(attack, 5, 30, model, &expected);
    attack.before = {fog, noise};
    Evaluator evaluator({}, data, 16, 3, stop);
    const UnitResult here = evaluator.attacked(attack, 5, 30, model, &found);
    EXPECT_EQ(here.error, "");
    EXPECT_EQ(bits(here.rows), bits(there.rows));
    EXPECT_EQ(found.points, expected.points);
    EXPECT_EQ(here.passes.forward, there.passes.forward);
    // The evaluator has its own images again.
    EXPECT_EQ(bits(evaluator.plain(nullptr, 0, kImages, {&model}).front().rows),
              bits(Evaluator({}, data, 16, 3, stop).plain(nullptr, 0, kImages, {&model}).front().rows));
  }
}

TEST_F(Composition, TakesCurvesOfWhatWasCorrupted) {
  const DataSet data = images();
  const Perturbation fog = corruption("fog", 1);
  std::vector<Perturbation> curve;
  for (const double epsilon : {0.005, 0.01, 0.05}) {
    curve.push_back(attack_of("pgd_linf", epsilon));
    curve.back().curve = {0.005, 0.01, 0.05};
    curve.back().params["mode"] = std::string("exact");
  }
  const auto expected = Evaluator({}, corrupted(data, fog), 16, 3, stop).curve(curve, 0, kImages, model);
  for (Perturbation& one : curve) one.before = {fog};
  const auto found = Evaluator({}, data, 16, 3, stop).curve(curve, 0, kImages, model);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(bits(found[i].rows), bits(expected[i].rows));
}

TEST_F(Composition, ReadsItsImagesWhenTheyAreAskedFor) {
  std::vector<std::pair<std::int64_t, std::int64_t>> asked;
  const DataSet data = images(), on_demand = read_on_demand(data, asked);
  Perturbation attack = attack_of("pgd_linf", 0.01);
  attack.before = {corruption("fog", 1)};
  EXPECT_EQ(bits(Evaluator({}, on_demand, 16, 3, stop).attacked(attack, 5, 30, model).rows),
            bits(Evaluator({}, data, 16, 3, stop).attacked(attack, 5, 30, model).rows));
}

}  // namespace
}  // namespace assay
