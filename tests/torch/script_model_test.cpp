#include "torch/script_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>

#include "core/sha256.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"
#include "torch/script_fixture.hpp"

// AddressSanitizer would end the process where there is no memory; LibTorch is to see that there is none.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}

namespace assay {
namespace {
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kBatch = 32;

class ScriptModel : public ::testing::Test {
 protected:
  LoadedModel load() {
    fixture_.save(spec_.path);
    return load_script_model({}, spec_, data_, kBatch, gradients_);
  }
  Error rejected() {
    Error error = thrown_by([&] { load(); });
    EXPECT_EQ(error.code(), ExitCode::input);
    EXPECT_THAT(std::string(error.what()), StartsWith("model 'tested' ("));
    EXPECT_THAT(std::string(error.what()), Not(HasSubstr("\n")));
    return error;
  }
  std::string what() { return rejected().what(); }
  std::string hint() { return rejected().hint(); }
  Images<const float> first(std::int64_t n) const { return {data_.floats.data(), n, data_.c, data_.h, data_.w}; }
  static std::vector<float> copy(const float* values, std::int64_t count) { return {values, values + count}; }

  TempDir folder_;
  ModelSpec spec_ = model_spec("tested", folder_.path() / "model.pt");
  ScriptFixture fixture_;
  DataSet data_ = synthetic_data(40, 1, 4, 3);
  bool gradients_ = true;
};

// ---- What loads

TEST_F(ScriptModel, HasTheClassesOfItsHead) {
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, LoadsALinearModelWithoutNotes) {
  EXPECT_THAT(load().notes, IsEmpty());
}

TEST_F(ScriptModel, CarriesTheDigestOfItsFile) {
  const LoadedModel loaded = load();
  EXPECT_EQ(loaded.sha256, sha256(read_file(spec_.path)));
}

TEST_F(ScriptModel, StartsWithNoPassesCounted) {
  const LoadedModel loaded = load();
  EXPECT_EQ(loaded.model->passes().forward, 0u);
  EXPECT_EQ(loaded.model->passes().backward, 0u);
}

TEST_F(ScriptModel, IsProbedWithBytesAsWell) {
  for (const float value : data_.floats) data_.bytes.push_back(static_cast<std::uint8_t>(value * 255));
  data_.floats.clear();
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, IsProbedWithBytesDividedBy255) {
  data_.bytes.assign(static_cast<std::size_t>(data_.n * data_.dim()), 255);
  data_.floats.clear();
  fixture_.body = "assert not bool((x > 1).any()), 'above 1'\nreturn self.linear(x)";
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, LoadsWithASingleImageOfData) {
  data_ = synthetic_data(1, 1, 4, 3);
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, TakesTheElementOfATuple) {
  fixture_.body = "return x, self.linear(x)";
  spec_.output = std::int64_t{1};
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, TakesTheElementOfAList) {
  fixture_.body = "return [self.linear(x), x]";
  spec_.output = std::int64_t{0};
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, TakesTheKeyOfADict) {
  fixture_.body = "return {\"out\": self.linear(x), \"input\": x}";
  spec_.output = std::string("out");
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, CountsAPlainTensorAsOutputZero) {
  spec_.output = std::int64_t{0};
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, MayHaveMoreClassesWhenTheConfigSaysSo) {
  fixture_.classes = 7;
  spec_.classes = 7;
  EXPECT_EQ(load().model->classes(), 7);
}

TEST_F(ScriptModel, MayHaveMoreClassesThanLabelsOfDataThatDoesNotSay) {
  fixture_.classes = 7;
  data_.classes_known = false;
  EXPECT_EQ(load().model->classes(), 7);
}

TEST_F(ScriptModel, NeedsNoGradientWhereNoAttackAsksForOne) {
  fixture_.body = "return self.linear(x).detach()";
  gradients_ = false;
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, MayFailForABatchOfOneImage) {
  fixture_.body = "return self.linear(x).squeeze()";
  EXPECT_THAT(load().notes, ElementsAre(HasSubstr("batch of one image")));
}

TEST_F(ScriptModel, NotesThatProbabilitiesHideGradients) {
  fixture_.body = "return torch.softmax(self.linear(x) * 0.1, 1)";
  EXPECT_THAT(load().notes,
              ElementsAre(AllOf(HasSubstr("model 'tested'"), HasSubstr("softmax"), HasSubstr("gradients vanish"))));
}

TEST_F(ScriptModel, NotesATrainingModeThatMatters) {
  fixture_.training = true;
  fixture_.body = "return torch.dropout(self.linear(x), 0.5, self.training)";
  EXPECT_THAT(load().notes, ElementsAre(AllOf(HasSubstr("training mode"), HasSubstr("eval mode"))));
}

TEST_F(ScriptModel, DoesNotNoteATrainingModeThatMakesNoDifference) {
  fixture_.training = true;
  EXPECT_THAT(load().notes, IsEmpty());
}

TEST_F(ScriptModel, NotesGradientsThatAreZeroForSomeImages) {
  fixture_.body = "return self.linear(x) * (x.flatten(1).mean(1, True) > 0.5).float()";
  EXPECT_THAT(load().notes, ElementsAre(AllOf(HasSubstr("gradient is zero for"), HasSubstr("of 16 images"))));
}

TEST_F(ScriptModel, NotesItsOwnWarningsInsteadOfPrintingThem) {
  fixture_.body = "torch.warn('made in 2019')\nreturn self.linear(x)";
  ::testing::internal::CaptureStderr();
  const LoadedModel loaded = load();
  loaded.model->forward({}, first(16), false);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(loaded.notes, ElementsAre(HasSubstr("warns: made in 2019")));
}

// ---- What is rejected, by forward's source

struct BadForward {
  const char* name;
  const char* body;
  std::vector<const char*> what;
  const char* hint = "";
};
void PrintTo(const BadForward& bad, std::ostream* out) {
  *out << bad.body;
}

class BadModel : public ScriptModel, public ::testing::WithParamInterface<BadForward> {};

TEST_P(BadModel, IsNamed) {
  fixture_.body = GetParam().body;
  const Error error = rejected();
  for (const char* words : GetParam().what) EXPECT_THAT(std::string(error.what()), HasSubstr(words));
  EXPECT_THAT(error.hint(), HasSubstr(GetParam().hint));
}

const BadForward kBadForwards[] = {
    {"TupleWithoutOutput", "return self.linear(x), x", {"a tuple with 0 (16 x 3), 1 (16 x 1 x 4 x 4)"}, "`output`"},
    {"ListWithoutOutput", "return [self.linear(x), x]", {"a list with 0 (16 x 3), 1 (16 x 1 x 4 x 4)"}, "`output`"},
    {"DictWithoutOutput",
     "return {'out': self.linear(x), 'in': x}",
     {"a dict with out (16 x 3), in (16 x 1 x 4 x 4)"},
     "key"},
    {"Nothing", "return None", {"returns None", "expected logits"}},
    {"ClassIndices", "return self.linear(x).argmax(1)", {"type Long", "float logits"}},
    {"FeatureMaps",
     "return self.linear(x).unsqueeze(2).unsqueeze(3)",
     {"16 x 3 x 1 x 1", "16 x classes"},
     "flatten(1)"},
    {"OneNumberAnImage", "return self.linear(x)[:, 0]", {"one number an image"}, "zeros_like(z), z"},
    {"OneNumberABatch", "return self.linear(x).sum()", {"is one number, expected logits"}},
    {"OneLogit", "return self.linear(x)[:, :1]", {"1 logit an image"}, "zeros_like(z), z"},
    {"TwiceTheRows", "return torch.cat([self.linear(x), self.linear(x)])", {"32 x 3", "expected logits, 16 x classes"}},
    {"BatchSizeBakedIn", "return self.linear(x.view(4, 16))", {"N = 4", "not of N = 16", "baked"}, "torch.jit.script"},
    {"BatchSizesBakedIn",
     "assert x.shape[0] >= 16, 'few'\nreturn self.linear(x)",
     {"answers batches of N = 16, 32, but not of N = 1, 2, 3"}},
    {"BatchNormInTrainingMode",
     "return torch.batch_norm(self.linear(x), None, None, None, None, True, 0.1, 0.00001, False)",
     {"change with the other images"},
     "batch norm in training mode"},
    {"DropoutInTrainingMode",
     "return torch.dropout(self.linear(x), 0.5, True)",
     {"two equal calls differ"},
     "training mode"},
    {"Noise", "return self.linear(x + torch.randn_like(x))", {"two equal calls differ"}, "random layer"},
    {"StateThatCallsChange",
     "self.calls.add_(1)\nreturn self.linear(x) + self.calls",
     {"two equal calls differ"},
     "state"},
    {"NaN", "return self.linear(x) * float('nan')", {"NaN or infinite for 32 of the first 32 images"}},
    {"Infinity", "return self.linear(x) / 0", {"NaN or infinite for 32"}},
    {"DetachedInput", "return self.linear(x.detach())", {"no gradient reaches the image"}, "detach()"},
    {"NoGrad",
     "torch.set_grad_enabled(False)\nz = self.linear(x)\nreturn z",
     {"no gradient reaches the image"},
     "no_grad()"},
    {"Rounding",
     "return self.linear(torch.round(x * 255) / 255)",
     {"gradient is zero everywhere for all of 16 images"},
     "rounding"},
    {"InfiniteGradient",
     "return self.linear(torch.sqrt(x - x))",
     {"gradient is NaN or infinite for 16 of 16 images"},
     "sqrt"},
    {"OtherLogitsWithGradients",
     "if x.requires_grad:\n    x = x * 2\nreturn self.linear(x)",
     {"when gradients are asked for"}},
    {"ItsOwnException",
     "assert x.shape[0] == 0, 'only for the brave'\nreturn x",
     {"1 x 4 x 4 images: AssertionError: only for the brave"},
     "torch.zeros(2, 1, 4, 4)"},
    {"CudaInside", "return self.linear(x) + torch.zeros([3], device='cuda:0')", {"fails on the CPU"}, "model.cpu()"},
    {"DoubleInside",
     "return torch.matmul(x.flatten(1), self.weight.double())",
     {"type Double", "expected Float"},
     "model.float()"},
};

INSTANTIATE_TEST_SUITE_P(Forward, BadModel, ::testing::ValuesIn(kBadForwards),
                         [](const auto& tested) { return std::string(tested.param.name); });

// ---- What is rejected, by the rest of the file, the config or the data

TEST_F(ScriptModel, RejectsHalfPrecisionWeights) {
  fixture_.type = "half";
  EXPECT_THAT(what(), AllOf(HasSubstr("parameter 'weight' has type Half"), HasSubstr("expected Float")));
}

TEST_F(ScriptModel, RejectsDoublePrecisionWeights) {
  fixture_.type = "double";
  EXPECT_THAT(what(), HasSubstr("has type Double"));
  EXPECT_THAT(hint(), HasSubstr("model.float()"));
}

TEST_F(ScriptModel, RejectsAModuleWithoutForward) {
  fixture_.method = "predict";
  EXPECT_THAT(what(), HasSubstr("no forward method"));
}

TEST_F(ScriptModel, RejectsAForwardOfTwoInputs) {
  fixture_.inputs = "x, mask";
  EXPECT_THAT(what(), HasSubstr("forward takes 2 inputs (x, mask)"));
}

TEST_F(ScriptModel, MayHaveInputsWithDefaults) {
  fixture_.inputs = "x, scale: float = 1.0";
  EXPECT_EQ(load().model->classes(), 3);
}

TEST_F(ScriptModel, SaysWhichImagesItTakesWhenTheDataHasOthers) {
  fixture_.dim = 3 * 32 * 32;
  data_ = synthetic_data(20, 1, 28, 3);
  EXPECT_THAT(what(), HasSubstr("it takes 3 x 32 x 32 images, the data has 1 x 28 x 28"));
}

TEST_F(ScriptModel, SaysWhichChannelsItTakesWhenTheDataHasOthers) {
  fixture_.dim = 3 * 28 * 28;
  data_ = synthetic_data(20, 1, 28, 3);
  EXPECT_THAT(what(), HasSubstr("it takes 3 x 28 x 28 images, the data has 1 x 28 x 28"));
  EXPECT_THAT(hint(), HasSubstr("x.expand(-1, 3, -1, -1)"));
}

TEST_F(ScriptModel, SaysWhatLibTorchSaidWhenNoImageFits) {
  fixture_.dim = 17;
  EXPECT_THAT(what(), AllOf(HasSubstr("fails on the data's 1 x 4 x 4 images"), HasSubstr("shapes cannot be multiplied"),
                            Not(HasSubstr("Traceback"))));
}

TEST_F(ScriptModel, RejectsFewerClassesThanTheLabelsReach) {
  data_ = synthetic_data(40, 1, 4, 10);
  spec_.classes = 3;
  EXPECT_THAT(what(), HasSubstr("3 classes, but the labels of synthetic reach 9"));
}

TEST_F(ScriptModel, RejectsMoreClassesThanTheDataSetHas) {
  fixture_.classes = 7;
  EXPECT_THAT(what(), HasSubstr("7 classes, but synthetic has 3"));
  EXPECT_THAT(hint(), HasSubstr("set classes = 7"));
}

TEST_F(ScriptModel, RejectsFewerClassesThanTheDataSetHas) {
  data_.classes = 10;
  EXPECT_THAT(what(), HasSubstr("3 classes, but synthetic has 10"));
}

TEST_F(ScriptModel, RejectsAnotherHeadThanTheConfigSays) {
  spec_.classes = 5;
  EXPECT_THAT(what(), HasSubstr("it has 3 classes, expected classes = 5"));
}

TEST_F(ScriptModel, RejectsANumberThatATupleDoesNotHave) {
  fixture_.body = "return self.linear(x), x";
  spec_.output = std::int64_t{2};
  EXPECT_THAT(what(), AllOf(HasSubstr("output = 2"), HasSubstr("a tuple with 0 (16 x 3), 1 (")));
}

TEST_F(ScriptModel, RejectsAKeyThatADictDoesNotHave) {
  fixture_.body = "return {'out': self.linear(x), 'in': x}";
  spec_.output = std::string("logits");
  EXPECT_THAT(what(), AllOf(HasSubstr("output = \"logits\""), HasSubstr("a dict with out (16 x 3), in (")));
}

TEST_F(ScriptModel, RejectsANumberForADict) {
  fixture_.body = "return {'0': self.linear(x)}";
  spec_.output = std::int64_t{0};
  EXPECT_THAT(what(), AllOf(HasSubstr("output = 0"), HasSubstr("a dict with 0 (16 x 3)")));
}

TEST_F(ScriptModel, RejectsAKeyForATuple) {
  fixture_.body = "return self.linear(x), x";
  spec_.output = std::string("0");
  EXPECT_THAT(what(), HasSubstr("output = \"0\""));
}

TEST_F(ScriptModel, RejectsAKeyForAPlainTensor) {
  spec_.output = std::string("out");
  EXPECT_THAT(what(), AllOf(HasSubstr("output = \"out\""), HasSubstr("returns one tensor")));
}

TEST_F(ScriptModel, RejectsASecondElementOfAPlainTensor) {
  spec_.output = std::int64_t{1};
  EXPECT_THAT(what(), HasSubstr("returns one tensor"));
}

TEST_F(ScriptModel, RejectsAnElementThatIsNoTensor) {
  fixture_.body = "return self.linear(x), 3.5";
  spec_.output = std::int64_t{1};
  EXPECT_THAT(what(), AllOf(HasSubstr("output 1 is Double"), HasSubstr("expected logits")));
}

TEST_F(ScriptModel, RejectsAMeanOfAnotherNumberOfChannels) {
  spec_.mean = {0.1, 0.2, 0.3};
  EXPECT_THAT(what(), HasSubstr("mean has 3 values, but the data has 1 channel"));
}

TEST_F(ScriptModel, RejectsAnStdOfAnotherNumberOfChannels) {
  fixture_.dim = 48;
  data_ = synthetic_data(20, 3, 4, 3);
  spec_.std = {0.1, 0.2};
  EXPECT_THAT(what(), HasSubstr("std has 2 values, but the data has 3 channels"));
}

TEST_F(ScriptModel, RejectsAnStdOfZero) {
  spec_.std = {0.0};
  EXPECT_THAT(what(), HasSubstr("not above 0"));
}

TEST_F(ScriptModel, RejectsDataWithoutImages) {
  data_ = synthetic_data(0, 1, 4, 3);
  EXPECT_THAT(what(), HasSubstr("no images"));
}

// ---- What it answers

class LinearModel : public ScriptModel {
 protected:
  void SetUp() override {
    fixture_.dim = 2 * 3 * 3;
    data_ = synthetic_data(40, 2, 3, 3);
    spec_.mean = {0.25, 0.5};
    spec_.std = {0.5, 0.125};
  }
  double normalised(std::int64_t image, std::int64_t pixel) const {
    const auto channel = static_cast<std::size_t>(pixel / 9);
    return (data_.floats[static_cast<std::size_t>(image * 18 + pixel)] - spec_.mean[channel]) / spec_.std[channel];
  }
};

TEST_F(LinearModel, HasTheLogitsOfItsClosedForm) {
  const LoadedModel loaded = load();
  const float* logits = loaded.model->forward({}, first(16), false);
  for (std::int64_t i = 0; i < 16; ++i) {
    for (std::int64_t k = 0; k < 3; ++k) {
      double expected = fixture_.bias(k);
      for (std::int64_t p = 0; p < 18; ++p) expected += normalised(i, p) * fixture_.weight(p, k);
      EXPECT_NEAR(logits[i * 3 + k], expected, 1e-5);  // 18 products of at most 4, each rounded to 24 bits
    }
  }
}

TEST_F(LinearModel, HasTheGradientOfItsClosedForm) {
  const LoadedModel loaded = load();
  std::vector<float> cotangent;
  for (int i = 0; i < 16 * 3; ++i) cotangent.push_back(0.125f * static_cast<float>(i % 7) - 0.25f);
  loaded.model->forward({}, first(16), true);
  const float* gradient = loaded.model->vjp({}, cotangent.data());
  for (std::int64_t i = 0; i < 16; ++i) {
    for (std::int64_t p = 0; p < 18; ++p) {
      double expected = 0;
      for (std::int64_t k = 0; k < 3; ++k) {
        expected += static_cast<double>(cotangent[static_cast<std::size_t>(i * 3 + k)]) * fixture_.weight(p, k);
      }
      expected /= spec_.std[static_cast<std::size_t>(p / 9)];
      EXPECT_NEAR(gradient[i * 18 + p], expected, 2e-6);  // three products of at most 4
    }
  }
}

TEST_F(LinearModel, TakesOneMeanAndStdForAllChannels) {
  spec_.mean = {0.5};
  spec_.std = {0.25};
  const LoadedModel once = load();
  const std::vector<float> expected = copy(once.model->forward({}, first(16), false), 48);
  spec_.mean = {0.5, 0.5};
  spec_.std = {0.25, 0.25};
  const LoadedModel twice = load();
  EXPECT_EQ(copy(twice.model->forward({}, first(16), false), 48), expected);
}

TEST_F(LinearModel, ConvertsIntegerMeansLikeReals) {
  spec_.mean = {0, 1};
  spec_.std = {};
  EXPECT_EQ(load().model->classes(), 3);
}

/// Convolution, batch norm in eval mode and a fused-looking tail: what an optimising executor would rewrite.
class SmallNetwork : public ScriptModel {
 protected:
  void SetUp() override {
    data_ = synthetic_data(40, 1, 8, 3);
    fixture_.dim = 16 * 8 * 8;
    fixture_.body =
        "k = self.weight[:144, 0].reshape(16, 1, 3, 3)\n"
        "y = torch.relu(torch.conv2d(x, k, None, [1, 1], [1, 1]))\n"
        "y = torch.sigmoid(y * 0.5 + 1.0) * torch.tanh(y) + y\n"
        "return self.linear(y)";
  }
  std::vector<float> answers(Model& model) const {
    std::vector<float> all;
    const std::vector<float> cotangent(kBatch * 3, 0.5f);
    for (int call = 0; call < 4; ++call) {
      const std::vector<float> logits = copy(model.forward({}, first(kBatch), true), kBatch * 3);
      const std::vector<float> gradient = copy(model.vjp({}, cotangent.data()), kBatch * 64);
      all.insert(all.end(), logits.begin(), logits.end());
      all.insert(all.end(), gradient.begin(), gradient.end());
    }
    return all;
  }
};

TEST_F(SmallNetwork, GivesTheSameBitsInEveryCall) {
  const LoadedModel loaded = load();
  const std::vector<float> all = answers(*loaded.model);
  const std::size_t size = all.size() / 4;
  for (std::size_t call = 1; call < 4; ++call) {
    EXPECT_EQ(std::memcmp(all.data(), all.data() + call * size, size * sizeof(float)), 0) << "call " << call;
  }
}

TEST_F(SmallNetwork, GivesTheSameBitsWhenLoadedAgain) {
  const LoadedModel one = load();
  const std::vector<float> before = answers(*one.model);
  const LoadedModel two = load();
  EXPECT_EQ(answers(*two.model), before);
}

TEST_F(ScriptModel, CountsAPassForEveryRow) {
  const LoadedModel loaded = load();
  const std::vector<float> cotangent(16 * 3, 1.f);
  loaded.model->forward({}, first(16), true);
  loaded.model->vjp({}, cotangent.data());
  loaded.model->forward({}, first(20), false);
  EXPECT_EQ(loaded.model->passes().forward, 36u);
  EXPECT_EQ(loaded.model->passes().backward, 16u);
}

TEST_F(ScriptModel, LeavesTheImagesAloneThatItsModuleWritesInto) {
  fixture_.body = "x.mul_(0.5)\nreturn self.linear(x)";
  const LoadedModel loaded = load();
  const std::vector<float> before = data_.floats;
  const std::vector<float> once = copy(loaded.model->forward({}, first(16), false), 48);
  const std::vector<float> again = copy(loaded.model->forward({}, first(16), true), 48);
  EXPECT_EQ(data_.floats, before);
  EXPECT_EQ(once, again);
}

TEST_F(ScriptModel, ReturnsLogitsApartFromTheImagesTheyAreTheSameAs) {
  fixture_.body = "return x.flatten(1)";
  data_ = synthetic_data(40, 1, 4, 16);
  const LoadedModel loaded = load();
  EXPECT_NE(loaded.model->forward({}, first(16), false), data_.floats.data());
}

TEST_F(ScriptModel, FailsAtRunTimeWithOneLine) {
  fixture_.body = "assert not bool((x > 2).any()), 'too bright'\nreturn self.linear(x)";
  const LoadedModel loaded = load();
  data_.floats[0] = 3;
  EXPECT_ERROR(loaded.model->forward({}, first(16), false), ExitCode::internal,
               AllOf(HasSubstr("model 'tested'"),
                     HasSubstr("batch of 16 x 1 x 4 x 4 failed: AssertionError: too bright"), Not(HasSubstr("\n"))));
}

TEST_F(ScriptModel, SaysToUseASmallerBatchWhereAPassHasNoMemory) {
  // 4 EiB, once the first pixel is above 2.
  fixture_.body = "if bool((x > 2).any()):\n    x = x + torch.zeros([1 << 60]).sum()\nreturn self.linear(x)";
  const LoadedModel loaded = load();
  data_.floats[0] = 3;
  const Error error = thrown_by([&] { loaded.model->forward({}, first(16), false); });
  EXPECT_EQ(error.code(), ExitCode::internal);  // the unit's failure, not the run's: exit 3 in the end
  EXPECT_THAT(error.what(), AllOf(HasSubstr("the forward pass of a batch of 16 x 1 x 4 x 4 failed: "),
                                  HasSubstr("can't allocate memory"), Not(HasSubstr("\n"))));
  EXPECT_EQ(error.hint(), "use a smaller batch");
}

TEST_F(ScriptModel, AnswersAgainAfterAFailure) {
  fixture_.body = "assert not bool((x > 2).any()), 'too bright'\nreturn self.linear(x)";
  const LoadedModel loaded = load();
  const std::vector<float> before = copy(loaded.model->forward({}, first(16), false), 48);
  data_.floats[0] += 3;
  EXPECT_ERROR(loaded.model->forward({}, first(16), true), ExitCode::internal, HasSubstr("too bright"));
  data_ = synthetic_data(40, 1, 4, 3);
  EXPECT_EQ(copy(loaded.model->forward({}, first(16), false), 48), before);
}

TEST_F(ScriptModel, FailsAtRunTimeWhenItsRowsChange) {
  fixture_.body = "if bool((x > 2).any()):\n    return self.linear(x)[:2]\nreturn self.linear(x)";
  const LoadedModel loaded = load();
  data_.floats[0] = 3;
  EXPECT_ERROR(loaded.model->forward({}, first(16), false), ExitCode::internal,
               AllOf(HasSubstr("returned 2 x 3"), HasSubstr("expected 16 x 3")));
}

// ---- Forms

/// Adds 1e5 to pixels times 100 in a convolution and takes it off in a batch norm: folded, nothing is rounded there.
constexpr char kCancels[] =
    "y = torch.conv2d(x, 100 * torch.ones([1, 1, 1, 1]), 100000 * torch.ones([1]))\n"
    "y = torch.batch_norm(y, None, None, 100000 * torch.ones([1]), torch.ones([1]), False, 0.0, 0.0, False)\n"
    "return self.linear(y)";

TEST_F(ScriptModel, IsFoldedWhereThatGivesTheSameLogits) {
  EXPECT_TRUE(load().folded);
}

TEST_F(ScriptModel, RunsAsSavedWhenTold) {
  spec_.fold = false;
  EXPECT_FALSE(load().folded);
}

TEST_F(ScriptModel, RunsAsSavedWhereFoldingChangesItsLogits) {
  fixture_.body = kCancels;
  const LoadedModel loaded = load();
  EXPECT_FALSE(loaded.folded);
  EXPECT_THAT(loaded.notes, IsEmpty());
}

TEST_F(ScriptModel, IsRefusedWhereFoldingIsAskedForAndChangesItsLogits) {
  fixture_.body = kCancels;
  spec_.fold = true;
  const Error error = rejected();
  EXPECT_THAT(error.what(), HasSubstr("with fold its logits differ by up to"));
  EXPECT_THAT(error.hint(), HasSubstr("remove fold"));
}

TEST_F(ScriptModel, RefusesADeviceWhereItIsNot) {
  const LoadedModel loaded = load();
  EXPECT_ERROR(loaded.model->forward({.backend = Backend::cuda}, first(16), false), ExitCode::internal,
               HasSubstr("lies on cpu"));
}

TEST(Torch, NamesWhatDecidesAModelsBits) {
  const std::map<std::string, std::string> numerics = torch_numerics();
  EXPECT_THAT(numerics.at("torch"), StartsWith("2."));
  for (const char* key : {"isa", "cpu", "mkl", "onednn"}) EXPECT_THAT(numerics.at(key), Not(IsEmpty())) << key;
}

TEST(Torch, MayHaveItsThreadsSetMoreThanOnce) {
  set_threads(2);
  set_threads(1);
  EXPECT_ERROR(set_threads(0), ExitCode::usage, HasSubstr("threads = 0"));
}

TEST(DemoModel, IsRightAboutMostOfTheFirstImages) {
  const std::filesystem::path root = ASSAY_ROOT;
  const DataSet data = load_data("idx:" + (root / "data/fashion_mnist").string(), {});
  ModelSpec spec = model_spec("standard", root / "models/standard.pt");
  spec.mean = {0.286};
  spec.std = {0.353};
  const LoadedModel loaded = load_script_model({}, spec, data, 128, true);
  EXPECT_THAT(loaded.notes, IsEmpty());

  std::vector<float> pixels(128 * 784);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(data.bytes[i]) / 255.f;
  const float* logits = loaded.model->forward({}, {pixels.data(), 128, 1, 28, 28}, false);
  int right = 0;
  for (int i = 0; i < 128; ++i) {
    const float* row = logits + i * 10;
    right += std::max_element(row, row + 10) - row == data.labels[static_cast<std::size_t>(i)];
  }
  EXPECT_GE(right, 110);  // 93 % of the whole test set
}

TEST(DemoModel, HasNearlyTheSameLogitsInEveryForm) {
  const std::filesystem::path root = ASSAY_ROOT;
  const DataSet data = load_data("idx:" + (root / "data/fashion_mnist").string(), {});
  std::vector<float> pixels(128 * 784);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(data.bytes[i]) / 255.f;
  const auto logits = [&](std::optional<bool> fold, bool channels_last) {
    ModelSpec spec = model_spec("standard", root / "models/standard.pt");
    spec.mean = {0.286};
    spec.std = {0.353};
    spec.fold = fold;
    spec.channels_last = channels_last;
    const LoadedModel loaded = load_script_model({}, spec, data, 128, true);
    EXPECT_EQ(loaded.folded, fold.value_or(true));
    const float* values = loaded.model->forward({}, {pixels.data(), 128, 1, 28, 28}, false);
    return std::vector<float>(values, values + 1280);
  };
  const std::vector<float> saved = logits(false, false);
  const auto apart = [&](const std::vector<float>& form) {
    float change = 0, largest = 0;
    for (std::size_t i = 0; i < saved.size(); ++i) {
      change = std::max(change, std::abs(form[i] - saved[i]));
      largest = std::max(largest, std::abs(saved[i]));
    }
    return change / largest;
  };
  const std::vector<float> folded = logits(true, false);
  EXPECT_EQ(folded, logits({}, false)) << "what is not said is folded";
  // Not equal either: another order of the same sums, or nothing was done.
  for (const std::vector<float>& form : {folded, logits(false, true), logits(true, true)}) {
    EXPECT_GT(apart(form), 0.f);
    EXPECT_LE(apart(form), 1e-5f);
  }
}

}  // namespace
}  // namespace assay
