// Whole units on the CUDA backend: results as on the CPU, nothing copied back but their statistics, and what becomes of
// them when the device fails.
#include <gmock/gmock.h>

#include <numeric>
#include <set>
#include <tuple>

#include "assay/sweep.hpp"
#include "device/device.hpp"
#include "device/linear_model.hpp"
#include "engine/evaluate.hpp"
#include "engine/run.hpp"
#include "engine/toy_sweep.hpp"
#include "images.hpp"
#include "sinks/json.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kRunsAreSlow = true;
#else
constexpr bool kRunsAreSlow = false;
#endif

/// A linear model with one pass that fails: forward or backward, counted from 1.
class FailingModel final : public Model {
 public:
  FailingModel(std::unique_ptr<Model> model, int forward, int backward, Error error)
      : model_(std::move(model)), forward_(forward), backward_(backward), error_(std::move(error)) {}
  int classes() const override { return model_->classes(); }

 private:
  const float* do_forward(const Exec& exec, Images<const float> x, bool differentiable) override {
    if (--forward_ == 0) throw error_;
    return model_->forward(exec, x, differentiable);
  }
  const float* do_vjp(const Exec& exec, const float* cotangent, bool again) override {
    if (--backward_ == 0) throw error_;
    return model_->vjp(exec, cotangent, again);
  }
  std::unique_ptr<Model> model_;
  int forward_, backward_;
  Error error_;
};

class DeviceUnit : public BothBackends {
 protected:
  DeviceUnit() : data(toy_data(100)), plan(toy_plan(toy_sweep(), data)) {}

  std::unique_ptr<Model> linear(const Exec& exec, int m) const {
    return std::make_unique<DeviceLinearModel>(exec, 3, data.dim(), 16, m == 0 ? 0.4f : 0.1f);
  }
  RunSummary run(const Exec& exec, const Store& store) {
    return run(exec, store, [&](int m) { return linear(exec, m); });
  }
  RunSummary run(const Exec& exec, const Store& store, const ModelLoader& load) {
    std::vector<int> jobs(plan.jobs.size());
    std::iota(jobs.begin(), jobs.end(), 0);
    const StopFlag stop{false};
    return run_jobs(exec, plan, data, jobs, store, load, stop, observer);
  }
  /// On CUDA, with a pass of the first model that fails.
  RunSummary run_failing(const Store& store, int forward, int backward, const Error& error) {
    return run(cuda, store, [&](int m) -> std::unique_ptr<Model> {
      if (m != 0) return linear(cuda, m);
      return std::make_unique<FailingModel>(linear(cuda, m), forward, backward, error);
    });
  }
  /// Why units of a store failed, each text once.
  std::set<std::string> failures(const Store& store) const {
    std::set<std::string> texts;
    for (const Unit& unit : plan.units)
      if (const auto why = store.failure(unit)) texts.insert(*why);
    return texts;
  }
  std::string merged(const Store& store) {
    PlanStatus status;
    return to_json(merge_units(plan, store, status, {})).dump();
  }
  /// Without what was evaluated beside what counts: the host learns later on a device that lanes are idle.
  std::string merged_passes_apart(const Store& store) {
    PlanStatus status;
    Results results = merge_units(plan, store, status, {});
    for (CellResult& cell : results.cells) cell.evaluated = {};
    return to_json(results).dump();
  }
  Store store(const std::string& name) const { return Store(dir.path() / name); }

  TempDir dir;
  DataSet data;
  Plan plan;
  SilentObserver observer;
};

TEST_F(DeviceUnit, SweepsToTheSameBytesAsTheCpu) {
  run(cpu, store("cpu"));
  run(cuda, store("cuda"));
  EXPECT_EQ(merged_passes_apart(store("cuda")), merged_passes_apart(store("cpu")));
}

// What src/torch makes of LibTorch's exceptions: tests/torch has that these are its words and codes.
const char* const kNoMemory =
    "model 'weak' (weak.pt): the forward pass of a batch of 16 x 1 x 4 x 4 failed: CUDA out of "
    "memory. Tried to allocate 2.00 GiB";

