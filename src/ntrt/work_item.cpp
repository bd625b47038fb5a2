#include "ntrt/work_item.h"

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/pool.h"
#include "ntrt/wait_queue.h"

/// Ours to lay out: drivers know only pointers to it.
struct _IO_WORKITEM {
  WORK_QUEUE_ITEM item;
  softndk::ntrt::WorkerPool::ObjectPin* pin;
  PIO_WORKITEM_ROUTINE routine;
  PIO_WORKITEM_ROUTINE_EX routine_ex;
  PVOID context;
};

namespace softndk::ntrt {
namespace {
[[noreturn]] void report_queued_twice(const void* item, const void* caller) {
  char where[192];
  describe_code_address(caller, where, sizeof where);
  bug_check(BugCode::work_item_queued_twice,
            "work item %p queued at %s while it is queued already (or it was not initialised)", item, where);
}
}  // namespace

expected<void, io::IoError> WorkerPool::start() noexcept {
  {
    MutexLock lock(mutex_);
    ++workers_;
    ++coming_;
  }
  return spawn_worker();
}

void WorkerPool::queue(WORK_QUEUE_ITEM& item, WORK_QUEUE_TYPE type, const void* caller) noexcept {
  io::Executor& executor = kernel().executor();
  io::ThreadContext* wake = nullptr;
  bool spawn = false;
  if (is_queued(item)) report_queued_twice(&item, caller);
  {
    MutexLock lock(mutex_);
    const bool urgent = type == CriticalWorkQueue || type == HyperCriticalWorkQueue || type == SuperCriticalWorkQueue ||
                        type == RealTimeWorkQueue;
    InsertTailList(urgent ? &urgent_ : &delayed_, &item.List);
    ++queued_;
    if (queued_ > coming_) {
      if (Worker* idle = idle_.pop_front()) {
        idle->woken.store(true);
        wake = idle->context;
        ++coming_;
      } else if (workers_ < kernel().options().worker_count_max) {
        spawn = true;
        ++workers_;
        ++coming_;
      } else if (!said_full_) {
        said_full_ = true;
        log(LogLevel::warning, "all %u worker threads are inside work items; %u item(s) wait until one returns",
            workers_, queued_);
      }
    }
  }
  // `item` may have run and be gone.
  if (wake != nullptr) executor.unpark(*wake);
  if (!spawn) return;
  if (auto spawned = spawn_worker(); !spawned) {
    log(LogLevel::warning, "no further worker thread (%s): work items wait for one of those that run",
        io::to_string(spawned.error()));
  }
}

bool WorkerPool::is_queued(const WORK_QUEUE_ITEM& item) noexcept {
  MutexLock lock(mutex_);
  return item.List.Flink != nullptr;
}

/// The caller has counted the worker in `workers_` and `coming_`.
expected<void, io::IoError> WorkerPool::spawn_worker() noexcept {
  io::IoError error = io::IoError::no_resources;
  if (auto worker = try_make<Worker>(*this)) {
    live_.fetch_add(1);
    auto spawned = kernel().executor().spawn("worker", run_worker, worker.get());
    if (spawned) {
      MutexLock lock(mutex_);
      worker->thread = *spawned;
      worker->next_ever = ever_;
      ever_ = worker.release();
      return {};
    }
    live_.fetch_sub(1);
    error = spawned.error();
  }
  MutexLock lock(mutex_);
  --workers_;
  --coming_;
  return unexpected(error);
}

WORK_QUEUE_ITEM* WorkerPool::pop() noexcept {
  LIST_ENTRY* from = !IsListEmpty(&urgent_) ? &urgent_ : &delayed_;
  if (IsListEmpty(from)) return nullptr;
  auto* item = CONTAINING_RECORD(RemoveHeadList(from), WORK_QUEUE_ITEM, List);
  item->List = {nullptr, nullptr};
  --queued_;
  return item;
}

void WorkerPool::run_worker(void* argument) {
  auto& worker = *static_cast<Worker*>(argument);
  worker.context = &io::this_thread();
  WorkerPool& pool = worker.pool;
  pool.run_items(worker);
  io::Executor& executor = kernel().executor();
  if (pool.live_.fetch_sub(1) == 1) wake_address(&pool.live_, executor);
}

void WorkerPool::run_items(Worker& worker) noexcept {
  io::Executor& executor = kernel().executor();
  bool came = true;
  for (;;) {
    PWORKER_THREAD_ROUTINE routine = nullptr;
    PVOID parameter = nullptr;
    {
      MutexLock lock(mutex_);
      if (came) --coming_;
      came = false;
      if (WORK_QUEUE_ITEM* item = pop()) {
        routine = item->WorkerRoutine;
        parameter = item->Parameter;
      } else if (stopping_) {
        --workers_;
        return;
      } else {
        worker.woken.store(false);
        idle_.push_back(worker);
      }
    }
    if (routine != nullptr) {
      IrqlScope scope(kPassiveLevel, "work item", reinterpret_cast<const void*>(routine));
      routine(parameter);
      continue;
    }
    while (!worker.woken.load())
      executor.park(io::kNever);
    came = true;
  }
}

bool WorkerPool::is_idle() noexcept {
  MutexLock lock(mutex_);
  unsigned idle = 0;
  for (Worker* worker = idle_.front(); worker != nullptr; worker = idle_.after(*worker))
    ++idle;
  return queued_ == 0 && idle == workers_;
}

void WorkerPool::stop() noexcept {
  io::Executor& executor = kernel().executor();
  WakeList wakes(executor);
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    while (Worker* idle = idle_.pop_front()) {
      idle->woken.store(true);
      ++coming_;
      wakes.add(*idle->context);
    }
  }
  wakes.wake();
  const auto none_left = [](const void* live) noexcept {
    return static_cast<const std::atomic<unsigned>*>(live)->load() == 0;
  };
  wait_on_address(&live_, none_left, io::kNever, "running work items", __builtin_return_address(0));
  for (;;) {
    Owned<Worker> worker;
    {
      MutexLock lock(mutex_);
      worker.reset(ever_);
      if (worker == nullptr) break;
      ever_ = worker->next_ever;
    }
    executor.join(worker->thread);
  }
  MutexLock lock(mutex_);
  for (ObjectPin* pin = pins_.front(); pin != nullptr; pin = pins_.front()) {
    log(LogLevel::error, "%u work item(s) of driver or device object %p were never freed", pin->users, pin->object);
    pins_.remove(*pin);
    Owned<ObjectPin> last(pin);
  }
}

