#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "cli/cli.hpp"

namespace assay::cli {

using Clock = std::chrono::steady_clock;

void say(const std::string& line) {
  fmt::print(stderr, "{}{}\n", isatty(STDERR_FILENO) == 1 ? "\r\x1b[K" : "", line);
}

struct Progress::State {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const Clock::time_point began = Clock::now();
  std::mutex mutex;
  std::condition_variable_any wake;
  int done = 0, total = 0, reused = 0;
  std::int64_t images = 0;
  double share = 0;
  bool drawn = false;
  std::jthread ticker;  // last: it uses the others

  std::string line() const {
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    std::string text = fmt::format("{}/{} units", done, total);
    if (reused > 0) text += fmt::format(" ({} from before)", reused);
    if (images > 0) text += fmt::format(", {:.0f} images/s", static_cast<double>(images) / seconds);
    if (share > 0 && share < 1) text += fmt::format(", {:.0f} s left", seconds * (1 - share) / share);
    return text;
  }
  void draw() {
    if (total == 0) return;
    if (terminal)
      fmt::print(stderr, "\r\x1b[K{}", line());
    else
      fmt::print(stderr, "progress: {}\n", line());
    std::fflush(stderr);
    drawn = true;
  }
  void clear() {
    if (terminal && drawn) fmt::print(stderr, "\r\x1b[K");
  }
};

Progress::Progress() : state_(std::make_unique<State>()) {
  State* s = state_.get();
  s->ticker = std::jthread([s](const std::stop_token& stop) {
    const auto interval = s->terminal ? std::chrono::milliseconds(200) : std::chrono::milliseconds(30000);
    std::unique_lock lock(s->mutex);
    while (!s->wake.wait_for(lock, stop, interval, [&] { return stop.stop_requested(); })) s->draw();
  });
}

Progress::~Progress() {
  state_->ticker.request_stop();
  state_->ticker.join();
  state_->clear();
}

void Progress::progress(int done, int total, int reused, std::int64_t images, double share) {
  const std::lock_guard lock(state_->mutex);
  state_->done = done;
  state_->total = total;
  state_->reused = reused;
  state_->images = images;
  state_->share = share;
}

void Progress::failed(const std::string& cell, std::int64_t lo, std::int64_t hi, const std::string& why) {
  const std::lock_guard lock(state_->mutex);
  say(fmt::format("failed: {}, images {} to {}: {}", cell, lo, hi - 1, why));
}

}  // namespace assay::cli
