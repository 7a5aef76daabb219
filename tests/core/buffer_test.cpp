#include "assay/core/buffer.hpp"

#include <gtest/gtest.h>

#include <set>

namespace assay {
namespace {

/// Counts what is held.
class CountingMemory final : public Memory {
 public:
  std::set<void*> held;
  std::size_t last_bytes = 0;
  void* allocate(std::size_t bytes) override {
    last_bytes = bytes;
    return *held.insert(host_memory().allocate(bytes)).first;
  }
  void deallocate(void* data) noexcept override {
    EXPECT_EQ(held.erase(data), 1u);
    host_memory().deallocate(data);
  }
};

TEST(Buffer, GivesBackWhatItTook) {
  CountingMemory memory;
  {
    const Buffer<std::uint64_t> buffer({.memory = &memory}, 10);
    EXPECT_EQ(memory.held.count(buffer.data()), 1u);
    EXPECT_EQ(memory.last_bytes, 80u);
    EXPECT_EQ(buffer.size(), 10);
  }
  EXPECT_TRUE(memory.held.empty());
}

TEST(Buffer, MovesItsMemory) {
  CountingMemory memory;
  Buffer<float> from({.memory = &memory}, 4);
  float* const data = from.data();
  Buffer<float> to({.memory = &memory}, 2);
  to = std::move(from);
  EXPECT_EQ(to.data(), data);
  EXPECT_EQ(to.size(), 4);
  EXPECT_EQ(memory.held.size(), 1u);
  const Buffer<float> last(std::move(to));
  EXPECT_EQ(last.data(), data);
  EXPECT_EQ(memory.held.size(), 1u);
}

TEST(Buffer, OfNothingTakesNothing) {
  CountingMemory memory;
  const Buffer<float> buffer({.memory = &memory}, 0);
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(buffer.size(), 0);
  EXPECT_TRUE(memory.held.empty());
}

TEST(HostMemory, IsAlignedTo64Bytes) {
  for (const std::int64_t size : {1, 3, 100, 4097}) {
    const Buffer<std::uint8_t> buffer({}, size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0u) << size;
  }
}

}  // namespace
}  // namespace assay
