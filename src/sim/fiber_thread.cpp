#include "sim/fiber_thread.h"

#include <mutex>

namespace softndk::sim {
namespace {
std::mutex g_mutex;  // not our Mutex: nothing in here switches
FiberThread* g_unused = nullptr;
FiberThread* g_ever = nullptr;  // keeps all reachable, for leak checkers
}  // namespace

FiberThread* FiberThread::take() {
  std::lock_guard lock(g_mutex);
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
  std::lock_guard lock(g_mutex);
  thread.next_unused = g_unused;
  g_unused = &thread;
}

}  // namespace softndk::sim