TEST_F(DeviceUnit, APassWithoutMemoryFailsItsUnitAloneAndIsTriedAgain) {
  run(cuda, store("whole"));
  const std::string expected = merged(store("whole"));
  // In a clean unit's second batch; in an attack's first step, forward and backward.
  for (const auto& [forward, backward] : {std::pair{2, 0}, {11, 0}, {0, 1}}) {
    if (kRunsAreSlow && forward == 2) continue;
    SCOPED_TRACE("forward " + std::to_string(forward) + ", backward " + std::to_string(backward));
    const Store out = store("out" + std::to_string(forward));
    observer.failures = 0;
    const RunSummary summary =
        run_failing(out, forward, backward, Error(ExitCode::internal, kNoMemory, "use a smaller batch"));
    EXPECT_EQ(summary.failed, 1) << "which is exit code 3";
    EXPECT_EQ(observer.failures, 1);
    EXPECT_EQ(summary.computed, summary.planned - 1) << "the run goes on";
    EXPECT_FALSE(summary.interrupted);
    EXPECT_THAT(failures(out), testing::ElementsAre(kNoMemory));
    PlanStatus status;
    merge_units(plan, out, status, {});
    EXPECT_EQ(status.failed, 1);
    EXPECT_EQ(status.missing(), 0);
    const RunSummary again = run(cuda, out);
    EXPECT_EQ(again.computed, 1);
    EXPECT_THAT(failures(out), testing::IsEmpty());
    EXPECT_EQ(merged(out), expected);
  }
}

#if defined(ASSAY_SIMT)
using simt::Call;

/// Gives memory a number of times; then it asks for more than there is.
class FewAllocations final : public Memory {
 public:
  FewAllocations(Memory* memory, int left) : memory_(memory), left_(left) {}
  void* allocate(std::size_t bytes) override {
    return memory_->allocate(left_-- == 0 ? 2 * simt::device().memory : bytes);
  }
  void deallocate(void* data) noexcept override { memory_->deallocate(data); }

 private:
  Memory* memory_;
  int left_;
};

/// One model, one attack and one corruption, of 40 images.
std::pair<DataSet, Plan> small_plan() {
  Sweep sweep = toy_sweep();
  sweep.models.resize(1);
  sweep.perturbations.erase(sweep.perturbations.begin());
  DataSet data = toy_data(40);
  Plan plan = toy_plan(sweep, data);
  return {std::move(data), std::move(plan)};
}

int count(Call::Kind kind) {
  return static_cast<int>(std::ranges::count(simt::device().log, kind, &Call::kind));
}

/// The second unit of its kind: what the first one had to allocate is there.
void expect_no_traffic(const std::function<UnitResult()>& unit, std::int64_t samples, cudaStream_t stream,
                       bool attacked = false) {
  unit();
  simt::device().log.clear();
  const UnitResult result = unit();
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(static_cast<std::int64_t>(result.rows.size()), samples);
  EXPECT_EQ(count(Call::allocate), 0);
  EXPECT_EQ(count(Call::release), 0);
  EXPECT_EQ(count(Call::to_device), 0);
  EXPECT_GT(count(Call::launch), 5);
  std::size_t words = 0;
  for (const auto& [name, state] : result.states) words += state.size();
  // 16 bytes of counts, which lag behind, and at the end, and only there: the metrics' states, 16 bytes a sample and,
  // of an attack, two sums of passes.
  const auto& log = simt::device().log;
  std::vector<std::size_t> end;
  for (const Call& call : log) {
    if (call.kind != Call::to_host) continue;
    if (call.bytes == sizeof(PoolCounts) && end.empty()) continue;
    end.push_back(call.bytes);
  }
  std::vector<std::size_t> expected = {8 * words, 16 * static_cast<std::size_t>(samples)};
  if (attacked) expected.push_back(16);
  EXPECT_EQ(end, expected);
  EXPECT_EQ(result.host_bytes, std::accumulate(end.begin(), end.end(), std::size_t{0}));
  EXPECT_EQ(count(Call::synchronize), static_cast<int>(expected.size()));
  EXPECT_EQ(log.back(), (Call{Call::synchronize, 0, stream}));
  EXPECT_EQ(count(Call::await_event) > 0, attacked);
  for (const Call& call : log) EXPECT_EQ(call.stream, stream) << "all work of a unit is ordered on one stream";
}

TEST_F(DeviceUnit, OrdersTheSamplesOfACellOnTheDevice) {
  std::tie(data, plan) = small_plan();
  plan.metrics = {"misclassification_auroc"};
  run(cuda, store("out"));
  simt::device().log.clear();
  PlanStatus status;
  const Results results = merge_units(plan, store("out"), status, cuda);
  EXPECT_EQ(static_cast<std::size_t>(count(Call::to_device)), plan.cells.size());
  EXPECT_EQ(to_json(results).dump(), merged(store("out")));
}

