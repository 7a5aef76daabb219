#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
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
  double counted = 0;  ///< seconds from the beginning to the last report, which the counts are of
  bool drawn = false;
  std::jthread ticker;  // last: it uses the others

  double elapsed() const { return std::chrono::duration<double>(Clock::now() - began).count(); }
  std::string line() const {
    const double seconds = elapsed();
    std::string text = fmt::format("{}/{} units", done, total);
    if (reused > 0) text += fmt::format(" ({} from before)", reused);
    if (images > 0) text += fmt::format(", {:.0f} images/s", static_cast<double>(images) / counted);
    if (share > 0 && share < 1) text += fmt::format(", {:.0f} s left", std::max(0.0, counted / share - seconds));
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
  state_->counted = state_->elapsed();
}

void Progress::failed(const std::string& cell, std::int64_t lo, std::int64_t hi, const std::string& why) {
  const std::lock_guard lock(state_->mutex);
  say(fmt::format("failed: {}, images {} to {}: {}", cell, lo, hi - 1, why));
}

}  // namespace assay::cli
