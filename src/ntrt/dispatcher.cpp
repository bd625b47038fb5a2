#include "ntrt/dispatcher.h"

#include <algorithm>
#include <array>

#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/stack_context.h"

namespace softndk::ntrt {
namespace {

ObjectKind kind_of(const DISPATCHER_HEADER& header) {
  return static_cast<ObjectKind>(header.Type);
}

/// The buckets of several objects, all locked or none; in ascending order, each once.
class BucketSet {
 public:
  BucketSet(void* const* objects, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
      buckets_[i] = &wait_bucket(objects[i]);
    std::sort(buckets_.begin(), buckets_.begin() + count);
    count_ = static_cast<unsigned>(std::unique(buckets_.begin(), buckets_.begin() + count) - buckets_.begin());
  }
  // The analysis knows no sets of locks.
  void lock() SOFTNDK_NO_ANALYSIS {
    for (unsigned i = 0; i < count_; ++i)
      buckets_[i]->mutex.lock();
  }
  void unlock() SOFTNDK_NO_ANALYSIS {
    for (unsigned i = count_; i > 0; --i)
      buckets_[i - 1]->mutex.unlock();
  }

 private:
  std::array<WaitBucket*, MAXIMUM_WAIT_OBJECTS> buckets_;
  unsigned count_ = 0;
};

KMUTEX& mutex_of(DISPATCHER_HEADER& header) {
  return *CONTAINING_RECORD(&header, KMUTEX, Header);
}

PKTHREAD owner_word(const io::ThreadContext& thread) {
  return reinterpret_cast<PKTHREAD>(const_cast<io::ThreadContext*>(&thread));
}

bool is_available(DISPATCHER_HEADER& header, const io::ThreadContext& to) {
  if (header.SignalState > 0) return true;
  return kind_of(header) == ObjectKind::mutex && mutex_of(header).OwnerThread == owner_word(to);
}

void take(DISPATCHER_HEADER& header, const io::ThreadContext& by) {
  switch (kind_of(header)) {
    case ObjectKind::synchronization_event:
    case ObjectKind::synchronization_timer:
      header.SignalState = 0;
      return;
    case ObjectKind::semaphore:
      --header.SignalState;
      return;
    case ObjectKind::mutex:
      --header.SignalState;
      mutex_of(header).OwnerThread = owner_word(by);
      return;
    case ObjectKind::notification_event:
    case ObjectKind::notification_timer:
    case ObjectKind::thread:
      return;
  }
}

/// One call of KeWaitFor...: its objects, its blocks, and how it ends.
class Wait {
 public:
  Wait(void* const* objects, unsigned count, WAIT_TYPE type, const void* caller)
      : objects_(objects), count_(count), type_(type), buckets_(objects, count) {
    waiter_.caller = caller;
    waiter_.is_for_dispatcher_objects = true;
    for (unsigned i = 0; i < count; ++i)
      check_is_waitable(objects[i]);
  }

  NTSTATUS run(bool poll, io::TimeNs deadline_ns) {
    buckets_.lock();
    const int at_once = try_take();
    if (at_once != Waiter::kWaiting || poll) {
      buckets_.unlock();
      return at_once != Waiter::kWaiting ? at_once : STATUS_TIMEOUT;
    }
    link();
    buckets_.unlock();

    Parking parking(waiter_, objects_[0], deadline_ns);
    for (;;) {
      const bool in_time = waiter_.satisfied_by.load() != Waiter::kWaiting || parking.park();
      // Also when a signal was handed over: whoever did it holds the bucket until it is done with our block.
      buckets_.lock();
      int by = waiter_.satisfied_by.load();
      if (by == Waiter::kWaiting && type_ == WaitAll) by = try_take();
      if (by != Waiter::kWaiting || !in_time) {
        unlink();
        buckets_.unlock();
        return by != Waiter::kWaiting ? by : STATUS_TIMEOUT;
      }
      buckets_.unlock();
    }
  }

 private:
  DISPATCHER_HEADER& header(unsigned i) const { return *static_cast<DISPATCHER_HEADER*>(objects_[i]); }

  void check_is_waitable(const void* object) const {
    if (object == nullptr) bug_check(BugCode::bad_object, "waiting for a null object");
    switch (kind_of(*static_cast<const DISPATCHER_HEADER*>(object))) {
      case ObjectKind::notification_event:
      case ObjectKind::synchronization_event:
      case ObjectKind::thread:
      case ObjectKind::notification_timer:
      case ObjectKind::synchronization_timer:
      case ObjectKind::mutex:
      case ObjectKind::semaphore:
        return;
    }
    bug_check(BugCode::bad_object,
              "waiting for %p, which is no event, mutex, semaphore, timer or thread (freed, or never initialised)",
              object);
  }

