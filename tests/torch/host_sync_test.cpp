// LibTorch's half of "inside a unit nothing waits for the device": what it is asked to run is watched.
#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/is_nonzero.h>
#include <ATen/ops/masked_select.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <set>

#include "engine/evaluate.hpp"
#include "engine/textures.hpp"
#include "registered.hpp"
#include "temp_dir.hpp"
#include "torch/script_fixture.hpp"
#include "torch/script_model.hpp"

namespace assay {
namespace {
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

/// Operators that bring a value to the host, or whose result has a shape that only the device knows.
constexpr std::array<const char*, 6> kWaits = {"aten::item",    "aten::_local_scalar_dense",
                                               "aten::nonzero", "aten::is_nonzero",
                                               "aten::equal",   "aten::masked_select"};

/// All operators that LibTorch runs while this is alive, on any thread; one at a time.
class Watch {
 public:
  Watch() {
    seen().clear();
    handle_ =
        at::addGlobalCallback(at::RecordFunctionCallback(note).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { at::removeCallback(handle_); }

  static std::multiset<std::string> all() {
    const std::lock_guard guard(lock());
    return seen();
  }
  /// Those of them that make the host wait.
  static std::multiset<std::string> waits() {
    std::multiset<std::string> found;
    for (const std::string& name : all())
      if (std::ranges::count(kWaits, name) > 0 || name.ends_with(kAcross)) found.insert(name);
    return found;
  }

 private:
  static constexpr const char* kAcross = " between devices";

  static std::multiset<std::string>& seen() {
    static std::multiset<std::string> names;
    return names;
  }
  static std::mutex& lock() {
    static std::mutex mutex;
    return mutex;
  }
  static bool crosses(const at::RecordFunction& call, const std::string& name) {
    const auto inputs = call.inputs();
    if (name == "aten::copy_")
      return inputs.size() > 1 && inputs[0].isTensor() && inputs[1].isTensor() &&
             inputs[0].toTensor().device() != inputs[1].toTensor().device();
    // _to_copy(self, dtype, layout, device, ...): without a device it casts where it is.
    return name == "aten::_to_copy" && inputs.size() > 3 && inputs[0].isTensor() && inputs[3].isDevice() &&
           inputs[0].toTensor().device() != inputs[3].toDevice();
  }
  static std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& call) {
    const std::string name = call.name();
    const std::lock_guard guard(lock());
    seen().insert(crosses(call, name) ? name + kAcross : name);
    return nullptr;
  }

  at::CallbackHandle handle_;
};

TEST(Watch, SeesWhatBringsAValueToTheHost) {
  const at::Tensor x = at::ones({3}), yes = x.to(at::kBool);
  const auto seen_in = [](const auto& work) {
    const Watch watch;
    work();
    return Watch::waits();
  };
  EXPECT_THAT(seen_in([&] { x.sum().item(); }), AllOf(Contains("aten::item"), Contains("aten::_local_scalar_dense")));
  EXPECT_THAT(seen_in([&] { at::nonzero(x); }), Contains("aten::nonzero"));
  EXPECT_THAT(seen_in([&] { at::is_nonzero(x.sum()); }), Contains("aten::is_nonzero"));
  EXPECT_THAT(seen_in([&] { at::equal(x, x); }), Contains("aten::equal"));
  EXPECT_THAT(seen_in([&] { at::masked_select(x, yes); }), Contains("aten::masked_select"));
}

TEST(Watch, TellsACopyBetweenDevicesFromACast) {
  const at::Tensor x = at::ones({3});
  const Watch watch;
  x.to(at::kDouble);
  x.clone().copy_(x);
  EXPECT_THAT(Watch::all(), AllOf(Contains("aten::_to_copy"), Contains("aten::copy_")));
  EXPECT_THAT(Watch::waits(), IsEmpty());
  // The meta device stands for one that is elsewhere: it takes no data, but is asked for it in the same way.
  x.to(at::kMeta);
  at::ones({3}, at::TensorOptions().device(at::kMeta)).copy_(x);
  EXPECT_THAT(Watch::waits(),
              AllOf(Contains("aten::_to_copy between devices"), Contains("aten::copy_ between devices")));
}

/// Units of real models, on the CPU and, where this machine has one, on its CUDA device: LibTorch is asked for the same
/// operators on both.
class HostSync : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "cpu") return;
    if (const std::string why_not = cuda_survey().why_not(0); !why_not.empty())
      GTEST_SKIP() << "no CUDA device here: " << why_not;
    device_ = open_cuda(0);
  }
  Exec exec() const { return device_ ? device_->exec() : Exec{}; }
  std::unique_ptr<Model> load(const ModelSpec& spec) { return load_script_model(exec(), spec, data_, 16, true).model; }
  std::unique_ptr<Model> linear(const std::string& body) {
    ScriptFixture fixture;
    fixture.dim = data_.dim();
    fixture.classes = data_.classes;
    fixture.body = body;
    const std::filesystem::path file = folder_.path() / "model.pt";
    fixture.save(file);
    ModelSpec spec = model_spec("tested", file);
    spec.fold = false;  // what a frozen graph computes of constants it computes once, at load
    return load(spec);
  }
  static DataSet bytes_data(std::int64_t side) {
    DataSet data = synthetic_data(40, 1, side, 10);
    for (const float value : data.floats) data.bytes.push_back(static_cast<std::uint8_t>(value * 255));
    data.floats.clear();
    return data;
  }
  /// What makes the host wait in one unit of every kind that there is: clean, each attack, each corruption.
  std::multiset<std::string> waits_of_units(Model& model) {
    const StopFlag stop{false};
    Evaluator evaluator(exec(), data_, 16, 3, stop);
    const Watch watch;
    const auto check = [](const UnitResult& unit) {
      EXPECT_EQ(unit.error, "");
      EXPECT_EQ(unit.rows.size(), 40u);
    };
    check(evaluator.plain(nullptr, 0, 40, {&model}).front());
    for (const std::string& name : single_attacks()) {
      Params params = {{"epsilon", 0.1}};
      for (const ParamSpec& spec : Registry<AttackEntry>::find(name)->params)
        if (spec.name == "steps" || spec.name == "queries") params[spec.name] = std::int64_t{5};
      const Perturbation attack = check_perturbation(Perturbation::Kind::attack, name, params, "");
      check(evaluator.attacked(attack, 0, 40, model));
    }
    for (const std::string& name : registered_names<Corruption>()) {
      Params params = {{"severity", std::int64_t{3}}};
      const bool pictures = Registry<Corruption>::find(name)->needs_textures;
      if (pictures) params["textures"] = std::string("noise");
      Perturbation corruption = check_perturbation(Perturbation::Kind::corruption, name, params, "");
      if (pictures) corruption.textures = noise_textures(data_.h);
      check(evaluator.plain(&corruption, 0, 40, {&model}).front());
    }
    EXPECT_GT(Watch::all().size(), 100u) << "the watch sees nothing";
    return Watch::waits();
  }

