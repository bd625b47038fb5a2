#pragma once
// Dispatcher objects: what KeWaitForSingleObject takes. Their state is guarded by the lock of their wait bucket, their
// waiters are linked there (wait_queue.h); DISPATCHER_HEADER's own list stays unused.
#include "io/clock.h"
#include "ntrt/wait_queue.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {

/// DISPATCHER_HEADER.Type, with the numbers Windows uses (KOBJECTS).
enum class ObjectKind : UCHAR {
  notification_event = 0,
  synchronization_event = 1,
  mutex = 2,
  semaphore = 5,
  thread = 6,
  notification_timer = 8,
  synchronization_timer = 9,
};
constexpr bool resets_itself(ObjectKind kind) {
  return kind == ObjectKind::synchronization_event || kind == ObjectKind::synchronization_timer;
}
constexpr bool is_event(ObjectKind kind) {
  return kind == ObjectKind::notification_event || kind == ObjectKind::synchronization_event;
}
const char* to_string(ObjectKind kind) noexcept;

void initialize_header(DISPATCHER_HEADER& header, ObjectKind kind, bool signalled) noexcept;
/// Signals, releases whom that releases, and returns the state before. Not touched after a waiter can have returned.
/// Any IRQL up to DISPATCH_LEVEL (not checked here). `setter`: the code address that reports name; null: no driver's.
LONG signal(DISPATCHER_HEADER& header, const void* setter = nullptr) noexcept;
/// Gives a mutex back, one of the takes of `owner`; a bug check (`caller`) if that does not own it.
LONG release_mutex(KMUTEX& mutex, const void* caller) noexcept;
/// Adds to a semaphore's count and releases as many waiters; a bug check if the count would pass the limit.
LONG release_semaphore(KSEMAPHORE& semaphore, LONG adjustment, const void* caller) noexcept;
/// Makes it not signalled; returns the state before.
LONG clear(DISPATCHER_HEADER& header) noexcept;
LONG read_state(const DISPATCHER_HEADER& header) noexcept;

/// An NT time-out (100 ns; negative relative, positive absolute since 1601) as a deadline on the world's clock.
io::TimeNs to_deadline_ns(LONGLONG nt_time) noexcept;

}  // namespace softndk::ntrt
