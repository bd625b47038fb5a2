#include "ntrt/kernel.h"

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/dpc.h"
#include "ntrt/irql.h"
#include "ntrt/object.h"
#include "ntrt/path_map.h"
#include "ntrt/registry.h"
#include "ntrt/thread.h"
#include "ntrt/timer.h"
#include "ntrt/work_item.h"

namespace softndk::ntrt {
namespace {
std::atomic<Kernel*> g_kernel{nullptr};
std::atomic<void (*)() noexcept> g_automatic_start{nullptr};
}  // namespace

Kernel& kernel() noexcept {
  Kernel* running = g_kernel.load(std::memory_order_acquire);  // partner: the exchange in start
  if (running == nullptr) {
    want_kernel();
    running = g_kernel.load(std::memory_order_acquire);
  }
  if (running == nullptr) bug_check(BugCode::driver_violation, "a call that needs the runtime while it is not started");
  return *running;
}

void want_kernel() noexcept {
  if (g_kernel.load(std::memory_order_acquire) != nullptr) return;
  if (auto start = g_automatic_start.load()) start();
}

void set_automatic_start(void (*start)() noexcept) noexcept {
  g_automatic_start.store(start);
}

Kernel* kernel_if_running() noexcept {
  return g_kernel.load(std::memory_order_acquire);
}

ThreadLabel this_thread_label() noexcept {
  const io::ThreadContext& context = io::this_thread();
  return {&context, context.name};
}

Kernel::Kernel() noexcept = default;

Kernel::~Kernel() noexcept {
  SOFTNDK_CHECK(!is_running());
}

expected<void, StartError> Kernel::start(const io::World& world, const KernelOptions& options) noexcept {
  Kernel* none = nullptr;
  // Not published yet: another thread that calls in meanwhile finds no kernel, as before.
  if (is_running() || g_kernel.load() != nullptr) return unexpected(StartError::already_running);
  world_.emplace(world);
  options_ = options;
  started_ns_ = world.clock.now_ns();
  next_processor_.store(0);
  handles_ = try_make<HandleTable>();
  registry_ = Registry::create();
  path_map_ = try_make<PathMap>();
  threads_ = try_make<ThreadTable>();
  workers_ = try_make<WorkerPool>();
  dpcs_ = try_make<DpcQueues>();
  timers_ = try_make<TimerQueue>(world.executor.processor(0));
  const bool made = handles_ != nullptr && registry_ != nullptr && path_map_ != nullptr && threads_ != nullptr &&
                    workers_ != nullptr && dpcs_ != nullptr && timers_ != nullptr && dpcs_->start(world.executor);
  if (!made) {
    drop_parts();
    return unexpected(StartError::no_resources);
  }
  if (!g_kernel.compare_exchange_strong(none, this)) {
    drop_parts();
    return unexpected(StartError::already_running);
  }
  if (!workers_->start()) {
    g_kernel.store(nullptr);
    drop_parts();
    return unexpected(StartError::no_resources);
  }
  return {};
}

bool Kernel::is_idle() noexcept {
  return workers_->is_idle() && threads_->is_idle() && timers_->is_idle();
}

void Kernel::stop() noexcept {
  if (!is_running()) return;
  for (;;) {
    StopAction* last = nullptr;
    {
      MutexLock lock(mutex_);
      for (StopAction* action = stop_actions_.front(); action != nullptr; action = stop_actions_.after(*action))
        last = action;
      if (last != nullptr) stop_actions_.remove(*last);
    }
    if (last == nullptr) break;
    last->run(*last);
  }
  if (const unsigned left = timers_->stop(); left != 0)
    log(LogLevel::error, "%u KTIMER(s) were still set when the runtime stopped", left);
  threads_->join_all();
  workers_->stop();
  dpcs_->flush();
  if (const unsigned left = handles_->close_all(); left != 0)
    log(LogLevel::error, "%u handle(s) were still open when the runtime stopped", left);
  g_kernel.store(nullptr);
  drop_parts();
}

void Kernel::drop_parts() noexcept {
  timers_.reset();
  dpcs_.reset();
  workers_.reset();
  threads_.reset();
  handles_.reset();
  path_map_.reset();
  registry_.reset();
  world_.reset();
}

void Kernel::at_stop(StopAction& action) noexcept {
  MutexLock lock(mutex_);
  stop_actions_.push_back(action);
}

void Kernel::cancel_at_stop(StopAction& action) noexcept {
  MutexLock lock(mutex_);
  if (action.is_linked()) stop_actions_.remove(action);
}

}  // namespace softndk::ntrt
