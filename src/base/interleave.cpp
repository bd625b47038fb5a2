#include "base/interleave.h"

#include <thread>

namespace softndk {
namespace detail {
constinit std::atomic<InterleaveHook> interleave_hook{nullptr};
}

namespace {
constinit std::atomic<void*> g_context{nullptr};
}

void set_interleave_hook(InterleaveHook hook, void* context) noexcept {
  g_context.store(context, std::memory_order_relaxed);
  detail::interleave_hook.store(hook, std::memory_order_release);  // partner: the acquire in interleave()
}

bool detail::interleave(bool blocked) noexcept {
  const InterleaveHook hook = interleave_hook.load(std::memory_order_acquire);
  if (hook == nullptr) return false;
  hook(g_context.load(std::memory_order_relaxed), blocked);
  return true;
}

void interleave_wait() noexcept {
  if (!detail::interleave(true)) std::this_thread::yield();
}

}  // namespace softndk
