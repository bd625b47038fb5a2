#include "net/processor.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include <algorithm>

#include "base/log.h"
#include "net/io_error.h"
#include "net/spin_history.h"

namespace softndk::net {

using io::IoError;
using io::kNever;
using io::TimeNs;

namespace {

constexpr int kEventsPerRound = 64;
// A timer that arms itself again for the past must leave room for events and tasks.
constexpr int kTimersPerRound = 64;

thread_local const Processor* t_processor = nullptr;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

expected<Owned<Processor>, IoError> Processor::create(Clock& clock, unsigned index, TimeNs spin_ns) noexcept {
  const long epoll_fd = sys::epoll_create();
  if (epoll_fd < 0) return unexpected(to_io_error(-epoll_fd, Call::local));
  sys::Fd epoll(epoll_fd);

  const long wake = sys::eventfd();
  if (wake < 0) return unexpected(to_io_error(-wake, Call::local));
  sys::Fd wake_fd(wake);
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  const long added = sys::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake_fd.get(), &event);
  if (added < 0) return unexpected(to_io_error(-added, Call::local));

  auto processor = try_make<Processor>(clock, index, spin_ns, std::move(epoll), std::move(wake_fd));
  if (processor == nullptr) return unexpected(IoError::no_resources);
  processor->context_ = io::SpareContext::take();
  if (!processor->context_) return unexpected(IoError::no_resources);
  if (fault_injected("thread") || pthread_create(&processor->thread_, nullptr, &thread_entry, processor.get()) != 0)
    return unexpected(IoError::no_resources);
  processor->started_ = true;
  return processor;
}

Processor::Processor(Clock& clock, unsigned index, TimeNs spin_ns, sys::Fd epoll, sys::Fd wake_fd) noexcept
    : clock_(clock), index_(index), spin_ns_(spin_ns), epoll_(std::move(epoll)), wake_fd_(std::move(wake_fd)) {
  snprintf(name_, sizeof name_, "ndk-cpu-%u", index);
}

void Processor::stop() noexcept {
  if (!started_) return;
  started_ = false;
  SOFTNDK_CHECK(!is_current());
  stop_.store(true);
  wake();
  pthread_join(thread_, nullptr);
}

bool Processor::is_current() const noexcept {
  return t_processor == this;
}
bool Processor::on_any() noexcept {
  return t_processor != nullptr;
}

void* Processor::thread_entry(void* self) {
  auto& processor = *static_cast<Processor*>(self);
  // Signals are the program's; its own threads take them.
  sys::block_all_signals();
  sys::set_thread_name(processor.name_);
  // Sleeps end at deadlines of a few tens of microseconds (a minimum completion latency); the default slack is 50.
  sys::set_timer_slack_ns(1000);
  processor.context_.adopt();
  io::this_thread().name = processor.name_;
  t_processor = &processor;
  processor.run();
  t_processor = nullptr;
  io::this_thread().name = "";  // the context lives on, the name does not
  return nullptr;
}

bool Processor::run_round() noexcept {
  constexpr timespec kNoWait{};
  bool busy = run_events(&kNoWait);
  busy |= run_tasks();
  busy |= run_timers();
  return busy;
}

void Processor::run() noexcept {
  SpinHistory spins;
  for (;;) {
    while (run_round()) {
    }
    if (stop_.load()) return;
    if (spin_ns_ > 0 && spins.worth_trying()) {
      const TimeNs start_ns = clock_.now_ns();
      bool busy = false;
      while (!busy && !stop_.load(std::memory_order_relaxed) && clock_.now_ns() - start_ns < spin_ns_) {
        pause_cpu();
        busy = run_round();
      }
      if (busy) {
        spins.succeeded();
        continue;
      }
      spins.failed();
    }
    sleep();
  }
}

bool Processor::run_events(const timespec* timeout) noexcept {
  epoll_event events[kEventsPerRound];
  const long count = sys::epoll_wait(epoll_.get(), events, kEventsPerRound, timeout);
  if (sleeping_.load(std::memory_order_relaxed)) sleeping_.store(false);
  SOFTNDK_CHECK(count >= 0 || count == -EINTR);
  for (long i = 0; i < count; ++i)
    if (auto* source = static_cast<EventSource*>(events[i].data.ptr)) source->on_events(events[i].events);
  return count > 0;
}

bool Processor::run_tasks() noexcept {
  if (posted_.load(std::memory_order_relaxed) == nullptr) return false;
  // acquire: what posters wrote before their push; partner: the exchange in post().
  ListLink* newest_first = posted_.exchange(nullptr, std::memory_order_acquire);
  ListLink* oldest_first = nullptr;
  while (newest_first != nullptr) {
    ListLink* link = newest_first;
    newest_first = link->next;
    link->next = oldest_first;
    oldest_first = link;
  }
  while (oldest_first != nullptr) {
    auto& task = static_cast<io::Task&>(*oldest_first);
    oldest_first = task.next;  // before start(): from then on the task may be queued again, or gone
    task.next = nullptr;
    task.start();
  }
  return true;
}

bool Processor::run_timers() noexcept {
  if (next_deadline_ns_.load(std::memory_order_relaxed) == kNever) return false;
  const TimeNs now_ns = clock_.now_ns();
  int ran = 0;
  // One at a time, so that a timer's run may still cancel the next.
  for (; ran < kTimersPerRound; ++ran) {
    io::Timer* due = nullptr;
    bool start = false;
    {
      MutexLock lock(timers_lock_);
      due = timers_.earliest();
      if (due == nullptr || due->deadline_ns > now_ns) break;
      timers_.remove(*due);
      due->armed = false;
      io::Timer* next = timers_.earliest();
      next_deadline_ns_.store(next != nullptr ? next->deadline_ns : kNever);
      // A timer is a task as well and may have been posted: then that run serves both.
      start = due->mark_queued();
    }
    if (start) due->start();
  }
  return ran > 0;
}

void Processor::sleep() noexcept {
  sleeping_.store(true);
  const TimeNs deadline_ns = next_deadline_ns_.load();
  const TimeNs now_ns = deadline_ns == kNever ? 0 : clock_.now_ns();
  if (posted_.load() != nullptr || stop_.load() || deadline_ns <= now_ns) {
    sleeping_.store(false);
    return;
  }
  if (deadline_ns == kNever) {
    run_events(nullptr);
  } else {
    const timespec timeout = to_timespec(deadline_ns - now_ns);
    run_events(&timeout);
  }
}

void Processor::wake() noexcept {
  // Whoever takes the flag down writes; the others' work is seen by the same round.
  if (!sleeping_.load() || !sleeping_.exchange(false)) return;
  const std::uint64_t one = 1;
  sys::write(wake_fd_.get(), &one, sizeof one);
}

bool Processor::post(io::Task& task) noexcept {
  if (!task.mark_queued()) return false;
  ListLink* newest = posted_.load(std::memory_order_relaxed);
  do {
    task.next = newest;
  } while (!posted_.compare_exchange_weak(newest, &task));  // seq_cst: see sleeping_
  // The task may have run by now and be gone.
  if (!is_current()) wake();
  return true;
}

void Processor::arm(io::Timer& timer, TimeNs deadline_ns) noexcept {
  bool earlier = false;
  {
    MutexLock lock(timers_lock_);
    if (timer.armed) timers_.remove(timer);
    timer.armed = true;
    timer.deadline_ns = deadline_ns;
    timers_.insert(timer);
    const TimeNs earliest_ns = timers_.earliest()->deadline_ns;
    earlier = earliest_ns < next_deadline_ns_.load(std::memory_order_relaxed);
    next_deadline_ns_.store(earliest_ns);  // seq_cst: see sleeping_
  }
  if (earlier && !is_current()) wake();
}

bool Processor::cancel(io::Timer& timer) noexcept {
  MutexLock lock(timers_lock_);
  if (!timer.armed) return false;
  timers_.remove(timer);
  timer.armed = false;
  io::Timer* next = timers_.earliest();
  next_deadline_ns_.store(next != nullptr ? next->deadline_ns : kNever);
  return true;
}

expected<void, IoError> Processor::watch(int fd, std::uint32_t events, EventSource& source) noexcept {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  const long result = sys::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  return {};
}

void Processor::change_watch(int fd, std::uint32_t events, EventSource& source) noexcept {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  SOFTNDK_CHECK(sys::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Processor::unwatch(int fd) noexcept {
  epoll_event event{};
  SOFTNDK_CHECK(sys::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &event) == 0);
}

}  // namespace softndk::net
