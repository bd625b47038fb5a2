#include "ntrt/wait_queue.h"

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/wait_event.h"

namespace softndk::ntrt {
namespace {
constexpr unsigned kBucketBits = 8;
constinit WaitBucket g_buckets[1u << kBucketBits];
}  // namespace

WaitBucket& wait_bucket(const void* object) noexcept {
  const auto key = reinterpret_cast<std::uintptr_t>(object) >> 3;
  return g_buckets[(key * 0x9e3779b97f4a7c15u) >> (64 - kBucketBits)];
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

Parking::Parking(const char* what, const void* object, io::TimeNs deadline_ns, const void* caller) noexcept
    : what_(what), object_(object), caller_(caller), deadline_ns_(deadline_ns), explain_at_ns_(io::kNever) {
  Kernel& running = kernel();
  const io::TimeNs after_ns = running.options().explain_wait_after_ns;
  if (deadline_ns == io::kNever && after_ns != 0) explain_at_ns_ = running.clock().now_ns() + after_ns;
}

bool Parking::park() noexcept {
  Kernel& running = kernel();
  if (explain_at_ns_ != io::kNever) {
    if (running.executor().park(explain_at_ns_) || running.clock().now_ns() < explain_at_ns_) return true;
    explain_at_ns_ = io::kNever;
    char where[192];
    describe_code_address(caller_, where, sizeof where);
    log(LogLevel::warning, "thread '%s' still waits for %s %p, without time-out, at %s", io::this_thread().name, what_,
        object_, where);
    return true;
  }
  return running.executor().park(deadline_ns_) || deadline_ns_ == io::kNever || running.clock().now_ns() < deadline_ns_;
}

bool wait_on_address(const void* address, bool (*condition)(const void*) noexcept, io::TimeNs deadline_ns,
                     const char* what, const void* caller) noexcept {
  WaitBucket& bucket = wait_bucket(address);
  Waiter waiter{io::this_thread()};
  WaitBlock block;
  block.object = address;
  block.waiter = &waiter;
  {
    MutexLock lock(bucket.mutex);
    if (condition(address)) return true;
    bucket.blocks.push_back(block);
  }
  Parking parking(what, address, deadline_ns, caller);
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