  std::unique_ptr<CudaDevice> device_;  // outlives what has memory there
  TempDir folder_;
  DataSet data_ = bytes_data(6);
};
INSTANTIATE_TEST_SUITE_P(On, HostSync, ::testing::Values("cpu", "cuda"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(HostSync, NoUnitOfALinearModelMakesTheHostWait) {
  EXPECT_THAT(waits_of_units(*linear("return self.linear(x)")), IsEmpty());
}

TEST_P(HostSync, NoUnitOfTheDemosModelMakesTheHostWait) {
  data_ = bytes_data(28);
  ModelSpec spec = model_spec("standard", std::filesystem::path(ASSAY_ROOT) / "models/standard.pt");
  spec.mean = {0.286};
  spec.std = {0.353};
  EXPECT_THAT(waits_of_units(*load(spec)), IsEmpty());
}

TEST_P(HostSync, AModelsCastsAreInnocent) {
  const auto model = linear("return self.linear(x).double()");
  EXPECT_THAT(waits_of_units(*model), IsEmpty());
  EXPECT_THAT(Watch::all(), Contains("aten::_to_copy"));
}

TEST_P(HostSync, AModelThatAsksForAValueIsSeen) {
  EXPECT_THAT(waits_of_units(*linear("return self.linear(x) * self.bias.abs().sum().item()")),
              AllOf(Contains("aten::item"), Contains("aten::_local_scalar_dense")));
}

TEST_P(HostSync, AModelThatPicksByAMaskIsSeen) {
  EXPECT_THAT(waits_of_units(*linear("y = self.linear(x)\nreturn y + 0 * self.bias[self.bias > 0].sum()")),
              Contains("aten::nonzero"));
}

}  // namespace
}  // namespace assay
