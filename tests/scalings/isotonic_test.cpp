// Isotonic regression by class. Goldens: scikit-learn 1.9.1, IsotonicRegression(out_of_bounds="clip") and
// CalibratedClassifierCV(method="isotonic"), of the same float32 probabilities in float64.
#include "scalings/held_out.hpp"

namespace assay {
namespace {

using testing::DoubleEq;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;
using Golden = std::vector<double>;

TEST(Isotonic, HasTheThresholdsOfScikitLearn) {
  const Parameters fitted = fit("isotonic", noisy_samples(30, 3));
  EXPECT_THAT(fitted.at("x 0"),
              Pointwise(DoubleNear(1e-7),
                        Golden{0.0002221155009465292, 0.01887194812297821, 0.0203156229108572, 0.36006754636764526,
                               0.511465847492218, 0.9528399109840393, 0.9571096301078796}));
  EXPECT_THAT(fitted.at("y 0"), Pointwise(DoubleEq(), Golden{0, 0, 0.46153846153846156, 0.46153846153846156,
                                                             0.8333333333333334, 0.8333333333333334, 1}));
  EXPECT_THAT(fitted.at("y 1"),
              Pointwise(DoubleEq(), Golden{0, 0, 0.08333333333333333, 0.08333333333333333, 0.5, 0.5, 1, 1}));
  EXPECT_THAT(fitted.at("y 2"),
              Pointwise(DoubleEq(), Golden{0, 0, 0.25, 0.25, 0.5454545454545454, 0.5454545454545454}));
}

TEST(Isotonic, GivesTheProbabilitiesOfScikitLearn) {
  const Samples samples = noisy_samples();
  const std::vector<float> p = apply("isotonic", fit("isotonic", samples), samples);
  const auto row = [&](int i) { return std::vector(p.begin() + 4 * i, p.begin() + 4 * i + 4); };
  EXPECT_THAT(row(0),
              Pointwise(FloatNear(1e-6f), std::vector<float>{0.f, 0.036519871106337275f, 0.f, 0.9634801288936627f}));
  EXPECT_THAT(row(1),
              Pointwise(FloatNear(1e-6f), std::vector<float>{0.f, 0.037209302325581395f, 0.9627906976744186f, 0.f}));
  EXPECT_THAT(row(299),
              Pointwise(FloatNear(1e-6f), std::vector<float>{0.f, 0.8117647058823529f, 0.f, 0.18823529411764706f}));
  double squares = 0;
  for (const float q : p) squares += static_cast<double>(q) * static_cast<double>(q);
  EXPECT_NEAR(squares / 300, 0.5971625079492748, 1e-6);
}

TEST(Isotonic, PoolsTies) {
  // Probabilities are 1/2, 1 after rounding, or so near 0 that scikit-learn takes them for ties.
  const Parameters fitted = fit("isotonic", Samples{2, {0, 0, 5, 5, 1, 1, 99, 0, 98, 0, 0, 99}, {0, 1, 1, 0, 1, 1}});
  EXPECT_THAT(fitted.at("x 0"), Pointwise(DoubleNear(1e-40), Golden{0, .5, 1}));
  EXPECT_THAT(fitted.at("y 0"), Pointwise(DoubleEq(), Golden{0, 0.3333333333333333, .5}));
  EXPECT_THAT(fitted.at("x 1"), Pointwise(DoubleNear(1e-40), Golden{0, .5, 1}));
  EXPECT_THAT(fitted.at("y 1"), Pointwise(DoubleEq(), Golden{.5, 0.6666666666666666, 1}));
}

TEST(Isotonic, IsUniformWhereEveryClassIsZero) {
  Parameters fitted;
  for (const char* k : {"0", "1", "2"}) {
    fitted[std::string("x ") + k] = {.4, .8};
    fitted[std::string("y ") + k] = {0, 1};
  }
  EXPECT_THAT(apply("isotonic", fitted, {3, {1, 1, 1}, {0}}), testing::Each(1 / 3.f));
}

TEST(Isotonic, IsZeroForAClassWithoutSamples) {
  Samples samples = noisy_samples();
  for (std::uint16_t& label : samples.labels) label = label == 2 ? 1 : label;
  const Parameters fitted = fit("isotonic", samples);
  EXPECT_THAT(fitted.at("y 2"), ElementsAre(0, 0));
  const std::vector<float> p = apply("isotonic", fitted, samples);
  for (std::size_t i = 2; i < p.size(); i += 4) EXPECT_EQ(p[i], 0);
}

TEST(Isotonic, GivesRowsOfProbabilities) {
  expect_rows_of_probabilities("isotonic", noisy_samples());
  expect_nan_for_logits_that_are_not_finite("isotonic");
  expect_rows_of_probabilities("isotonic", Samples{2, {1, 0}, {1}});
}

TEST(Isotonic, IsTheSameForAnyBlocks) {
  expect_the_same_for_any_blocks("isotonic");
}

TEST(Isotonic, NamesRowsThatItCannotUse) {
  expect_unusable_rows_to_be_named("isotonic");
}

}  // namespace
}  // namespace assay
