// Uesato et al. 2018, algorithm 1, on models whose margin is known in closed form.
#include <gtest/gtest.h>

#include "assay/core/philox.hpp"
#include "cuda/attack_run.hpp"

namespace assay {
namespace {

Params with(double epsilon, std::int64_t steps, std::int64_t directions) {
  return {{"epsilon", epsilon}, {"steps", steps}, {"directions", directions}};
}

TEST(SpsaLinf, GoesAsAdamDoesAlongTheMeanOfItsDirections) {
  // Of a linear margin w x + b the estimate is the mean of (w v) v, whatever delta is.
  constexpr std::int64_t kDirections = 10;
  const DataSet data = inner_data(3, 3, 7, 9);  // rows of more than one block of signs
  const std::vector<float> w = direction(data.dim());
  LinearModel model = two_class_model(w, -100.f);  // logits 0 and w x - 100: the label 0 keeps its margin
  for (const std::int64_t steps : {1, 2, 5}) {
    const std::vector<float> points = attack("spsa_linf", with(0.1, steps, kDirections), data, model).points;
    for (std::uint32_t s = 0; s < data.n; ++s) {
      const auto dim = static_cast<std::size_t>(data.dim());
      std::vector<double> x(dim), first(dim), second(dim);
      for (std::size_t i = 0; i < dim; ++i) x[i] = static_cast<double>(data.floats[s * dim + i]);
      for (std::uint32_t step = 0; step < steps; ++step) {
        const Draw draw{3, stream_id("attack", "spsa_linf", 0, -1, "start"), s, step};
        std::vector<double> g(dim);
        for (std::int64_t k = 0; k < kDirections; ++k) {
          std::vector<double> v;
          double along = 0;
          for (std::size_t i = 0; i < dim; ++i) {
            const Words4 bits = draw.words(k * 2 + static_cast<std::int64_t>(i / 128));
            v.push_back((bits.v[i / 32 % 4] >> (i % 32) & 1) != 0 ? 1 : -1);
            along -= static_cast<double>(w[i]) * v.back();
          }
          for (std::size_t i = 0; i < dim; ++i) g[i] += along * v[i] / kDirections;
        }
        for (std::size_t i = 0; i < dim; ++i) {
          first[i] = 0.9 * first[i] + 0.1 * g[i];
          second[i] = 0.999 * second[i] + 0.001 * g[i] * g[i];
          x[i] -= 0.01 * (first[i] / (1 - std::pow(0.9, step + 1))) /
                  (std::sqrt(second[i] / (1 - std::pow(0.999, step + 1))) + 1e-8);
        }
      }
      // Logits of -100 are known within 4e-6, their differences over 2 delta within 4e-4 of slopes of about 5.
      for (std::size_t i = 0; i < dim; ++i) EXPECT_NEAR(static_cast<double>(points[s * dim + i]), x[i], 2e-5) << i;
    }
  }
}

TEST(SpsaLinf, SucceedsAtItsOwnPointsAlone) {
  // Wrong outside the ball, where it asks about x +- delta v and may not be.
  const DataSet data = inner_data(3, 1, 5, 7);
  LinearModel model = two_class_model(direction(data.dim()), -100.f);
  model.on_logits = [&](const float* x, float* logits) {
    for (std::int64_t s = 0; s < data.n; ++s) {
      const float* const clean = data.floats.data() + s * data.dim();
      double largest = 0;
      for (std::int64_t i = 0; i < data.dim(); ++i)
        largest = std::max(largest, std::abs(static_cast<double>(x[i]) - static_cast<double>(clean[i])));
      if (largest < 0.0011) return;
    }
    logits[1] = 100;
  };
  const Attacked found = attack("spsa_linf", with(0.001, 3, 20), data, model, {.full = false});
  for (const SampleRow& row : found.rows) {
    EXPECT_FALSE(row.has(SampleRow::fooled_any));
    EXPECT_FALSE(row.has(SampleRow::undecided));
  }
  for (const std::uint64_t passes : found.passes) EXPECT_EQ(passes >> 32, 1u + 3 * 41 + 1) << "clean, steps, last look";
}

TEST(SpsaLinf, ChargesTheSamePassesForAnyNumberOfLanes) {
  // 41 questions a step, which its items ask on 16, 19 and 21 lanes.
  DataSet data = float_data(30, 1, 5, 7, 0.f, 1.f, 4);
  Lcg random(5);
  std::vector<float> w;
  for (std::int64_t i = 0; i < 4 * data.dim(); ++i) w.push_back(static_cast<float>(random.below(2000)) / 1000 - 1);
  LinearModel model(data.dim(), w, {0, 0, 0, 0});
  for (std::int64_t s = 0; s < data.n; ++s) {  // all right when clean
    std::uint16_t& label = data.labels[static_cast<std::size_t>(s)];
    for (std::uint16_t k = 0; k < 4; ++k) {
      const float* const x = data.floats.data() + s * data.dim();
      if (model.logit(k, x) > model.logit(label, x)) label = k;
    }
  }
  const auto run = [&](std::int64_t batch) {
    return attack("spsa_linf", with(0.3, 25, 20), data, model, {.batch = batch, .full = false});
  };
  const Attacked whole = run(64);
  int fooled = 0, late = 0;
  for (std::size_t s = 0; s < whole.rows.size(); ++s) {
    fooled += whole.rows[s].has(SampleRow::fooled_any) ? 1 : 0;
    late += whole.rows[s].has(SampleRow::fooled_any) && whole.passes[s] >> 32 > 41 ? 1 : 0;
  }
  EXPECT_GT(fooled, 3);
  EXPECT_GT(late, 2) << "after a step at least";
  for (const std::int64_t batch : {16, 19, 21, 42}) EXPECT_EQ(run(batch).passes, whole.passes) << batch;
}

TEST(SpsaLinf, LeavesUndecidedWhatBreaksAtAnyOfItsQuestions) {
  const DataSet data = inner_data(16, 1, 5, 7);
  LinearModel model = two_class_model(direction(data.dim()), -100.f);
  for (const int at : {1, 2, 17, 30, 40}) {  // of 21 lanes' questions at x +- delta v
    int calls = 0;
    model.on_logits = [&](const float*, float* logits) {
      if (calls++ == 16 + at) logits[0] = std::numeric_limits<float>::infinity();
    };
    int undecided = 0;
    for (const SampleRow& row : attack("spsa_linf", with(0.1, 1, 20), data, model, {.batch = 21}).rows)
      undecided += row.has(SampleRow::undecided) ? 1 : 0;
    EXPECT_EQ(undecided, 1) << at;
  }
}

}  // namespace
}  // namespace assay
