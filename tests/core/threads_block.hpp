#pragma once
#include <barrier>
#include <thread>
#include <vector>

#include "assay/core/team.hpp"

namespace assay {

/// A CUDA block played by threads: one of kTeamWidth workers.
class ThreadsBlock {
 public:
  struct Shared {
    std::barrier<> barrier{kTeamWidth};
    alignas(8) std::byte memory[kTeamWidth * 8];
  };
  ThreadsBlock(Shared& shared, int worker) : shared_(shared), worker_(worker) {}
  int worker() const { return worker_; }
  void sync() const { shared_.barrier.arrive_and_wait(); }
  void* shared() const { return shared_.memory; }

 private:
  Shared& shared_;
  int worker_;
};

/// Runs f(team, worker) on every worker of one block.
template <class F>
void on_block(const F& f) {
  ThreadsBlock::Shared shared;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kTeamWidth; ++worker)
    workers.emplace_back([&, worker] {
      ThreadsBlock block(shared, worker);
      BlockTeam<ThreadsBlock> team(block);
      f(team, worker);
    });
  for (std::thread& worker : workers) worker.join();
}

}  // namespace assay
