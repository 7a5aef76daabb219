// Runs kernels: each CUDA thread is a fiber with a stack of its own, all on the calling thread.
#include "simt/simt.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>

#if defined(SIMT_TSAN)
#elif defined(__SANITIZE_THREAD__)
#define SIMT_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define SIMT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIMT_TSAN 1
#elif __has_feature(address_sanitizer)
#define SIMT_ASAN 1
#endif
#endif
#if defined(SIMT_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" void __tsan_write1(void*);
extern "C" void AnnotateIgnoreReadsBegin(const char*, int);
extern "C" void AnnotateIgnoreReadsEnd(const char*, int);
extern "C" void AnnotateIgnoreWritesBegin(const char*, int);
extern "C" void AnnotateIgnoreWritesEnd(const char*, int);
#endif
#if defined(SIMT_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#error "fibers are switched by x86-64 code"
#endif
// Saves what a call must keep, and goes on where `to` was left.
extern "C" void simt_switch(void** from, void* to);
asm(R"(.pushsection .text
.type simt_switch,@function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch, .-simt_switch
.popsection)");

namespace simt {
namespace {

constexpr std::size_t kStack = 256 * 1024;
constexpr std::size_t kSpread = 61 * 320;  // within which stacks begin
constexpr unsigned kWarp = 32;
constexpr int kPatience = 100000;  // rounds in which threads only wait for each other

/// TSan is to judge the kernel, not what runs it.
class Unwatched {
 public:
  Unwatched() {
#if defined(SIMT_TSAN)
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
  }
  ~Unwatched() {
#if defined(SIMT_TSAN)
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
  }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

void release([[maybe_unused]] void* at) {
#if defined(SIMT_TSAN)
  __tsan_release(at);
#endif
}
void acquire([[maybe_unused]] void* at) {
#if defined(SIMT_TSAN)
  __tsan_acquire(at);
#endif
}

/// What a thread of a kernel runs on.
struct Fiber {
  char* stack = nullptr;
  void* watched = nullptr;  // TSan's fiber
};

/// Fibers are kept for the next block or launch: to make one would be most of a small kernel's time.
class Fibers {
 public:
  /// `index`: of the thread in its launch.
  Fiber take([[maybe_unused]] std::size_t index) {
    Fiber fiber;
#if defined(SIMT_TSAN)
    if (index < kept_.size()) std::swap(fiber, kept_[index]);
#else
    if (!free_.empty()) {
      fiber = free_.back();
      free_.pop_back();
    }
#endif
    if (fiber.stack == nullptr) {
      void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (stack == MAP_FAILED) throw std::bad_alloc();
      fiber.stack = static_cast<char*>(stack);
#if defined(SIMT_TSAN)
      fiber.watched = __tsan_create_fiber(0);
#endif
    }
#if defined(SIMT_ASAN)
    // Functions that return leave nothing poisoned: what is there is begin's, which never does.
    __asan_unpoison_memory_region(fiber.stack + kStack - kSpread - kStack / 16, kSpread + kStack / 16);
#endif
    return fiber;
  }
  void give(const Fiber& fiber, [[maybe_unused]] std::size_t index, [[maybe_unused]] bool ended) {
#if defined(SIMT_TSAN)
    // What ran on a fiber before is ordered before what runs on it next. Launches are ordered, threads of one are not:
    // none gets the fiber of another. One that has not ended is still within its calls to TSan.
    if (index < kept_.size() && ended) {
      kept_[index] = fiber;
      return;
    }
    munmap(fiber.stack, kStack);  // and with it what TSan remembers of its last owner
    __tsan_destroy_fiber(fiber.watched);
#else
#if defined(SIMT_ASAN)
    if (!ended) __asan_unpoison_memory_region(fiber.stack, kStack);
#endif
    free_.push_back(fiber);
#endif
  }

