#pragma once
#include "base/alloc.h"
#include "base/expected.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/executor.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {

/// The threads that run work items. Items may block for long and wait for one another, so the pool grows whenever there
/// are more items than threads on their way to them, up to KernelOptions::worker_count_max.
class WorkerPool {
 public:
  /// Spawns the first worker, so that every item runs some day even if no other thread can be had.
  [[nodiscard]] expected<void, io::IoError> start() noexcept;

  /// Never fails. An item that is queued already is a bug check, in the name of `caller`.
  void queue(WORK_QUEUE_ITEM& item, WORK_QUEUE_TYPE type, const void* caller) noexcept SOFTNDK_EXCLUDES(mutex_);
  bool is_queued(const WORK_QUEUE_ITEM& item) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Lets what is queued and what runs end, then joins the workers.
  void stop() noexcept SOFTNDK_EXCLUDES(mutex_);
  unsigned worker_count() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// No item is queued or runs.
  bool is_idle() noexcept SOFTNDK_EXCLUDES(mutex_);

  /// The work items of one driver or device object: how many are queued or running.
  struct ObjectPin : ListLink {
    PVOID object = nullptr;
    unsigned users = 0;  // items, and those below; guarded by the pool's lock
    std::atomic<unsigned> in_flight{0};
  };
  [[nodiscard]] ObjectPin* pin(PVOID object) noexcept SOFTNDK_EXCLUDES(mutex_);
  void unpin(ObjectPin& pin) noexcept SOFTNDK_EXCLUDES(mutex_);
  void enter(ObjectPin& pin) noexcept SOFTNDK_EXCLUDES(mutex_);
  void leave(ObjectPin& pin) noexcept SOFTNDK_EXCLUDES(mutex_);
  void wait_until_idle(PVOID object) noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  struct Worker : ListLink {
    explicit Worker(WorkerPool& of) : pool(of) {}
    WorkerPool& pool;
    Worker* next_ever = nullptr;
    io::ThreadContext* context = nullptr;  // set by the worker before it is idle for the first time
    io::ThreadHandle thread;
    std::atomic<bool> woken{false};
  };
  static void run_worker(void* worker);
  void run_items(Worker& worker) noexcept SOFTNDK_EXCLUDES(mutex_);
  WORK_QUEUE_ITEM* pop() noexcept SOFTNDK_REQUIRES(mutex_);
  expected<void, io::IoError> spawn_worker() noexcept SOFTNDK_EXCLUDES(mutex_);

  Mutex mutex_;
  LIST_ENTRY urgent_ SOFTNDK_GUARDED_BY(mutex_) = {&urgent_, &urgent_};
  LIST_ENTRY delayed_ SOFTNDK_GUARDED_BY(mutex_) = {&delayed_, &delayed_};
  unsigned queued_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  /// Workers that were woken or spawned and have not looked at the queue yet. Invariant while the pool can grow:
  /// queued_ <= coming_, so an item never waits for a worker that is inside another item.
  unsigned coming_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  unsigned workers_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  IntrusiveList<Worker> idle_ SOFTNDK_GUARDED_BY(mutex_);
  Worker* ever_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  IntrusiveList<ObjectPin> pins_ SOFTNDK_GUARDED_BY(mutex_);
  bool stopping_ SOFTNDK_GUARDED_BY(mutex_) = false;
  bool said_full_ SOFTNDK_GUARDED_BY(mutex_) = false;
  std::atomic<unsigned> live_{0};  // workers that have not ended
};

/// Returns when no work item of this driver or device object is queued or runs: what unloading a driver or deleting a
/// device waits for. PASSIVE_LEVEL.
void wait_for_work_items(PVOID io_object) noexcept;

}  // namespace softndk::ntrt