  int try_take() {  // all buckets locked
    if (type_ == WaitAny) {
      for (unsigned i = 0; i < count_; ++i) {
        if (!is_available(header(i), waiter_.thread)) continue;
        take(header(i), waiter_.thread);
        return static_cast<int>(i);
      }
      return Waiter::kWaiting;
    }
    for (unsigned i = 0; i < count_; ++i) {
      if (!is_available(header(i), waiter_.thread)) return Waiter::kWaiting;
    }
    for (unsigned i = 0; i < count_; ++i)
      take(header(i), waiter_.thread);
    return 0;
  }

  void link() SOFTNDK_NO_ANALYSIS {
    waiter_.since_ns = kernel().clock().now_ns();
    for (unsigned i = 0; i < count_; ++i) {
      blocks_[i].object = objects_[i];
      blocks_[i].waiter = &waiter_;
      blocks_[i].index = static_cast<int>(i);
      blocks_[i].takes = type_ == WaitAny;
      wait_bucket(objects_[i]).blocks.push_back(blocks_[i]);
    }
  }
  void unlink() SOFTNDK_NO_ANALYSIS {
    for (unsigned i = 0; i < count_; ++i)
      wait_bucket(objects_[i]).blocks.remove(blocks_[i]);
  }

  void* const* objects_;
  unsigned count_;
  WAIT_TYPE type_;
  BucketSet buckets_;
  Waiter waiter_{io::this_thread()};
  std::array<WaitBlock, MAXIMUM_WAIT_OBJECTS> blocks_;
};

NTSTATUS wait_for(void* const* objects, unsigned count, WAIT_TYPE type, const LARGE_INTEGER* timeout,
                  const void* caller) {
  const bool poll = timeout != nullptr && timeout->QuadPart == 0;
  scheduling_point();
  const io::TimeNs deadline_ns = timeout == nullptr || poll ? io::kNever : to_deadline_ns(timeout->QuadPart);
  return Wait(objects, count, type, caller).run(poll, deadline_ns);
}

}  // namespace

const char* to_string(ObjectKind kind) noexcept {
  switch (kind) {
    case ObjectKind::notification_event:
      return "notification event";
    case ObjectKind::synchronization_event:
      return "synchronization event";
    case ObjectKind::thread:
      return "thread";
    case ObjectKind::mutex:
      return "mutex";
    case ObjectKind::semaphore:
      return "semaphore";
    case ObjectKind::notification_timer:
      return "notification timer";
    case ObjectKind::synchronization_timer:
      return "synchronization timer";
  }
  return "?";
}

void initialize_header(DISPATCHER_HEADER& header, ObjectKind kind, bool signalled) noexcept {
  header.Lock = 0;
  header.Type = static_cast<UCHAR>(kind);
  header.SignalState = signalled ? 1 : 0;
  header.WaitListHead = {nullptr, nullptr};
}

namespace {

/// Changes the state by `update(header)`, under the bucket's lock, and hands what there is to take to the waiters, who
/// stand in order of arrival. Returns the state before.
template <class Update>
LONG change_state(DISPATCHER_HEADER& header, Update update) noexcept {
  WaitBucket& bucket = wait_bucket(&header);
  WakeList wakes;
  LONG before;
  {
    MutexLock lock(bucket.mutex);
    before = header.SignalState;
    update(header);
    for (WaitBlock* block = bucket.blocks.first(); block != nullptr && header.SignalState > 0; block = block->next) {
      if (block->object != &header) continue;
      if (block->takes) {
        // Another object of the same wait, in another bucket, may have been first.
        int waiting = Waiter::kWaiting;
        if (!block->waiter->satisfied_by.compare_exchange_strong(waiting, block->index)) continue;
        take(header, block->waiter->thread);
      }
      wakes.add(block->waiter->thread);
    }
  }
  wakes.wake();
  return before;
}

}  // namespace

LONG signal(DISPATCHER_HEADER& header, const void* setter) noexcept {
  return change_state(header, [setter](DISPATCHER_HEADER& one) {
    one.SignalState = 1;
    if (setter != nullptr) set_last_setter(one, setter);
  });
}

LONG release_mutex(KMUTEX& mutex, const void* caller) noexcept {
  return change_state(mutex.Header, [&](DISPATCHER_HEADER& header) {
    if (mutex.OwnerThread != owner_word(io::this_thread())) {
      char where[192];
      describe_code_address(caller, where, sizeof where);
      bug_check(BugCode::mutex_not_owned, "mutex %p released at %s by a thread that does not own it",
                static_cast<void*>(&mutex), where);
    }
    if (++header.SignalState > 0) mutex.OwnerThread = nullptr;
  });
}

LONG release_semaphore(KSEMAPHORE& semaphore, LONG adjustment, const void* caller) noexcept {
  return change_state(semaphore.Header, [&](DISPATCHER_HEADER& header) {
    if (adjustment <= 0 || header.SignalState > semaphore.Limit - adjustment) {
      char where[192];
      describe_code_address(caller, where, sizeof where);
      bug_check(BugCode::driver_violation, "semaphore %p released by %d at %s: its count is %d, its limit %d",
                static_cast<void*>(&semaphore), adjustment, where, header.SignalState, semaphore.Limit);
    }
    header.SignalState += adjustment;
  });
}

LONG clear(DISPATCHER_HEADER& header) noexcept {
  MutexLock lock(wait_bucket(&header).mutex);
  const LONG before = header.SignalState;
  header.SignalState = 0;
  return before;
}

LONG read_state(const DISPATCHER_HEADER& header) noexcept {
  // Under the lock, so that who reads a signal may free the object: the signaller is done with it.
  MutexLock lock(wait_bucket(&header).mutex);
  return header.SignalState;
}

io::TimeNs to_deadline_ns(LONGLONG nt_time) noexcept {
  constexpr io::TimeNs kNsPerUnit = 100;
  io::Clock& clock = kernel().clock();
  std::uint64_t units;
  if (nt_time < 0) {
    units = 0 - static_cast<std::uint64_t>(nt_time);
  } else {
    const std::uint64_t wall = clock.wall_100ns();
    const auto due = static_cast<std::uint64_t>(nt_time);
    units = due > wall ? due - wall : 0;
  }
  const io::TimeNs now = clock.now_ns();
  return units >= (io::kNever - now) / kNsPerUnit ? io::kNever : now + units * kNsPerUnit;
}

}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

