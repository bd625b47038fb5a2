#pragma once
#include "base/array.h"
#include "base/thread_safety.h"
#include "io/executor.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {

/// A queue of KDPCs for each processor. The links are in the KDPC, so that inserting one cannot fail; one task for each
/// queue carries it to its processor.
class DpcQueues {
 public:
  [[nodiscard]] bool start(io::Executor& executor) noexcept;

  /// False: it is queued already, and the arguments were not taken. On the caller's processor, else on the first.
  bool insert(KDPC& dpc, void* argument1, void* argument2) noexcept;
  /// True: it was queued and will not run.
  bool remove(KDPC& dpc) noexcept;
  /// Returns when every DPC and every deferred call queued before has returned. PASSIVE_LEVEL.
  void flush() noexcept;

 private:
  struct Queue : io::Task {
    explicit Queue(io::Processor& on) noexcept : Task(drain), processor(on) {}
    static void drain(io::Task& task) noexcept;
    KDPC* pop() noexcept SOFTNDK_REQUIRES(mutex);

    io::Processor& processor;
    Mutex mutex;
    // Linked by DpcListEntry.Next; DpcData names the queue that a KDPC was claimed for, null when it may be inserted.
    KDPC* first SOFTNDK_GUARDED_BY(mutex) = nullptr;
    KDPC* last SOFTNDK_GUARDED_BY(mutex) = nullptr;
  };
  static bool insert_into(Queue& queue, KDPC& dpc, void* argument1, void* argument2) noexcept;

  Array<Owned<Queue>> queues_;  // constant after start
};

}  // namespace softndk::ntrt
