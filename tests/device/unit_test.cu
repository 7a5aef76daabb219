// Whole units on the CUDA backend: results as on the CPU, nothing copied back but their statistics, and what becomes of
// them when the device fails.
#include <gmock/gmock.h>

#include <numeric>

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

class DeviceUnit : public BothBackends {
 protected:
  DeviceUnit() : data(toy_data(100)), plan(toy_plan(toy_sweep(), data)) {}

  RunSummary run(const Exec& exec, const Store& store) {
    std::vector<int> jobs(plan.jobs.size());
    std::iota(jobs.begin(), jobs.end(), 0);
    const ModelLoader load = [&](int m) -> std::unique_ptr<Model> {
      return std::make_unique<DeviceLinearModel>(exec, 3, data.dim(), 16, m == 0 ? 0.4f : 0.1f);
    };
    const StopFlag stop{false};
    SilentObserver observer;
    return run_jobs(exec, plan, data, jobs, store, load, stop, observer);
  }
  std::string merged(const Store& store) {
    PlanStatus status;
    return to_json(merge_units(plan, store, status)).dump();
  }
  Store store(const std::string& name) const { return Store(dir.path() / name); }

  TempDir dir;
  DataSet data;
  Plan plan;
};

TEST_F(DeviceUnit, SweepsToTheSameBytesAsTheCpu) {
  run(cpu, store("cpu"));
  run(cuda, store("cuda"));
  EXPECT_EQ(merged(store("cuda")), merged(store("cpu")));
}

#if defined(ASSAY_SIMT)
using simt::Call;

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
  EXPECT_EQ(count(Call::synchronize), static_cast<int>(expected.size()));
  EXPECT_EQ(log.back(), (Call{Call::synchronize, 0, stream}));
  EXPECT_EQ(count(Call::await_event) > 0, attacked);
  for (const Call& call : log) EXPECT_EQ(call.stream, stream) << "all work of a unit is ordered on one stream";
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
  Sweep sweep = toy_sweep();
  sweep.models.resize(1);
  sweep.perturbations.erase(sweep.perturbations.begin());
  data = toy_data(40);
  plan = toy_plan(sweep, data);
  simt::restart();
  run(cuda, store("whole"));
  const std::string expected = merged(store("whole"));
  const int calls = simt::device().calls;
  ASSERT_GT(calls, 100);
  int with_units = 0;
  for (int at = 1; at <= calls; at += 1 + calls / 20) {
    SCOPED_TRACE("call " + std::to_string(at) + " of " + std::to_string(calls));
    const Store out = store("lost" + std::to_string(at));
    simt::restart();
    simt::device().fault_at = at;
    simt::device().fault = at % 2 == 0 ? cudaErrorIllegalAddress : cudaErrorECCUncorrectable;
    EXPECT_ERROR(run(cuda, out), ExitCode::device, testing::HasSubstr("CUDA error"));
    simt::restart();
    const PlanStatus before = plan_status(plan, out);
    EXPECT_EQ(before.failed, 0) << "a lost device is not the unit's fault";
    with_units += before.done > 0 ? 1 : 0;
    const RunSummary rest = run(cuda, out);
    EXPECT_EQ(rest.reused, before.done);
    EXPECT_EQ(merged(out), expected);
  }
  EXPECT_GT(with_units, 5);
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
  EXPECT_EQ(merged(store("cuda")), merged(store("cpu")));
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

TEST_F(DeviceUnit, SaysThatTheDeviceHasNoMemoryLeft) {
  simt::device().memory = 3 << 20;
  const DataSet pictures = float_data(64, 3, 64, 64, 0.f, 1.f, 3);
  const StopFlag stop{false};
  EXPECT_ERROR(Evaluator(cuda, pictures, 64, 3, stop), ExitCode::device,
               testing::AllOf(testing::HasSubstr("cudaMalloc"), testing::HasSubstr("out of memory")));
}
#endif

}  // namespace
}  // namespace assay
