// Saved adversarials and their check, in a program without any attack.
#include "engine/witness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "assay/attack.hpp"
#include "assay/metric.hpp"
#include "core/sha256.hpp"
#include "data/npy.hpp"
#include "images.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kDim = 6;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Says 1 where the first pixel is above 0.5; 0 below, and at it, by the rule for ties. NaN where the last pixel is 1.
class Threshold final : public Model {
 public:
  int classes() const override { return 2; }
  std::int64_t most_rows = 0;
  std::int64_t label_from = 1000, label_until = 1000;  ///< of its answers, those that are the label

 private:
  const float* do_forward(const Exec&, Images<const float> x, bool) override {
    most_rows = std::max(most_rows, x.n);
    logits_.resize(static_cast<std::size_t>(2 * x.n));
    for (std::int64_t i = 0; i < x.n; ++i) {
      const float* const pixels = x.data + i * x.c * x.h * x.w;
      logits_[static_cast<std::size_t>(2 * i)] = pixels[kDim - 1] == 1.f ? kNaN : 0.f;
      logits_[static_cast<std::size_t>(2 * i + 1)] =
          asked_ >= label_from && asked_ < label_until ? -1.f : pixels[0] - 0.5f;
    }
    ++asked_;
    return logits_.data();
  }
  const float* do_vjp(const Exec&, const float*, bool) override { throw std::logic_error("a check needs no gradient"); }
  std::vector<float> logits_;
  std::int64_t asked_ = 0;
};

/// 40 images of 0.25 with label 0, and a witness of each: 0.75 in the first pixel, a distance of 0.5 in every norm.
struct WitnessTest : testing::Test {
  WitnessTest() {
    data.name = "quarter";
    data.n = 40;
    data.c = 2;
    data.h = 1;
    data.w = 3;
    data.floats.assign(40 * kDim, 0.25f);
    data.labels.assign(40, 0);
    data.classes = 2;
    data.sha256 = sha256("quarter");
    claim.model = {"threshold", sha256("threshold"), {0.5, 0.25}, {1, 2}, "\"logits\"", true, false};
    claim.classes = 2;
    claim.source = data.name;
    claim.data_sha256 = data.sha256;
    claim.attack = {Perturbation::Kind::attack, "pgd_linf", {{"epsilon", 0.5}, {"steps", std::int64_t{20}}}, {}};
    claim.norm = "linf";
    claim.epsilon = 0.5;
    claim.model_path = "models/threshold.pt";
    claim.shape = {40, 2, 1, 3};
    claim.points.assign(40 * kDim, 0.25f);
    for (std::int64_t i = 0; i < 40; ++i) {
      claim.add(data, i, 1, i);
      pixel(i, 0) = 0.75f;
    }
  }
  float& pixel(std::int64_t row, std::int64_t at) { return claim.points[static_cast<std::size_t>(row * kDim + at)]; }
  std::vector<Refuted> verify(std::int64_t batch = 16) { return verify_witnesses(Exec{}, model, data, claim, batch); }
  /// The reason why the witness of image 17 does not hold, and no other is refuted.
  std::string why() {
    const std::vector<Refuted> refuted = verify();
    if (refuted.size() != 1 || refuted[0].index != 17) throw std::runtime_error("expected one refuted: image 17");
    return refuted[0].why;
  }

  Threshold model;
  DataSet data;
  Witnesses claim;
  TempDir dir;
};

TEST_F(WitnessTest, AreCheckedWithoutAnyAttackInTheProgram) {
  EXPECT_THAT(Registry<AttackEntry>::all(), IsEmpty());
  EXPECT_FALSE(Registry<Metric>::all().empty()) << "registration works here";
}

TEST_F(WitnessTest, HoldForAnyBatch) {
  for (const std::int64_t batch : {1, 16, 23, 40, 1000}) {
    EXPECT_THAT(verify(batch), IsEmpty()) << batch;
    EXPECT_LE(model.most_rows, std::max<std::int64_t>(16, std::min<std::int64_t>(batch, 40)));
  }
  EXPECT_EQ(model.passes().backward, 0u);
}

