#include "ntrt/deferred.h"

#include "base/log.h"
#include "ntrt/bug_check.h"

namespace softndk::ntrt {

io::TimeNs now_ns() noexcept {
  return kernel().clock().now_ns();
}

bool DeferredCall::queue() noexcept {
  return processor(processor_index_).post(task_);
}

void DeferredCall::run(io::Task& task) noexcept {
  DeferredCall& call = static_cast<OwnedTask&>(task).owner;
  const Function function = call.function_;
  IrqlScope scope(kDispatchLevel, call.what_, reinterpret_cast<const void*>(function));
  function(call);  // `call` may be gone now
}

void DeferredTimer::arm_at(io::TimeNs deadline_ns) noexcept {
  processor(processor_index_).arm(timer_, deadline_ns);
}

void DeferredTimer::arm_after(io::TimeNs delay_ns) noexcept {
  const io::TimeNs now = now_ns();
  arm_at(delay_ns < io::kNever - now ? now + delay_ns : io::kNever);
}

bool DeferredTimer::cancel() noexcept {
  return processor(processor_index_).cancel(timer_);
}

void DeferredTimer::run(io::Task& task) noexcept {
  DeferredTimer& call = static_cast<OwnedTimer&>(task).owner;
  const Function function = call.function_;
  IrqlScope scope(kDispatchLevel, call.what_, reinterpret_cast<const void*>(function));
  function(call);
}

SystemThread::~SystemThread() noexcept {
  SOFTNDK_CHECK(!joinable_);
}

expected<void, io::IoError> SystemThread::start(const char* name, Function function, void* context) noexcept {
  SOFTNDK_CHECK(!joinable_);
  function_ = function;
  context_ = context;
  name_ = name;
  auto spawned = kernel().executor().spawn(name, enter, this);
  if (!spawned) return unexpected(spawned.error());
  thread_ = *spawned;
  joinable_ = true;
  return {};
}

void SystemThread::enter(void* self) {
  auto& thread = *static_cast<SystemThread*>(self);
  IrqlScope scope(kPassiveLevel, thread.name_, reinterpret_cast<const void*>(thread.function_));
  thread.function_(thread.context_);
}

void SystemThread::join() noexcept {
  if (!joinable_) return;
  joinable_ = false;
  kernel().executor().join(thread_);
}

void flush_processors() noexcept {
  struct Marker : io::Task {
    Marker() : Task([](Task& task) noexcept { static_cast<Marker&>(task).passed.set(); }) {}
    WaitEvent passed{"a processor to run what is queued on it"};
  };
  for (unsigned i = 0; i < processor_count(); ++i) {
    Marker marker;
    processor(i).post(marker);
    marker.passed.wait();
  }
}

}  // namespace softndk::ntrt