TEST_F(DeviceUnit, CopiesNothingButItsStatisticsAndWaitsOnlyForThem) {
  const StopFlag stop{false};
  const DataSet pictures = toy_data(40);
  for (const Perturbation& perturbation : plan.perturbations) {
    SCOPED_TRACE(perturbation.name);
    Evaluator evaluator(cuda, pictures, 16, 3, stop);
    DeviceLinearModel model(cuda, 3, pictures.dim(), 16, 0.4f);
    if (perturbation.kind == Perturbation::Kind::attack)
      expect_no_traffic([&] { return evaluator.attacked(perturbation, 0, 40, model); }, 40, cuda.stream, true);
    else
      expect_no_traffic([&] { return evaluator.plain(&perturbation, 0, 40, {&model}).front(); }, 40, cuda.stream);
    expect_no_traffic([&] { return evaluator.plain(nullptr, 0, 40, {&model}).front(); }, 40, cuda.stream);
  }
}

TEST_F(DeviceUnit, LeavesNoUnitHalfDoneWhenTheDeviceIsLost) {
  std::tie(data, plan) = small_plan();
  simt::restart();
  int calls = 0;  // up to the last unit's end: what is let go of after it can fail and harm nobody
  observer.on_progress = [&](int) { calls = simt::device().calls; };
  run(cuda, store("whole"));
  observer.on_progress = {};
  const std::string expected = merged(store("whole"));
  ASSERT_GT(calls, 100);
  int with_units = 0;
  for (int at = 1; at <= calls; at += 1 + calls / (kRunsAreSlow ? 6 : 20)) {
    SCOPED_TRACE("call " + std::to_string(at) + " of " + std::to_string(calls));
    const Store out = store("lost" + std::to_string(at));
    simt::restart();
    simt::device().fault_at = at;
    simt::device().fault = at % 2 == 0 ? cudaErrorIllegalAddress : cudaErrorECCUncorrectable;
    EXPECT_ERROR(run(cuda, out), ExitCode::device,
                 testing::HasSubstr(at % 2 == 0 ? "failed with CUDA error 700 (illegal address) at "
                                                : "failed with CUDA error 214 (uncorrectable ECC error) at "));
    simt::restart();
    const PlanStatus before = plan_status(plan, out);
    EXPECT_EQ(before.failed, 0) << "a lost device is not the unit's fault";
    with_units += before.done > 0 ? 1 : 0;
    const RunSummary rest = run(cuda, out);
    EXPECT_EQ(rest.reused, before.done);
    EXPECT_EQ(merged(out), expected);
  }
  EXPECT_GT(with_units, 2);
}

TEST_F(DeviceUnit, StreamsADataSetThatDoesNotFit) {
  // 100 images of 12 KiB: a unit of 16 fits beside its buffers, half of what is free does not hold them all.
  data = float_data(100, 3, 32, 32, 0.f, 1.f, 3);
  Sweep sweep = toy_sweep();
  std::erase_if(sweep.perturbations, [](const Perturbation& p) { return p.kind != Perturbation::Kind::attack; });
  plan = toy_plan(sweep, data);
  run(cpu, store("cpu"));
  simt::device().memory = 3 << 20;
  run(cuda, store("cuda"));
  std::size_t uploaded = 0;
  for (const Call& call : simt::device().log)
    if (call.kind == Call::to_device) uploaded = std::max(uploaded, call.bytes);
  EXPECT_LE(uploaded, 32u * 12 * 1024) << "a unit at a time";
  EXPECT_GT(count(Call::await_event), 0) << "the host waits for a buffer that is still being copied";
  EXPECT_EQ(merged_passes_apart(store("cuda")), merged_passes_apart(store("cpu")));
}

TEST_F(DeviceUnit, StreamsImagesThatAreReadOnDemand) {
  run(cpu, store("cpu"));
  std::vector<std::pair<std::int64_t, std::int64_t>> asked;
  data = read_on_demand(std::move(data), asked);
  run(cuda, store("cuda"));
  EXPECT_EQ(merged_passes_apart(store("cuda")), merged_passes_apart(store("cpu")));
  EXPECT_EQ(asked.size(), plan.jobs.size());
}

TEST_F(BothBackends, UploadsInPiecesOfAnySize) {
  std::vector<std::uint8_t> bytes(100003);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  for (const std::size_t chunk : {std::size_t{1} << 20, std::size_t{100003}, std::size_t{50002}, std::size_t{4096}}) {
    const Held<std::uint8_t> held(cuda, std::vector<std::uint8_t>(bytes.size()));
    Uploader uploader(cuda, chunk);
    for (int again = 0; again < 3; ++again) uploader.upload(held.data(), bytes.data(), bytes.size());
    EXPECT_TRUE(same_bits(held.fetch(), bytes)) << chunk;
  }
}

