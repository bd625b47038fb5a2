#include "sim/fiber_thread.h"

#include "base/thread_safety.h"

namespace softndk::sim {
namespace {
Mutex g_mutex;
FiberThread* g_unused SOFTNDK_GUARDED_BY(g_mutex) = nullptr;
FiberThread* g_ever SOFTNDK_GUARDED_BY(g_mutex) = nullptr;  // keeps all reachable, for leak checkers
}  // namespace

FiberThread* FiberThread::take() {
  MutexLock lock(g_mutex);
  if (g_unused != nullptr) {
    FiberThread* thread = g_unused;
    g_unused = thread->next_unused;
    return thread;
  }
  auto* thread = new FiberThread;
  thread->next_ever = g_ever;
  g_ever = thread;
  return thread;
}

void FiberThread::give_back(FiberThread& thread) {
  for (auto& local : thread.local)
    local = 0;
  thread.name = "";
  thread.world = nullptr;  // a late unpark() finds nobody
  thread.state = State::unused;
  thread.is_processor = thread.has_begun = thread.wake_pending = thread.timed_out = false;
  thread.joined_by = thread.joins = nullptr;
  thread.deadline = {};
  thread.stack = {};
  MutexLock lock(g_mutex);
  thread.next_unused = g_unused;
  g_unused = &thread;
}

}  // namespace softndk::sim
