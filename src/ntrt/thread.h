#pragma once
#include <csetjmp>

#include "base/expected.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/executor.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {

/// The body of a thread object; PKTHREAD and PETHREAD point to it. Waitable: the dispatcher header comes first.
struct ThreadObject : DISPATCHER_HEADER, ListLink {
  io::ThreadHandle handle;  // this and the two flags: guarded by the table's lock
  bool has_handle = false;
  bool has_ended = false;
  PKSTART_ROUTINE routine = nullptr;
  PVOID start_context = nullptr;
  KPRIORITY priority = 8;  ///< what a driver set it to; where and when a thread runs is the host's affair
  NTSTATUS exit_status = 0;
  std::jmp_buf* exit = nullptr;  ///< on the thread's own stack; where PsTerminateSystemThread goes
};

/// The threads that drivers made and that are not joined yet.
class ThreadTable {
 public:
  /// A handle of its object, which keeps a reference until the thread has been joined; null when memory or threads are
  /// short.
  [[nodiscard]] HANDLE create(PKSTART_ROUTINE routine, void* context) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// None runs.
  bool is_idle() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Waits for the end of every thread and joins it.
  void join_all() noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  static void enter(void* thread);
  void end(ThreadObject& thread) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Joins the threads that have ended, without waiting.
  void reap() noexcept SOFTNDK_EXCLUDES(mutex_);
  ThreadObject* take_ended() noexcept SOFTNDK_REQUIRES(mutex_);

  Mutex mutex_;
  IntrusiveList<ThreadObject> threads_ SOFTNDK_GUARDED_BY(mutex_);
};

}  // namespace softndk::ntrt
