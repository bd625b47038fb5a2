#include "ntrt/timer.h"

#include "ntrt/deferred.h"
#include "ntrt/dispatcher.h"
#include "ntrt/dpc.h"
#include "ntrt/stack_context.h"

namespace softndk::ntrt {
namespace {

constexpr ULONG kTick100ns = 156'250;  // 15.625 ms, as on Windows

KTIMER& from_entry(LIST_ENTRY* entry) {
  return *CONTAINING_RECORD(entry, KTIMER, TimerListEntry);
}

}  // namespace

TimerQueue::TimerQueue(io::Processor& processor) noexcept : processor_(processor) {
  InitializeListHead(&timers_);
}

void TimerQueue::insert(KTIMER& timer, io::TimeNs deadline_ns) noexcept {
  timer.DueTime.QuadPart = deadline_ns;
  LIST_ENTRY* before = timers_.Blink;  // most timers are due later than those already set
  while (before != &timers_ && from_entry(before).DueTime.QuadPart > deadline_ns)
    before = before->Blink;
  InsertHeadList(before, &timer.TimerListEntry);
}

bool TimerQueue::remove(KTIMER& timer) noexcept {
  if (timer.TimerListEntry.Flink == nullptr) return false;
  RemoveEntryList(&timer.TimerListEntry);
  timer.TimerListEntry = {nullptr, nullptr};
  return true;
}

void TimerQueue::arm_for_first() noexcept {
  if (stopped_ || IsListEmpty(&timers_)) return;
  const io::TimeNs deadline_ns = from_entry(timers_.Flink).DueTime.QuadPart;
  if (deadline_ns != io::kNever) processor_.arm(alarm_, deadline_ns);
}

bool TimerQueue::set(KTIMER& timer, io::TimeNs deadline_ns, ULONG period_ms, KDPC* dpc) noexcept {
  MutexLock lock(mutex_);
  const bool was_set = remove(timer);
  clear(timer.Header);
  timer.Period = period_ms;
  timer.Dpc = dpc;
  insert(timer, deadline_ns);
  arm_for_first();
  return was_set;
}

bool TimerQueue::cancel(KTIMER& timer) noexcept {
  // The alarm may now come early; it then finds nothing due and is set anew.
  MutexLock lock(mutex_);
  return remove(timer);
}

void TimerQueue::expire(io::Task& task) noexcept {
  TimerQueue& self = static_cast<Alarm&>(task).queue;
  MutexLock lock(self.mutex_);
  const io::TimeNs now = now_ns();
  while (!self.stopped_ && !IsListEmpty(&self.timers_)) {
    KTIMER& timer = from_entry(self.timers_.Flink);
    if (timer.DueTime.QuadPart > now) break;
    const io::TimeNs due = timer.DueTime.QuadPart;
    KDPC* dpc = timer.Dpc;
    self.remove(timer);
    if (timer.Period != 0) {
      // Periods that were missed are not made up for.
      const io::TimeNs period_ns = timer.Period * io::kMillisecond;
      self.insert(timer, due + ((now - due) / period_ns + 1) * period_ns);
    }
    if (dpc != nullptr) kernel().dpcs().insert(*dpc, nullptr, nullptr);
    // Last, because a waiter may free a timer that is not periodic.
    signal(timer.Header);
  }
  self.arm_for_first();
}

bool TimerQueue::is_idle() noexcept {
  MutexLock lock(mutex_);
  return IsListEmpty(&timers_);
}

unsigned TimerQueue::stop() noexcept {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  processor_.cancel(alarm_);
  flush_processors();  // an expiry that had begun has ended
  MutexLock lock(mutex_);
  unsigned left = 0;
  for (LIST_ENTRY* at = timers_.Flink; at != &timers_; at = at->Flink)
    ++left;
  return left;
}

}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

void KeInitializeTimer(PKTIMER timer) noexcept {
  KeInitializeTimerEx(timer, NotificationTimer);
}