TEST_F(WitnessTest, AreAskedAboutOnceEach) {
  verify(20);
  EXPECT_EQ(model.passes().forward, 40u);
}

TEST_F(WitnessTest, MustChangeTheLabel) {
  pixel(17, 0) = 0.5f;  // a tie, which the lower index wins: the label
  EXPECT_EQ(why(), "the model says 0, its label");
}

TEST_F(WitnessTest, OfARandomisedModelHoldByTheMajority) {
  claim.asked = 5;
  model.label_from = 1;
  model.label_until = 3;
  EXPECT_THAT(verify(40), IsEmpty()) << "three of five";
  EXPECT_EQ(model.passes().forward, 5u * 40);
  model.label_from = 5;
  model.label_until = 8;
  const std::vector<Refuted> refuted = verify(40);
  ASSERT_EQ(refuted.size(), 40u) << "two of five";
  EXPECT_EQ(refuted[0].why, "3 of 5 answers: the model says 0, its label");
  for (const int asked : {2, 10003}) {
    claim.asked = asked;
    write_witnesses(dir.path() / "witnesses.json", "points.npy", claim);
    EXPECT_ERROR(read_witnesses(dir.path() / "witnesses.json"), ExitCode::input, HasSubstr("expected an odd number"));
  }
}

TEST_F(WitnessTest, MustBeOfTheirTarget) {
  claim.classes = 3;
  claim.attack.params["target"] = std::string("2");
  claim.target.assign(40, 1);
  EXPECT_THAT(verify(), IsEmpty()) << "what the target is, is for the manifest to say";
  claim.target[17] = 2;
  EXPECT_EQ(why(), "the model says 1, expected its target 2");
}

TEST_F(WitnessTest, HaveATargetThatTheAttackMeans) {
  const std::filesystem::path manifest = dir.path() / "witnesses.json";
  const auto read = [&](const char* target, std::vector<std::uint16_t> targets) {
    claim.attack.params["target"] = std::string(target);
    claim.target = std::move(targets);
    write_witnesses(manifest, "points.npy", claim);
    return read_witnesses(manifest).target;
  };
  claim.classes = 3;
  claim.label[17] = 2;
  std::vector<std::uint16_t> next(40, 1), ones(40, 1), twos(40, 2);
  next[17] = 0;
  EXPECT_EQ(read("next", next), next);
  EXPECT_EQ(read("1", ones), ones);
  EXPECT_EQ(read("least_likely", next), next);
  const auto refused = HasSubstr("of image 17 with label 2, expected \"");
  EXPECT_ERROR(read("next", ones), ExitCode::input, refused);
  EXPECT_ERROR(read("1", next), ExitCode::input, refused);
  ones.pop_back();
  EXPECT_ERROR(read("second", ones), ExitCode::input, HasSubstr("found 39 targets, expected 40"));
  twos[17] = 3;
  claim.label.assign(40, 0);
  EXPECT_ERROR(read("second", twos), ExitCode::input, HasSubstr("found the target 3 of image 17"));
  twos[17] = 0;
  EXPECT_ERROR(read("second", twos), ExitCode::input, HasSubstr("found the target 0 of image 17"));
}

TEST_F(WitnessTest, MustStayInTheBox) {
  for (const float outside : {-1e-6f, 1.0000001f, kNaN, std::numeric_limits<float>::infinity()}) {
    pixel(17, 2) = outside;
    EXPECT_THAT(why(), AllOf(HasSubstr("pixel 2 is "), HasSubstr("expected 0 to 1")));
  }
}

TEST_F(WitnessTest, MustGetFiniteLogits) {
  claim.epsilon = 1;
  pixel(17, kDim - 1) = 1.f;
  EXPECT_EQ(why(), "the model's logits are not finite there");
}

