#include "sim/stack.h"

#include <sys/mman.h>
#include <unistd.h>

#include "sim/sanitizer.h"

namespace softndk::sim {
namespace {
std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}
}  // namespace

StackPool::StackPool(std::size_t size_bytes)
    : size_bytes_((size_bytes + page_bytes() - 1) / page_bytes() * page_bytes()) {}

StackPool::~StackPool() {
  for (const Stack& stack : free_)
    munmap(stack.bottom - page_bytes(), stack.size_bytes + page_bytes());
}

Stack StackPool::take() {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void* memory = mmap(nullptr, size_bytes_ + page_bytes(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return {};
  if (mprotect(memory, page_bytes(), PROT_NONE) != 0) {
    munmap(memory, size_bytes_ + page_bytes());
    return {};
  }
  return {static_cast<std::byte*>(memory) + page_bytes(), size_bytes_};
}

void StackPool::give_back(Stack stack) {
#if SOFTNDK_ASAN
  // The frames that never returned (the fiber's first ones) have left their red zones behind.
  __asan_unpoison_memory_region(stack.bottom, stack.size_bytes);
#endif
  free_.push_back(stack);
}

void StackPool::abandon(Stack stack) {
#if SOFTNDK_ASAN
  __lsan_register_root_region(stack.bottom, stack.size_bytes);
#else
  (void)stack;
#endif
}

}  // namespace softndk::sim
