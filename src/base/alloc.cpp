#include "base/alloc.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>

namespace softndk {
namespace detail {
constinit std::atomic<FaultHook> fault_hook{nullptr};
}

namespace {
constinit std::atomic<void*> g_context{nullptr};
/// A number to look at: it orders nothing. In a cache line of its own, for who sends and receives reads the hooks.
struct alignas(64) Alive {
  std::atomic<std::int64_t> count{0};
};
constinit Alive g_alive;

void* counted(void* memory) {
  if (memory != nullptr) g_alive.count.fetch_add(1, std::memory_order_relaxed);
  return memory;
}
}  // namespace

void set_fault_hook(FaultHook hook, void* context) noexcept {
  g_context.store(context, std::memory_order_relaxed);
  detail::fault_hook.store(hook, std::memory_order_release);  // partner: the acquire in ask_fault_hook
}

bool detail::ask_fault_hook(const char* what) noexcept {
  FaultHook hook = fault_hook.load(std::memory_order_acquire);
  return hook != nullptr && hook(g_context.load(std::memory_order_relaxed), what);
}

void* try_allocate(std::size_t size_bytes, std::size_t alignment) noexcept {
  if (fault_injected("allocate")) return nullptr;
  // Not aligned_alloc: it wants the size rounded up, and AddressSanitizer then sees no overrun below that.
  void* memory = nullptr;
  return counted(posix_memalign(&memory, std::max<std::size_t>(alignment, 16), size_bytes) == 0 ? memory : nullptr);
}

void deallocate(void* memory) noexcept {
  if (memory != nullptr) g_alive.count.fetch_sub(1, std::memory_order_relaxed);
  ::free(memory);
}

void* try_map(std::size_t size_bytes) noexcept {
  if (fault_injected("map")) return nullptr;
  void* memory =
      ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return counted(memory != MAP_FAILED ? memory : nullptr);
}

void unmap(void* memory, std::size_t size_bytes) noexcept {
  g_alive.count.fetch_sub(1, std::memory_order_relaxed);
  ::munmap(memory, size_bytes);
}

std::int64_t allocations_alive() noexcept {
  return g_alive.count.load(std::memory_order_relaxed);
}

}  // namespace softndk