unsigned WorkerPool::worker_count() noexcept {
  MutexLock lock(mutex_);
  return workers_;
}

WorkerPool::ObjectPin* WorkerPool::pin(PVOID object) noexcept {
  auto fresh = try_make<ObjectPin>();
  MutexLock lock(mutex_);
  for (ObjectPin* pin = pins_.front(); pin != nullptr; pin = pins_.after(*pin)) {
    if (pin->object != object) continue;
    ++pin->users;
    return pin;
  }
  if (fresh == nullptr) return nullptr;
  fresh->object = object;
  fresh->users = 1;
  pins_.push_back(*fresh);
  return fresh.release();
}

void WorkerPool::unpin(ObjectPin& pin) noexcept {
  Owned<ObjectPin> last;
  MutexLock lock(mutex_);
  if (--pin.users > 0) return;
  pins_.remove(pin);
  last.reset(&pin);
}

void WorkerPool::enter(ObjectPin& pin) noexcept {
  MutexLock lock(mutex_);
  ++pin.users;
  pin.in_flight.fetch_add(1);
}

void WorkerPool::leave(ObjectPin& pin) noexcept {
  io::Executor& executor = kernel().executor();
  if (pin.in_flight.fetch_sub(1) == 1) wake_address(&pin.in_flight, executor);
  unpin(pin);
}

