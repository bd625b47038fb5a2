#include "base/alloc.h"

#include <atomic>
#include <cstdlib>

namespace softndk {
namespace {
std::atomic<FaultHook> g_hook{nullptr};
std::atomic<void*> g_context{nullptr};
}  // namespace

void set_fault_hook(FaultHook hook, void* context) noexcept {
  g_context.store(context, std::memory_order_relaxed);
  g_hook.store(hook, std::memory_order_release);  // partner: the acquire in fault_injected
}

bool fault_injected(const char* what) noexcept {
  FaultHook hook = g_hook.load(std::memory_order_acquire);
  return hook != nullptr && hook(g_context.load(std::memory_order_relaxed), what);
}

void* try_allocate(std::size_t size_bytes, std::size_t alignment) noexcept {
  if (fault_injected("allocate")) return nullptr;
  if (alignment < 16) alignment = 16;
  return std::aligned_alloc(alignment, (size_bytes + alignment - 1) / alignment * alignment);
}

void deallocate(void* memory) noexcept {
  std::free(memory);
}

}  // namespace softndk
