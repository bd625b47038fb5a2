#include "ntrt/wait_queue.h"

#include <cstdio>

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/dispatcher.h"
#include "ntrt/explain_wait.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/wait_event.h"

namespace softndk::ntrt {

constinit WaitBucket g_wait_buckets[kWaitBuckets];

WaitBucket& wait_bucket(const void* object) noexcept {
  const auto key = reinterpret_cast<std::uintptr_t>(object) >> 3;
  static_assert(kWaitBuckets == 256);
  return g_wait_buckets[(key * 0x9e3779b97f4a7c15u) >> (64 - 8)];
}

namespace {

/// Under the lock of the object's bucket.
WaitDescription describe(const Waiter& waiter, const void* object) noexcept {
  WaitDescription to;
  to.thread = waiter.thread.name;
  to.what = waiter.what;
  to.object = object;
  to.caller = waiter.caller;
  to.since_ns = waiter.since_ns;
  if (!waiter.is_for_dispatcher_objects) return to;
  const auto& header = *static_cast<const DISPATCHER_HEADER*>(object);
  to.what = to_string(static_cast<ObjectKind>(header.Type));
  to.is_event = is_event(static_cast<ObjectKind>(header.Type));
  to.setter = to.is_event ? last_setter(header) : nullptr;
  return to;
}

}  // namespace

std::size_t copy_waits(WaitBucket& bucket, WaitDescription* to, std::size_t room) noexcept {
  MutexLock lock(bucket.mutex);
  std::size_t count = 0;
  for (WaitBlock* block = bucket.blocks.first(); block != nullptr && count < room; block = block->next)
    to[count++] = describe(*block->waiter, block->object);
  return count;
}

void WaitDescription::write(char* to, std::size_t size_bytes) const noexcept {
  char where[256];
  describe_code_address(caller, where, sizeof where);
  char set[300] = "";
  if (is_event && setter != nullptr) {
    char place[256];
    describe_code_address(setter, place, sizeof place);
    std::snprintf(set, sizeof set, "; it was set last by %s", place);
  } else if (is_event) {
    std::snprintf(set, sizeof set, "; nobody has set it since it was initialised");
  }
  const io::TimeNs now_ns = kernel().clock().now_ns();
  char name[48] = "a thread";
  if (*thread != '\0') std::snprintf(name, sizeof name, "thread '%s'", thread);
  std::snprintf(to, size_bytes, "%s waits for %s %p, for %s, at %s%s", name, what, object,
                DurationText(now_ns > since_ns ? now_ns - since_ns : 0).text, where, set);
}

void WakeList::add(io::ThreadContext& thread) noexcept {
  if (executor_ == nullptr) executor_ = &kernel().executor();
  if (count_ == kRoom) {
    executor_->unpark(thread);  // a crowd: these wake to find the bucket locked, and wait a moment more
  } else {
    threads_[count_++] = &thread;
  }
}

void WakeList::wake() noexcept {
  for (unsigned i = 0; i < count_; ++i)
    executor_->unpark(*threads_[i]);
  count_ = 0;
}

Parking::Parking(const Waiter& waiter, const void* object, io::TimeNs deadline_ns) noexcept
    : waiter_(waiter), object_(object), deadline_ns_(deadline_ns), explain_at_ns_(io::kNever) {
  Kernel& running = kernel();
  const io::TimeNs after_ns = running.options().explain_wait_after_ns;
  if (deadline_ns == io::kNever && after_ns != 0) explain_at_ns_ = running.clock().now_ns() + after_ns;
}

bool Parking::park() noexcept {
  Kernel& running = kernel();
  if (explain_at_ns_ != io::kNever) {
    if (running.executor().park(explain_at_ns_) || running.clock().now_ns() < explain_at_ns_) return true;
    explain_at_ns_ = io::kNever;
    if (log_enabled(LogLevel::warning)) explain();
    return true;
  }
  return running.executor().park(deadline_ns_) || deadline_ns_ == io::kNever || running.clock().now_ns() < deadline_ns_;
}

void Parking::explain() noexcept {
  WaitDescription wait;
  {
    MutexLock lock(wait_bucket(object_).mutex);
    wait = describe(waiter_, object_);
  }
  char line[640];
  wait.write(line, sizeof line);
  log(LogLevel::warning, "%s, without time-out", line);
  if (!wait.is_event) return;
  const LineSink sink = {nullptr, [](void*, const char* request) noexcept {
                           log(LogLevel::warning, "  could be set by the completion of %s", request);
                         }};
  report_pending_requests(sink, object_);
}

bool wait_on_address(const void* address, bool (*condition)(const void*) noexcept, io::TimeNs deadline_ns,
                     const char* what, const void* caller) noexcept {
  WaitBucket& bucket = wait_bucket(address);
  Waiter waiter{io::this_thread()};
  waiter.what = what;
  waiter.caller = caller;
  WaitBlock block;
  block.object = address;
  block.waiter = &waiter;
  {
    MutexLock lock(bucket.mutex);
    if (condition(address)) return true;
    waiter.since_ns = kernel().clock().now_ns();
    bucket.blocks.push_back(block);
  }
  Parking parking(waiter, address, deadline_ns);
  for (;;) {
    const bool in_time = parking.park();
    MutexLock lock(bucket.mutex);
    const bool holds = condition(address);
    if (holds || !in_time) {
      bucket.blocks.remove(block);
      return holds;
    }
  }
}

void wake_address(const void* address, io::Executor& executor) noexcept {
  WaitBucket& bucket = wait_bucket(address);
  WakeList wakes(executor);
  {
    MutexLock lock(bucket.mutex);
    for (WaitBlock* block = bucket.blocks.first(); block != nullptr; block = block->next) {
      if (block->object == address) wakes.add(block->waiter->thread);
    }
  }
  wakes.wake();
}

void WaitEvent::set() noexcept {
  // A waiter may free this, and stop the kernel, as soon as it sees the flag.
  io::Executor& executor = kernel().executor();
  set_.store(true);
  wake_address(this, executor);
}

void WaitEvent::wait() noexcept {
  wait_until(io::kNever);
}

bool WaitEvent::wait_until(io::TimeNs deadline_ns) noexcept {
  check_irql(EntryPoint::KeWaitForSingleObject);
  const auto is_set = [](const void* event) noexcept { return static_cast<const WaitEvent*>(event)->is_set(); };
  return wait_on_address(this, is_set, deadline_ns, what_, __builtin_return_address(0));
}

}  // namespace softndk::ntrt
