#include "ntrt/dpc.h"

#include <atomic>

#include "ntrt/deferred.h"

namespace softndk::ntrt {
namespace {

// Between two of these batches the processor looks at its sockets.
constexpr unsigned kDpcsInOneTask = 16;
constexpr USHORT kTargetSet = 0x500;  // Number less this is the processor, where a driver named one
constexpr UCHAR kDpcType = 19;        // DpcObject in Windows' KOBJECTS

std::atomic_ref<PVOID> claim_of(KDPC& dpc) {
  return std::atomic_ref<PVOID>(dpc.DpcData);
}

KDPC* from_entry(SINGLE_LIST_ENTRY* entry) {
  return entry == nullptr ? nullptr : CONTAINING_RECORD(entry, KDPC, DpcListEntry);
}

}  // namespace

bool DpcQueues::start(io::Executor& executor) noexcept {
  for (unsigned i = 0; i < executor.processor_count(); ++i) {
    auto queue = try_make<Queue>(executor.processor(i));
    if (queue == nullptr || !queues_.push_back(std::move(queue))) return false;
  }
  return !queues_.empty();
}

bool DpcQueues::insert(KDPC& dpc, void* argument1, void* argument2) noexcept {
  if (const unsigned number = dpc.Number; number >= kTargetSet)
    return insert_into(*queues_[(number - kTargetSet) % queues_.size()], dpc, argument1, argument2);
  for (auto& queue : queues_) {
    if (queue->processor.is_current()) return insert_into(*queue, dpc, argument1, argument2);
  }
  return insert_into(*queues_[0], dpc, argument1, argument2);
}

bool DpcQueues::insert_into(Queue& queue, KDPC& dpc, void* argument1, void* argument2) noexcept {
  PVOID unclaimed = nullptr;
  if (!claim_of(dpc).compare_exchange_strong(unclaimed, &queue)) return false;
  {
    MutexLock lock(queue.mutex);
    dpc.SystemArgument1 = argument1;
    dpc.SystemArgument2 = argument2;
    dpc.DpcListEntry.Next = nullptr;
    if (queue.last == nullptr) {
      queue.first = &dpc;
    } else {
      queue.last->DpcListEntry.Next = &dpc.DpcListEntry;
    }
    queue.last = &dpc;
  }
  queue.processor.post(queue);
  return true;
}

bool DpcQueues::remove(KDPC& dpc) noexcept {
  auto* queue = static_cast<Queue*>(claim_of(dpc).load());
  if (queue == nullptr) return false;
  MutexLock lock(queue->mutex);
  KDPC* before = nullptr;
  for (KDPC* at = queue->first; at != nullptr; before = at, at = from_entry(at->DpcListEntry.Next)) {
    if (at != &dpc) continue;
    if (before == nullptr) {
      queue->first = from_entry(dpc.DpcListEntry.Next);
    } else {
      before->DpcListEntry.Next = dpc.DpcListEntry.Next;
    }
    if (queue->last == &dpc) queue->last = before;
    claim_of(dpc).store(nullptr);
    return true;
  }
  return false;
}

KDPC* DpcQueues::Queue::pop() noexcept {
  KDPC* dpc = first;
  if (dpc == nullptr) return nullptr;
  first = from_entry(dpc->DpcListEntry.Next);
  if (first == nullptr) last = nullptr;
  return dpc;
}

void DpcQueues::Queue::drain(io::Task& task) noexcept {
  auto& queue = static_cast<Queue&>(task);
  for (unsigned i = 0; i < kDpcsInOneTask; ++i) {
    KDPC* dpc;
    PKDEFERRED_ROUTINE routine;
    PVOID context, argument1, argument2;
    {
      MutexLock lock(queue.mutex);
      dpc = queue.pop();
      if (dpc == nullptr) return;
      routine = dpc->DeferredRoutine;
      context = dpc->DeferredContext;
      argument1 = dpc->SystemArgument1;
      argument2 = dpc->SystemArgument2;
      claim_of(*dpc).store(nullptr);  // from here on the driver may insert it again, or free it in the routine
    }
    IrqlScope scope(kDispatchLevel, "DPC", reinterpret_cast<const void*>(routine));
    routine(dpc, context, argument1, argument2);
  }
  queue.processor.post(queue);
}

void DpcQueues::flush() noexcept {
  for (auto& queue : queues_) {
    WaitEvent passed("queued DPCs to run");
    KDPC marker;
    const auto pass = [](KDPC*, PVOID context, PVOID, PVOID) { static_cast<WaitEvent*>(context)->set(); };
    KeInitializeDpc(&marker, pass, &passed);
    insert_into(*queue, marker, nullptr, nullptr);
    passed.wait();
  }
  // The marker's own task has not quite returned, and deferred calls are tasks of their own.
  flush_processors();
}

}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

void KeInitializeDpc(PRKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context) noexcept {
  *dpc = KDPC{};
  dpc->Type = kDpcType;
  dpc->Importance = MediumImportance;
  dpc->DeferredRoutine = routine;
  dpc->DeferredContext = context;
}

BOOLEAN KeInsertQueueDpc(PRKDPC dpc, PVOID argument1, PVOID argument2) noexcept {
  check_irql(EntryPoint::KeInsertQueueDpc);
  const bool inserted = kernel().dpcs().insert(*dpc, argument1, argument2);
  scheduling_point();
  return inserted;
}

BOOLEAN KeRemoveQueueDpc(PRKDPC dpc) noexcept {
  check_irql(EntryPoint::KeRemoveQueueDpc);
  scheduling_point();
  return kernel().dpcs().remove(*dpc);
}

void KeSetImportanceDpc(PRKDPC dpc, KDPC_IMPORTANCE importance) noexcept {
  dpc->Importance = static_cast<UCHAR>(importance);
}

void KeSetTargetProcessorDpc(PRKDPC dpc, CCHAR number) noexcept {
  dpc->Number = static_cast<USHORT>(kTargetSet + static_cast<UCHAR>(number));
}

void KeFlushQueuedDpcs(void) noexcept {
  check_irql(EntryPoint::KeFlushQueuedDpcs);
  kernel().dpcs().flush();
}
}