void WorkerPool::wait_until_idle(PVOID object) noexcept {
  ObjectPin* found = nullptr;
  {
    MutexLock lock(mutex_);
    for (found = pins_.front(); found != nullptr && found->object != object; found = pins_.after(*found)) {
    }
    if (found == nullptr) return;
    ++found->users;
  }
  const auto idle = [](const void* in_flight) noexcept {
    return static_cast<const std::atomic<unsigned>*>(in_flight)->load() == 0;
  };
  wait_on_address(&found->in_flight, idle, io::kNever, "work items of an object", __builtin_return_address(0));
  unpin(*found);
}

void wait_for_work_items(PVOID io_object) noexcept {
  check_irql(EntryPoint::KeWaitForSingleObject);
  kernel().workers().wait_until_idle(io_object);
}

namespace {

/// What the pool runs for an IO work item. The item is the driver's again once its routine has been entered, so all
/// that is needed afterwards is taken out of it before.
void run_io_work_item(PVOID parameter) {
  auto* item = static_cast<PIO_WORKITEM>(parameter);
  WorkerPool::ObjectPin& pin = *item->pin;
  const PVOID object = pin.object;
  const PVOID context = item->context;
  {
    const auto routine_ex = item->routine_ex;
    const auto routine = item->routine;
    IrqlScope scope(
        kPassiveLevel, "IO work item",
        routine_ex != nullptr ? reinterpret_cast<const void*>(routine_ex) : reinterpret_cast<const void*>(routine));
    if (routine_ex != nullptr) {
      routine_ex(object, context, item);
    } else {
      routine(static_cast<PDEVICE_OBJECT>(object), context);
    }
  }
  kernel().workers().leave(pin);
}

void queue_io(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, PIO_WORKITEM_ROUTINE_EX routine_ex, WORK_QUEUE_TYPE type,
              PVOID context, const void* caller) {
  WorkerPool& workers = kernel().workers();
  // Before any field is changed: those of an item that is queued already are about to be read.
  if (workers.is_queued(item->item)) report_queued_twice(item, caller);
  item->routine = routine;
  item->routine_ex = routine_ex;
  item->context = context;
  workers.enter(*item->pin);
  workers.queue(item->item, type, caller);
  scheduling_point();
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT object) noexcept {
  check_irql(EntryPoint::IoAllocateWorkItem);
  if (object == nullptr) bug_check(BugCode::driver_violation, "IoAllocateWorkItem without a driver or device object");
  auto* item = static_cast<PIO_WORKITEM>(
      pool_allocate({.bytes = sizeof(_IO_WORKITEM), .tag = kWorkItemTag}, __builtin_return_address(0)));
  if (item == nullptr) return nullptr;
  *item = _IO_WORKITEM{};
  ExInitializeWorkItem(&item->item, run_io_work_item, item);
  item->pin = kernel().workers().pin(object);
  if (item->pin != nullptr) return item;
  pool_free(item, kWorkItemTag, __builtin_return_address(0));
  return nullptr;
}

void IoFreeWorkItem(PIO_WORKITEM item) noexcept {
  check_irql(EntryPoint::IoFreeWorkItem);
  WorkerPool& workers = kernel().workers();
  if (workers.is_queued(item->item))
    bug_check(BugCode::driver_violation, "IoFreeWorkItem of item %p, which is queued", static_cast<void*>(item));
  workers.unpin(*item->pin);
  pool_free(item, kWorkItemTag, __builtin_return_address(0));
}

void IoQueueWorkItem(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, WORK_QUEUE_TYPE type, PVOID context) noexcept {
  check_irql(EntryPoint::IoQueueWorkItem);
  queue_io(item, routine, nullptr, type, context, __builtin_return_address(0));
}

void IoQueueWorkItemEx(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE_EX routine, WORK_QUEUE_TYPE type,
                       PVOID context) noexcept {
  check_irql(EntryPoint::IoQueueWorkItemEx);
  queue_io(item, nullptr, routine, type, context, __builtin_return_address(0));
}

void ExQueueWorkItem(PWORK_QUEUE_ITEM item, WORK_QUEUE_TYPE type) noexcept {
  check_irql(EntryPoint::ExQueueWorkItem);
  kernel().workers().queue(*item, type, __builtin_return_address(0));
  scheduling_point();
}
}
