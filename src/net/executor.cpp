#include "net/executor.h"

#include <errno.h>
#include <pthread.h>

#include <atomic>
#include <utility>

#include "base/log.h"
#include "net/spin_history.h"
#include "net/sys.h"

namespace softndk::net {

using io::IoError;
using io::kNever;
using io::ThreadContext;
using io::ThreadHandle;
using io::TimeNs;

namespace {

struct Thread {
  Thread(const char* its_name, void (*its_entry)(void*), void* its_argument, io::SpareContext its_context)
      : name(its_name), entry(its_entry), argument(its_argument), context(std::move(its_context)) {}
  const char* name;
  void (*entry)(void*);
  void* argument;
  io::SpareContext context;
  pthread_t id{};
};

void* thread_entry(void* self) {
  auto& thread = *static_cast<Thread*>(self);
  sys::set_thread_name(thread.name);
  thread.context.adopt();
  io::this_thread().name = thread.name;
  thread.entry(thread.argument);
  return nullptr;
}

// What ThreadContext::world holds: nothing; a wake that nobody took yet; or that the thread sleeps (or is about to).
// The kernel compares the low half, hence the byte order.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
void* const kNone = nullptr;
void* const kToken = reinterpret_cast<void*>(1);
void* const kParked = reinterpret_cast<void*>(2);
const std::uint32_t* futex_word(ThreadContext& thread) {
  return reinterpret_cast<const std::uint32_t*>(&thread.world);
}

thread_local SpinHistory t_spins;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

expected<void, IoError> Executor::start_processors(unsigned count) noexcept {
  SOFTNDK_CHECK(count > 0 && count <= kProcessorsMax && processor_count_ == 0);
  for (unsigned index = 0; index < count; ++index) {
    auto processor = Processor::create(clock_, index, spin_ns_);
    if (!processor) return unexpected(processor.error());
    processors_[index] = std::move(*processor);
  }
  processor_count_ = count;
  return {};
}

Executor::~Executor() {
  // All before one is destroyed: the last tasks of one may post to another.
  for (auto& processor : processors_)
    if (processor != nullptr) processor->stop();
}

io::Processor& Executor::processor(unsigned index) noexcept {
  SOFTNDK_CHECK(index < processor_count_);
  return *processors_[index];
}

expected<ThreadHandle, IoError> Executor::spawn(const char* name, void (*entry)(void*), void* argument) noexcept {
  auto thread = try_make<Thread>(name, entry, argument, io::SpareContext::take());
  if (thread == nullptr || !thread->context || fault_injected("thread")) return unexpected(IoError::no_resources);
  if (pthread_create(&thread->id, nullptr, &thread_entry, thread.get()) != 0) return unexpected(IoError::no_resources);
  return ThreadHandle{thread.release()};
}

void Executor::join(ThreadHandle handle) noexcept {
  Owned<Thread> thread(static_cast<Thread*>(handle.implementation));
  SOFTNDK_CHECK(pthread_join(thread->id, nullptr) == 0);
}

bool Executor::park(TimeNs deadline_ns) noexcept {
  SOFTNDK_CHECK(!Processor::on_any());  // whoever would wake us may need this very thread
  ThreadContext& thread = io::this_thread();
  // Order: what the waker wrote before its exchange in unpark() (release) is visible after the token was taken here
  // (acquire). All of it on one word, so nothing stronger is needed; the kernel looks at the same word.
  std::atomic_ref<void*> state(thread.world);

  if (spin_ns_ > 0 && deadline_ns > 0 && t_spins.worth_trying()) {
    const TimeNs start_ns = clock_.now_ns();
    for (;;) {
      if (state.load(std::memory_order_relaxed) != kNone) {
        t_spins.succeeded();
        break;
      }
      const TimeNs now_ns = clock_.now_ns();
      if (now_ns >= deadline_ns || now_ns - start_ns >= spin_ns_) {
        t_spins.failed();
        break;
      }
      pause_cpu();
    }
  }

  void* was = kNone;
  if (!state.compare_exchange_strong(was, kParked, std::memory_order_acq_rel, std::memory_order_acquire)) {
    // A token. (Or what another world left in a recycled context: a wake for no reason.)
    state.exchange(kNone, std::memory_order_acquire);
    return true;
  }
  const timespec deadline = to_timespec(deadline_ns);
  for (;;) {
    const long result = sys::futex_wait(futex_word(thread), 2, deadline_ns == kNever ? nullptr : &deadline);
    was = kToken;
    if (state.compare_exchange_strong(was, kNone, std::memory_order_acquire)) return true;
    // A wake may come between the time-out and here: then it counts.
    if (result == -ETIMEDOUT) return state.exchange(kNone, std::memory_order_acquire) == kToken;
  }
}

void Executor::unpark(ThreadContext& thread) noexcept {
  std::atomic_ref<void*> state(thread.world);
  if (state.exchange(kToken, std::memory_order_release) == kParked) sys::futex_wake_one(futex_word(thread));
}

void Executor::relax(unsigned spins) noexcept {
  constexpr unsigned kPauses = 64;  // about 2 us
  if (spins < kPauses) {
    pause_cpu();
  } else {
    sys::sched_yield();
  }
}

}  // namespace softndk::net