TEST_F(WitnessTest, MustStayInTheBallOfTheirNorm) {
  // Four more pixels are moved by 0.125: 0.5, sqrt(0.25 + 4 / 64), 1.
  for (const std::int64_t at : {1, 2, 3, 4}) pixel(17, at) = 0.375f;
  const std::pair<const char*, double> distances[] = {{"linf", 0.5}, {"l2", std::sqrt(0.3125)}, {"l1", 1.0}};
  for (const auto& [norm, far] : distances) {
    claim.norm = norm;
    EXPECT_DOUBLE_EQ(distance(norm, data, 17, &pixel(17, 0)), far);
    claim.epsilon = std::max(far, 0.5);
    EXPECT_THAT(verify(), IsEmpty()) << norm;
    // The radius may be missed by 1e-6 of itself and half a unit in the last place a pixel, and by no more.
    for (const auto& [share, holds] : {std::pair(0.9999995, true), std::pair(0.99999, false)}) {
      for (std::int64_t i = 0; i < 40; ++i)
        if (i != 17) pixel(i, 0) = 0.5001f;
      claim.epsilon = far * share;
      if (holds)
        EXPECT_THAT(verify(), IsEmpty()) << norm;
      else
        EXPECT_THAT(why(), HasSubstr(std::string("its ") + norm + " distance is ")) << norm;
    }
  }
}

TEST_F(WitnessTest, MayStandInAnyRowsOfAFileWithOtherPoints) {
  std::ranges::reverse(claim.row);
  pixel(40 - 1 - 17, 0) = 0.25f;
  EXPECT_EQ(why(), "the model says 0, its label");
}

TEST_F(WitnessTest, AreOfTheDataThatWasAttacked) {
  data.sha256 = sha256("half");
  EXPECT_ERROR(verify(), ExitCode::input, AllOf(HasSubstr(sha256("half")), HasSubstr(sha256("quarter"))));
  data.sha256 = sha256("quarter");
  claim.label[3] = 1;
  EXPECT_ERROR(verify(), ExitCode::input, HasSubstr("found the label 1 of image 3, expected 0"));
  claim.label[3] = 0;
  claim.index[3] = 40;
  EXPECT_ERROR(verify(), ExitCode::input, HasSubstr("found a witness of image 40, but 'quarter' has 40"));
  claim.index[3] = 3;
  claim.shape = {40, 1, 2, 3};
  EXPECT_ERROR(verify(), ExitCode::input, HasSubstr("found points of (40, 1, 2, 3), expected N x 2 x 1 x 3"));
}

TEST_F(WitnessTest, OfNoImageAreNoFault) {
  claim.index.clear();
  EXPECT_THAT(verify(), IsEmpty());
  EXPECT_EQ(model.passes().forward, 0u);
}

TEST_F(WitnessTest, NameTheModelAsItWasAsked) {
  for (const char* output : {"", "0", "12", "\"logits\"", "\"\""}) {
    claim.model.output = output;
    const ModelSpec spec = model_spec(claim.model, "threshold.pt");
    EXPECT_EQ(to_json(plan_model(spec, spec.sha256)), to_json(claim.model));
    EXPECT_EQ(spec.path, "threshold.pt");
  }
  for (const char* output : {"1x", "logits", "\"", "\"logits", "99999999999999999999"}) {
    claim.model.output = output;
    EXPECT_ERROR(model_spec(claim.model, ""), ExitCode::input, HasSubstr("expected an index or a key in quotes"));
  }
}

struct WitnessFile : WitnessTest {
  WitnessFile() : manifest(dir.path() / "witnesses" / "ab" / "abc.json"), points(manifest.parent_path() / "abc.npy") {
    write_witnesses(manifest, "abc.npy", claim);
  }
  void change(const std::string& from, const std::string& to) {
    std::string text = read_file(manifest);
    const std::size_t at = text.find(from);
    if (at == std::string::npos) throw std::runtime_error("no " + from);
    write_file(manifest, text.replace(at, from.size(), to));
  }
  /// As `change`, by somebody who knows of the digest.
  void forge(const std::string& from, const std::string& to) {
    change(from, to);
    const std::string text = read_file(manifest);
    const std::string head = "{\"payload\":", tail = ",\"sha256\":\"";
    const std::size_t end = text.rfind(tail);
    const std::string payload = text.substr(head.size(), end - head.size());
    write_file(manifest, head + payload + tail + sha256(payload) + "\"}\n");
  }