void KeInitializeEvent(PRKEVENT event, EVENT_TYPE type, BOOLEAN state) noexcept {
  initialize_header(event->Header,
                    type == NotificationEvent ? ObjectKind::notification_event : ObjectKind::synchronization_event,
                    state != FALSE);
}

LONG KeSetEvent(PRKEVENT event, KPRIORITY, BOOLEAN wait) noexcept {
  if (wait) {
    check_irql(EntryPoint::KeSetEvent_Wait);
  } else {
    check_irql(EntryPoint::KeSetEvent);
  }
  const LONG before = signal(event->Header, __builtin_return_address(0));
  scheduling_point();
  return before;
}

void KeClearEvent(PRKEVENT event) noexcept {
  check_irql(EntryPoint::KeClearEvent);
  clear(event->Header);
}

LONG KeResetEvent(PRKEVENT event) noexcept {
  check_irql(EntryPoint::KeResetEvent);
  return clear(event->Header);
}

LONG KeReadStateEvent(PRKEVENT event) noexcept {
  check_irql(EntryPoint::KeReadStateEvent);
  scheduling_point();  // drivers spin on this
  return read_state(event->Header);
}

NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON, KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER timeout) noexcept {
  if (timeout != nullptr && timeout->QuadPart == 0) {
    check_irql(EntryPoint::KeWaitForSingleObject_ZeroTimeout);
  } else {
    check_irql(EntryPoint::KeWaitForSingleObject);
  }
  caller_waits("a wait");
  return wait_for(&object, 1, WaitAny, timeout, __builtin_return_address(0));
}

NTSTATUS KeWaitForMultipleObjects(ULONG count, PVOID objects[], WAIT_TYPE type, KWAIT_REASON, KPROCESSOR_MODE, BOOLEAN,
                                  PLARGE_INTEGER timeout, PKWAIT_BLOCK blocks) noexcept {
  if (timeout != nullptr && timeout->QuadPart == 0) {
    check_irql(EntryPoint::KeWaitForMultipleObjects_ZeroTimeout);
  } else {
    check_irql(EntryPoint::KeWaitForMultipleObjects);
  }
  caller_waits("a wait");
  if (count == 0 || count > MAXIMUM_WAIT_OBJECTS || (count > THREAD_WAIT_OBJECTS && blocks == nullptr)) {
    bug_check(BugCode::driver_violation,
              "KeWaitForMultipleObjects of %u objects: 1 to %d are allowed, more than %d with a wait block array",
              count, MAXIMUM_WAIT_OBJECTS, THREAD_WAIT_OBJECTS);
  }
  return wait_for(objects, count, type, timeout, __builtin_return_address(0));
}
}