 private:
#if defined(SIMT_TSAN)
  std::vector<Fiber> kept_ = std::vector<Fiber>(32 * 256);
#else
  std::vector<Fiber> free_;
#endif
};
Fibers& fibers() {
  static auto* all = new Fibers;  // the end of the program takes them
  return *all;
}

/// A place to go on from: a thread of the kernel, or who runs it.
struct Context {
  void* top = nullptr;
  char* stack = nullptr;
  std::size_t size = 0;
  void* watched = nullptr;  // TSan's fiber
};

enum class State { fresh, ready, at_barrier, at_exchange, done };

struct Block;
struct Thread {
  unsigned number = 0;
  State state = State::fresh;
  Context context;
  Block* block = nullptr;
  Place place;
  unsigned mask = 0;
  unsigned barriers = 0, exchanges = 0;  // passed so far: their parity tells two in a row apart
};

struct Warp {
  std::uint64_t value[2][kWarp];
};

struct Array {
  Place place;
  std::unique_ptr<std::byte[]> data;
};

struct Block {
  unsigned number = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<Array> arrays;
  std::vector<unsigned> order;
  char met[2] = {};  // what TSan sees of barriers
  unsigned done = 0;
};

struct Grid {
  dim3 blocks, threads;
  const std::function<void()>* body = nullptr;
  Context scheduler;
  Thread* running = nullptr;
  std::string fault;
  bool yielded = false, moved = false;
  char started = 0, finished = 0, unheard = 0;  // what TSan sees of the launch's order on its stream; of nothing
};
Grid* grid = nullptr;

/// Goes on after those who released `at`. TSan has 256 places for all threads and takes them from who waits; a thread
/// that comes back gets another one, which it notes in its history at a release alone, and a race with what its history
/// lacks is not reported. What stays unseen for the places' sake: races between blocks of 256 threads after a barrier,
/// where each thread is ordered after all that was in any place.
void resume(void* at) {
  acquire(at);
  release(&grid->unheard);
}

std::string text(const Place& place) {
  const std::string file = place.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(place.line());
}

bool same(const char* a, const char* b) {
  return a == b || std::strcmp(a, b) == 0;
}
bool same(const Place& a, const Place& b) {
  return a.line() == b.line() && a.column() == b.column() && same(a.file_name(), b.file_name());
}

void go(Context& from, Context& to, [[maybe_unused]] bool for_good = false) {
#if defined(SIMT_ASAN)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake, to.stack, to.size);
#endif
#if defined(SIMT_TSAN)
  __tsan_switch_to_fiber(to.watched, __tsan_switch_to_fiber_no_sync);
#endif
  simt_switch(&from.top, to.top);
#if defined(SIMT_ASAN)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

/// Back to the scheduler, until it finds this thread ready again.
void wait() {
  Thread& self = *grid->running;
  go(self.context, grid->scheduler);
}

/// Never runs this thread again: what is on its stack is not destroyed, so nothing may own anything there.
[[noreturn]] void fail(const char* what, const Place& place) {
  const Thread& self = *grid->running;
  if (grid->fault.empty())
    grid->fault = "block " + std::to_string(self.block->number) + ", thread " + std::to_string(self.number) + ": " +
                  what + ", at " + text(place);
  for (;;) wait();
}

/// TSan keeps four accesses of each 8 bytes. Which one it forgets for another follows from the length of the thread's
/// history: were those of neighbours as long, each would make it forget the access beside its own.
void stagger() {
#if defined(SIMT_TSAN)
  static std::minstd_rand random;
  std::uint64_t own[4];
  for (auto n = random() % 5; n > 0; --n) __tsan_write1(&own[n - 1]);
#endif
}

void begin() {
#if defined(SIMT_ASAN)
  const void* stack = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(nullptr, &stack, &size);
  grid->scheduler.stack = static_cast<char*>(const_cast<void*>(stack));
  grid->scheduler.size = size;
#endif
  Thread& self = *grid->running;
  resume(&grid->started);
  stagger();
  (*grid->body)();
  release(&grid->finished);
  self.state = State::done;
  ++self.block->done;
  go(self.context, grid->scheduler, true);
}

std::size_t index_in_launch(const Thread& thread) {
  return std::size_t{thread.block->number} * grid->threads.x + thread.number;
}

void prepare(Thread& thread) {
  Context& context = thread.context;
  const Fiber fiber = fibers().take(index_in_launch(thread));
  context.stack = fiber.stack;
  context.size = kStack;
  context.watched = fiber.watched;
  // What simt_switch pops: six registers and where to begin; below it a return address, for the stack's alignment.
  // Each begins elsewhere: at the same place of their pages all would want the same lines of the cache.
  auto** top = reinterpret_cast<void**>(context.stack + kStack - thread.number * 320 % kSpread);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&begin);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  context.top = top;
  thread.state = State::ready;
}

std::vector<unsigned> permutation(unsigned n, unsigned salt) {
  std::vector<unsigned> order(n);
  std::iota(order.begin(), order.end(), 0u);
  const Order& wanted = device().order;
  if (wanted.kind == Order::reverse) std::reverse(order.begin(), order.end());
  if (wanted.kind == Order::shuffled) {
    std::mt19937 random(wanted.seed * 7919u + salt);
    std::shuffle(order.begin(), order.end(), random);
  }
  return order;
}

std::unique_ptr<Block> make_block(unsigned number) {
  auto block = std::make_unique<Block>();
  block->number = number;
  block->threads.resize(grid->threads.x);
  block->warps.resize((grid->threads.x + kWarp - 1) / kWarp);
  for (unsigned t = 0; t < grid->threads.x; ++t) {
    Thread& thread = block->threads[t];
    thread.number = t;
    thread.block = block.get();
  }
  block->order = permutation(grid->threads.x, number + 1);
  return block;
}

void discard(Block& block) {
  for (const Thread& thread : block.threads)
    if (thread.context.stack != nullptr)
      fibers().give({thread.context.stack, thread.context.watched}, index_in_launch(thread),
                    thread.state == State::done);
}

/// Lets threads pass a barrier that all have reached.
void open_barrier(Block& block) {
  unsigned waiting = 0;
  for (const Thread& thread : block.threads) waiting += thread.state == State::at_barrier ? 1u : 0u;
  if (waiting == 0 || waiting + block.done < block.threads.size()) return;
  const Place& place = block.threads[block.order[0]].place;
  for (Thread& thread : block.threads) {
    grid->running = &thread;
    if (thread.state != State::at_barrier) {
      grid->fault = "block " + std::to_string(block.number) + ": thread " + std::to_string(thread.number) +
                    " has ended, others wait at the barrier of " + text(place);
      return;
    }
    if (!same(thread.place, place)) {
      grid->fault = "block " + std::to_string(block.number) + ": its threads wait at two barriers, " + text(place) +
                    " and " + text(thread.place);
      return;
    }
  }
  for (Thread& thread : block.threads) thread.state = State::ready;
  grid->moved = true;
}

/// Runs up to `most` threads of a block that can go on, each until it waits. False: none did more than ask again.
bool advance(Block& block, unsigned most) {
  grid->moved = false;
  for (const unsigned t : block.order) {
    Thread& thread = block.threads[t];
    if (thread.state == State::fresh) prepare(thread);
    if (thread.state != State::ready) continue;
    grid->running = &thread;
    grid->yielded = false;
    go(grid->scheduler, thread.context);
    if (!grid->fault.empty()) return false;
    grid->moved = grid->moved || !grid->yielded;
    if (--most == 0) break;
  }
  open_barrier(block);
  return grid->moved;
}

/// In a chosen order each block runs as far ahead of the others as it can; shuffled, a few threads of any block run
/// next.
void run_blocks(const std::vector<unsigned>& numbers) {
  std::vector<std::unique_ptr<Block>> blocks;
  for (const unsigned number : numbers) blocks.push_back(make_block(number));
  const auto done = [](const auto& block) { return block->done == block->threads.size(); };
  const auto can_go_on = [](const auto& block) {
    return std::ranges::any_of(block->threads, [](const Thread& thread) {
      return thread.state == State::ready || thread.state == State::fresh;
    });
  };
  std::mt19937 random(device().order.seed);
  int patience = kPatience;
  while (grid->fault.empty() && !std::ranges::all_of(blocks, done)) {
    bool moved = false;
    if (device().order.kind == Order::shuffled && blocks.size() > 1) {
      const auto& block = blocks[random() % blocks.size()];
      moved = advance(*block, 1 + static_cast<unsigned>(random()) % grid->threads.x);
    } else {
      for (const auto& block : blocks)
        while (advance(*block, grid->threads.x)) moved = true;
    }
    patience = moved ? kPatience : patience - 1;
    if (grid->fault.empty() && !moved && (patience == 0 || std::ranges::none_of(blocks, can_go_on)) &&
        !std::ranges::all_of(blocks, done))
      grid->fault = "no thread can go on: they wait for each other";
  }
  for (const auto& block : blocks) discard(*block);
  device().blocks += numbers.size();
}

}  // namespace

unsigned thread_index() {
  return grid->running->number;
}
unsigned block_index() {
  return grid->running->block->number;
}
unsigned grid_size() {
  return grid->blocks.x;
}
unsigned lane() {
  return grid->running->number % kWarp;
}

void barrier(const Place& place) {
  const Unwatched unwatched;
  Thread& self = *grid->running;
  char* met = &self.block->met[self.barriers++ % 2];
  self.place = place;
  self.state = State::at_barrier;
  release(met);
  wait();
  resume(met);
}

void yield() {
  const Unwatched unwatched;
  grid->yielded = true;
  wait();
}

void* shared(std::size_t bytes, const Place& place) {
  const Unwatched unwatched;
  std::vector<Array>& arrays = grid->running->block->arrays;
  for (const Array& array : arrays)
    if (array.place.line() == place.line() && array.place.column() == place.column() &&
        same(array.place.function_name(), place.function_name()))
      return array.data.get();
  arrays.push_back({place, std::make_unique_for_overwrite<std::byte[]>(bytes)});
  std::fill_n(arrays.back().data.get(), bytes, std::byte{0xFF});  // NaN in every float and double
  return arrays.back().data.get();
}

std::uint64_t exchange(unsigned mask, std::uint64_t value, unsigned source, const Place& place) {
  const Unwatched unwatched;
  Thread& self = *grid->running;
  Block& block = *self.block;
  const unsigned first = self.number / kWarp * kWarp, own = self.number % kWarp;
  std::uint64_t* values = block.warps[self.number / kWarp].value[self.exchanges++ % 2];
  if ((mask >> own & 1) == 0) fail("is not in the mask of its own shuffle", place);
  if ((mask >> source & 1) == 0) fail("its shuffle reads a thread that takes no part", place);
  values[own] = value;
  self.place = place;
  self.mask = mask;
  self.state = State::at_exchange;
  bool all = true;
  for (unsigned l = 0; l < kWarp; ++l) {
    if ((mask >> l & 1) == 0) continue;
    if (first + l >= block.threads.size()) fail("its shuffle names threads that are not there", place);
    const Thread& other = block.threads[first + l];
    if (other.state == State::done || other.state == State::at_barrier)
      fail("its shuffle waits for a thread that is elsewhere", place);
    if (other.state == State::at_exchange && (other.mask != mask || other.place.line() != place.line()))
      fail("its shuffle meets another one of its warp", place);
    all = all && other.state == State::at_exchange;
  }
  if (all)
    for (unsigned l = 0; l < kWarp; ++l) {
      if ((mask >> l & 1) != 0) block.threads[first + l].state = State::ready;
    }
  else
    wait();
  return values[source];
}

std::string run(const dim3& blocks, const dim3& threads, bool together, const std::function<void()>& body) {
  Grid own;
  {
    const Unwatched unwatched;
    own.blocks = blocks;
    own.threads = threads;
    own.body = &body;
#if defined(SIMT_TSAN)
    own.scheduler.watched = __tsan_get_current_fiber();
#endif
    grid = &own;
  }
  release(&own.started);
  {
    const Unwatched unwatched;
    const std::vector<unsigned> order = permutation(blocks.x, 0);
    if (together) {
      run_blocks(order);
    } else {
      for (const unsigned number : order) {
        run_blocks({number});
        if (!own.fault.empty()) break;
      }
    }
  }
  acquire(&own.finished);
  grid = nullptr;
  return own.fault;
}

}  // namespace simt