  std::filesystem::path manifest, points;
};

TEST_F(WitnessFile, ComesBackAsItWas) {
  const Witnesses back = read_witnesses(manifest);
  EXPECT_EQ(to_json(back.model), to_json(claim.model));
  EXPECT_EQ(to_json(back.attack), to_json(claim.attack));
  EXPECT_EQ(std::tie(back.classes, back.source, back.data_sha256, back.norm, back.epsilon, back.model_path, back.shape),
            std::tie(claim.classes, claim.source, claim.data_sha256, claim.norm, claim.epsilon, claim.model_path,
                     claim.shape));
  EXPECT_EQ(std::tie(back.points, back.row, back.index, back.label, back.prediction),
            std::tie(claim.points, claim.row, claim.index, claim.label, claim.prediction));
  EXPECT_THAT(find_witnesses(dir.path()), testing::ElementsAre(manifest));
}

TEST_F(WitnessFile, IsRefusedWhereAnyPartIsNotWhole) {
  const std::string text = read_file(manifest), file = read_file(points);
  for (const std::string& torn : {text.substr(0, text.size() / 2), std::string(), std::string("[]")}) {
    write_file(manifest, torn);
    EXPECT_ERROR(read_witnesses(manifest), ExitCode::input, HasSubstr("found no manifest of witnesses in it"));
  }
  write_file(manifest, text);
  change("\"epsilon\":0.5,\"kind\"", "\"epsilon\":0.6,\"kind\"");
  EXPECT_ERROR(read_witnesses(manifest), ExitCode::input, HasSubstr("its content is not that of its SHA-256"));
  write_file(manifest, text);
  std::string changed = file;
  changed.back() = static_cast<char>(changed.back() + 1);
  for (const std::string& other : {changed, file.substr(0, file.size() - 1)}) {
    write_file(points, other);
    EXPECT_ERROR(read_witnesses(manifest), ExitCode::input, HasSubstr("not that of the manifest's SHA-256"));
  }
  std::filesystem::remove(points);
  EXPECT_ERROR(read_witnesses(manifest), ExitCode::input, HasSubstr("abc.npy': found no such file"));
  std::filesystem::remove(manifest);
  EXPECT_ERROR(read_witnesses(manifest), ExitCode::input, HasSubstr("abc.json': found no such file"));
}

TEST_F(WitnessFile, IsRefusedWhereItSaysWhatCannotBe) {
  const std::string text = read_file(manifest);
  const auto refused = [&](const std::string& from, const std::string& to, const char* says) {
    write_file(manifest, text);
    forge(from, to);
    EXPECT_ERROR(read_witnesses(manifest), ExitCode::input, HasSubstr(says));
  };
  refused("\"schema\":1", "\"schema\":2", "found schema 2 of \"witnesses\", expected schema 1");
  refused("\"norm\":\"linf\"", "\"norm\":\"l3\"", "found the norm 'l3', expected linf, l2 or l1");
  refused("\"epsilon\":0.5,\"kind\"", "\"epsilon\":-0.5,\"kind\"", "found the radius -0.5");
  refused("\"file\":\"abc.npy\"", "\"file\":\"../abc.npy\"", "expected a file beside it");
  refused("\"row\":[0,", "\"row\":[40,", "found the row 40 of a file with 40 points");
  refused("\"label\":[0,", "\"label\":[", "found 40 indices, 39 labels, 40 predictions and 40 rows");
}

TEST_F(WitnessFile, HasPointsThatNumPyReads) {
  const NpyArray array = read_npy(points);
  EXPECT_EQ(array.dtype, "<f4");
  EXPECT_EQ(array.shape, claim.shape);
  EXPECT_EQ(array.values<float>(), claim.points);
}

}  // namespace
}  // namespace assay