void KeInitializeTimerEx(PKTIMER timer, TIMER_TYPE type) noexcept {
  *timer = KTIMER{};
  initialize_header(timer->Header,
                    type == NotificationTimer ? ObjectKind::notification_timer : ObjectKind::synchronization_timer,
                    false);
}

BOOLEAN KeSetTimer(PKTIMER timer, LARGE_INTEGER due, PKDPC dpc) noexcept {
  check_irql(EntryPoint::KeSetTimer);
  return kernel().timers().set(*timer, to_deadline_ns(due.QuadPart), 0, dpc);
}

BOOLEAN KeSetTimerEx(PKTIMER timer, LARGE_INTEGER due, LONG period_ms, PKDPC dpc) noexcept {
  check_irql(EntryPoint::KeSetTimer);
  const ULONG period = period_ms > 0 ? static_cast<ULONG>(period_ms) : 0;
  return kernel().timers().set(*timer, to_deadline_ns(due.QuadPart), period, dpc);
}

BOOLEAN KeCancelTimer(PKTIMER timer) noexcept {
  check_irql(EntryPoint::KeCancelTimer);
  scheduling_point();
  return kernel().timers().cancel(*timer);
}

NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER interval) noexcept {
  check_irql(EntryPoint::KeDelayExecutionThread);
  caller_waits("a delay");
  const softndk::io::TimeNs deadline_ns = to_deadline_ns(interval->QuadPart);
  scheduling_point();  // drivers poll with a delay of zero
  softndk::io::Executor& executor = kernel().executor();
  while (now_ns() < deadline_ns)
    executor.park(deadline_ns);
  return STATUS_SUCCESS;
}

void KeQuerySystemTime(PLARGE_INTEGER time) noexcept {
  time->QuadPart = static_cast<LONGLONG>(kernel().clock().wall_100ns());
}

BOOLEAN KeReadStateTimer(PKTIMER timer) noexcept {
  check_irql(EntryPoint::KeReadStateTimer);
  return read_state(timer->Header) != 0;
}

BOOLEAN KeSetCoalescableTimer(PKTIMER timer, LARGE_INTEGER due, ULONG period_ms, ULONG, PKDPC dpc) noexcept {
  return KeSetTimerEx(timer, due, static_cast<LONG>(period_ms), dpc);
}

void KeQuerySystemTimePrecise(PLARGE_INTEGER time) noexcept {
  KeQuerySystemTime(time);
}

ULONGLONG KeQueryInterruptTimePrecise(PULONG64 counter) noexcept {
  if (counter != nullptr) *counter = static_cast<ULONG64>(KeQueryPerformanceCounter(nullptr).QuadPart);
  return KeQueryInterruptTime();
}

ULONGLONG KeQueryUnbiasedInterruptTime(void) noexcept {
  return KeQueryInterruptTime();
}

ULONG KeQueryTimeIncrement(void) noexcept {
  return kTick100ns;
}

void SoftNdkQueryTickCount(PLARGE_INTEGER ticks) noexcept {
  ticks->QuadPart = static_cast<LONGLONG>(KeQueryInterruptTime() / kTick100ns);
}

void KeStallExecutionProcessor(ULONG microseconds) noexcept {
  softndk::io::Executor& executor = kernel().executor();
  const softndk::io::TimeNs end = now_ns() + microseconds * softndk::io::kMicrosecond;
  for (unsigned spins = 0; now_ns() < end; ++spins)
    executor.relax(spins);
}

ULONGLONG KeQueryInterruptTime(void) noexcept {
  return (now_ns() - kernel().started_ns()) / 100;
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER frequency) noexcept {
  // 10 MHz, as on current Windows: drivers divide by it in 64 bits.
  if (frequency != nullptr) frequency->QuadPart = 10'000'000;
  LARGE_INTEGER ticks;
  ticks.QuadPart = static_cast<LONGLONG>(now_ns() / 100);
  return ticks;
}
}
