// What the benchmark asks of a device: every kernel is launched there, the clock stops when the last one is done, and
// nothing crosses in between.
#include <gmock/gmock.h>

#include <algorithm>

#include "device/device.hpp"
#include "engine/bench.hpp"

namespace assay {
namespace {

class DeviceBench : public BothBackends {
 protected:
  static BenchOptions small() {
    BenchOptions options;
    options.repeat = 2;
    options.least_ms = 0;
    options.images = {{2, 3, 8, 8}};
    options.logits = {{4, 10}};
    options.samples = {100};
    return options;
  }
  std::vector<std::string> names(const Exec& exec) {
    std::vector<std::string> all;
    bench_kernels(exec, small(), [&](const BenchLine& line) { all.push_back(line.kind + " " + line.name); });
    return all;
  }
};

TEST_F(DeviceBench, TimesOnADeviceWhatItTimesOnTheCpu) {
  const std::vector<std::string> timed = names(cuda);
  EXPECT_GT(timed.size(), 20u);
  EXPECT_EQ(timed, names(cpu));
}

#if defined(ASSAY_SIMT)
TEST_F(DeviceBench, StopsItsClockWhenTheDeviceIsDone) {
  using simt::Call;
  BenchOptions options = small();
  options.filter = "attack pgd_linf.advance";
  bench_kernels(cuda, options, [](const BenchLine&) {});
  std::vector<Call> log = simt::device().log;
  // From where all is in place: the copy that touches the pages.
  log.erase(log.begin(), std::ranges::find(log, Call::on_device, &Call::kind) + 1);
  const auto count = [&](Call::Kind kind) { return std::ranges::count(log, kind, &Call::kind); };
  EXPECT_EQ(count(Call::allocate) + count(Call::to_device) + count(Call::to_host), 0);
  // Of the kernel and of the copy: once to warm up, once to choose how many and twice in turn, with a wait on both
  // sides.
  EXPECT_EQ(count(Call::launch), 4 * 2) << "start and advance";
  EXPECT_EQ(count(Call::on_device), 4 * 2) << "the copy, and what makes lanes fresh again";
  EXPECT_EQ(count(Call::synchronize), 2 * 4 * 2);
  for (std::size_t i = 1; i < log.size(); ++i)
    EXPECT_FALSE(log[i - 1].kind == Call::launch && log[i].kind == Call::on_device) << "not waited for";
}
#endif

}  // namespace
}  // namespace assay