TEST_F(DeviceUnit, APassThatFindsTheDeviceLostEndsTheRunAndBlamesNoUnit) {
  const char* const kLost = "the CUDA device was lost: CUDA error: an illegal memory access was encountered";
  run(cuda, store("whole"));
  const Store out = store("out");
  const Error error = thrown_by([&] {
    run_failing(out, 11, 0, Error(ExitCode::device, kLost, "run the same command again: what is finished is kept"));
  });
  simt::restart();
  EXPECT_EQ(error.code(), ExitCode::device);
  EXPECT_STREQ(error.what(), kLost);
  EXPECT_THAT(error.hint(), testing::HasSubstr("run the same command again"));
  const PlanStatus status = plan_status(plan, out);
  EXPECT_GT(status.done, 0);
  EXPECT_GT(status.missing(), 0);
  EXPECT_EQ(status.failed, 0);
  EXPECT_EQ(observer.failures, 0);
  EXPECT_EQ(run(cuda, out).reused, status.done);
  EXPECT_EQ(merged(out), merged(store("whole")));
}

TEST_F(DeviceUnit, LosesNothingToADeviceThatIsLostBetweenTwoUnits) {
  std::tie(data, plan) = small_plan();
  run(cuda, store("whole"));
  const int total = static_cast<int>(plan.units.size());
  for (const int units : {1, total / 2, total - 1}) {
    SCOPED_TRACE(units);
    const Store out = store("out" + std::to_string(units));
    simt::restart();
    observer.on_progress = [&](int done) {
      if (done >= units && simt::device().fault_at == 0) {
        simt::device().fault_at = simt::device().calls + 1;
        simt::device().fault = cudaErrorECCUncorrectable;
      }
    };
    const Error error = thrown_by([&] { run(cuda, out); });
    observer.on_progress = {};
    EXPECT_EQ(error.code(), ExitCode::device);
    EXPECT_THAT(error.what(), testing::HasSubstr("failed with CUDA error 214 (uncorrectable ECC error) at "));
    EXPECT_EQ(error.hint(), "what is finished is kept; run the same command again");
    const PlanStatus status = plan_status(plan, out);
    EXPECT_EQ(status.done, units) << "what was committed before stays, and nothing came after";
    EXPECT_EQ(status.failed, 0);
    simt::restart();
    EXPECT_EQ(run(cuda, out).reused, status.done);
    EXPECT_EQ(merged(out), merged(store("whole")));
  }
}

void expect_no_memory(const Error& error) {
  EXPECT_EQ(error.code(), ExitCode::device);
  EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("cudaMalloc"),
                                           testing::HasSubstr("failed with CUDA error 2 (out of memory) at ")));
  EXPECT_EQ(error.hint(), "use a smaller batch");
}

TEST_F(DeviceUnit, SaysThatTheDeviceHasNoMemoryLeft) {
  simt::device().memory = 3 << 20;
  const DataSet pictures = float_data(64, 3, 64, 64, 0.f, 1.f, 3);
  const StopFlag stop{false};
  expect_no_memory(thrown_by([&] { Evaluator(cuda, pictures, 64, 3, stop); }));
}

TEST_F(DeviceUnit, EndsTheRunWhereAUnitFindsNoMemoryForItsBuffers) {
  // Allocations of a sweep in turn, every one where a run is cheap: at the start, and where a unit needs more than the
  // ones before.
  std::tie(data, plan) = small_plan();
  run(cuda, store("whole"));
  simt::restart();
  run(cuda, store("counted"));
  std::vector<std::size_t> sizes;
  for (const Call& call : simt::device().log)
    if (call.kind == Call::allocate) sizes.push_back(call.bytes);
  ASSERT_GT(sizes.size(), 10u);
  int after_units = 0;
  for (std::size_t at = 0; at < sizes.size(); at += kRunsAreSlow ? 5 : 1) {
    SCOPED_TRACE("allocation " + std::to_string(at) + " of " + std::to_string(sizes.size()));
    const Store out = store("allocation" + std::to_string(at));
    FewAllocations few(cuda.memory, static_cast<int>(at));
    Exec exec = cuda;
    exec.memory = &few;
    expect_no_memory(thrown_by([&] { run(exec, out); }));
    simt::restart();  // the run's process ends, and with it what was queued
    const PlanStatus status = plan_status(plan, out);
    EXPECT_EQ(status.failed, 0) << "a smaller batch is another plan";
    EXPECT_LT(status.done, status.units);
    if (status.done == 0) continue;
    ++after_units;
    EXPECT_EQ(run(cuda, out).reused, status.done);
    EXPECT_EQ(merged(out), merged(store("whole")));
  }
  EXPECT_GT(after_units, 1);
}
#endif

}  // namespace
}  // namespace assay
