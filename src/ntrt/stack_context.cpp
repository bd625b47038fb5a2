#include "ntrt/stack_context.h"

#include <unwind.h>

#include <atomic>

#include "base/thread_safety.h"
#include "ntrt/bug_check.h"

namespace softndk::ntrt {
namespace {

struct Entry {
  const void* context = nullptr;  ///< null: free
  const io::ThreadContext* thread = nullptr;
  const char* call = "";
  const void* owner = nullptr;  ///< where the call was made in the function whose frame it is
};

constexpr unsigned kEntries = 512;
/// Innermost.
constinit Mutex g_mutex;
constinit Entry g_entries[kEntries + 1] SOFTNDK_GUARDED_BY(g_mutex) = {};  // the first one is nobody's
constinit unsigned g_entries_used SOFTNDK_GUARDED_BY(g_mutex) = 0;         // none behind this has ever been taken
constinit std::atomic<bool> g_reported{true};

/// The frame that an address lies in. Frames of ours are between; a frame begins where the one inside it ends.
struct OwnerSearch {
  static constexpr unsigned kFramesMax = 48;
  std::uintptr_t address;
  const void* owner = nullptr;
  unsigned frames = 0;

  static _Unwind_Reason_Code visit(_Unwind_Context* frame, void* self) noexcept {
    auto& search = *static_cast<OwnerSearch*>(self);
    if (_Unwind_GetCFA(frame) > search.address || ++search.frames > kFramesMax) return _URC_END_OF_STACK;
    search.owner = reinterpret_cast<const void*>(_Unwind_GetIP(frame));
    return _URC_NO_REASON;
  }
};

const void* owner_of(const void* address) noexcept {
  OwnerSearch search{reinterpret_cast<std::uintptr_t>(address)};
  _Unwind_Backtrace(OwnerSearch::visit, &search);
  return search.owner;
}

bool is_on_this_stack(const void* address) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  return at < local(Slot::stack_top) && at >= reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

}  // namespace

void set_dead_contexts_reported(bool reported) noexcept {
  g_reported.store(reported, std::memory_order_relaxed);
}

void StackContext::begin(const void* context, const char* call) noexcept {
  entry_ = 0;
  if (!is_on_this_stack(context) || !g_reported.load(std::memory_order_relaxed)) return;
  const Entry entry{context, &io::this_thread(), call, owner_of(context)};
  local(Slot::stack_contexts) = 1;
  MutexLock lock(g_mutex);
  for (unsigned i = 1; i <= kEntries; ++i) {
    if (g_entries[i].context != nullptr) continue;
    g_entries[i] = entry;
    entry_ = static_cast<std::uint16_t>(i);
    if (i > g_entries_used) g_entries_used = i;
    return;
  }
}

void StackContext::end() noexcept {
  if (entry_ == 0) return;
  MutexLock lock(g_mutex);
  g_entries[entry_].context = nullptr;
  entry_ = 0;
}

void check_dead_contexts(const void* frame, const char* what, const char* verb, const void* place) noexcept {
  const io::ThreadContext& thread = io::this_thread();
  Entry dead;
  bool any = false;
  {
    MutexLock lock(g_mutex);
    for (unsigned i = 1; i <= g_entries_used; ++i) {
      Entry& entry = g_entries[i];
      if (entry.context == nullptr || entry.thread != &thread) continue;
      any = true;
      if (reinterpret_cast<std::uintptr_t>(entry.context) >= reinterpret_cast<std::uintptr_t>(frame)) continue;
      dead = entry;
      break;
    }
  }
  if (!any) local(Slot::stack_contexts) = 0;
  if (dead.context == nullptr) return;
  char owner[192], where[192];
  describe_code_address(dead.owner, owner, sizeof owner);
  describe_code_address(place, where, sizeof where);
  bug_check(
      BugCode::driver_violation,
      "%s pends, and its completion context %p lay in a frame of thread '%s' that has returned: the completion "
      "would write into what lies there now. It was called at %s; noticed when %s %s (%s). Keep the context in pool "
      "memory, or wait for the completion before the function returns",
      dead.call, dead.context, thread.name, owner, what, verb, where);
}

}  // namespace softndk::ntrt
