#include "ntrt/thread.h"

#include <new>
#include <utility>

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/dispatcher.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/object.h"
#include "ntrt/stack_context.h"

namespace softndk::ntrt {
namespace {

const _OBJECT_TYPE kThreadType{"thread", nullptr};
POBJECT_TYPE g_thread_type = const_cast<POBJECT_TYPE>(&kThreadType);

ThreadObject* make_thread_object() {
  void* body = allocate_object(kThreadType, sizeof(ThreadObject));
  if (body == nullptr) return nullptr;
  auto* thread = ::new (body) ThreadObject;
  initialize_header(*thread, ObjectKind::thread, false);
  return thread;
}

void check_clean_end(const ThreadObject& thread) {
  if (current_irql() == kPassiveLevel && local(Slot::held_spin_locks) == 0) return;
  char where[192];
  describe_code_address(reinterpret_cast<const void*>(thread.routine), where, sizeof where);
  bug_check(BugCode::irql_left_raised, "system thread (%s) ended at IRQL %u with %zu spin lock(s) held", where,
            current_irql(), static_cast<std::size_t>(local(Slot::held_spin_locks)));
}

/// A thread that the runtime did not make gets its object when it asks for it, in the context that every thread has: so
/// that cannot fail. Contexts are recycled and never freed; so are the objects.
ThreadObject* object_of_adopted(io::ThreadContext& context) {
  static_assert(kObjectHeaderBytes + sizeof(ThreadObject) <= io::ThreadContext::kRoomBytes);
  const bool is_there = context.room[0] != std::byte{};  // the first octet of a living object's header
  if (is_there) return std::launder(reinterpret_cast<ThreadObject*>(context.room + kObjectHeaderBytes));
  auto* thread = ::new (construct_object(kThreadType, context.room)) ThreadObject;
  initialize_header(*thread, ObjectKind::thread, false);
  return thread;
}

}  // namespace

HANDLE ThreadTable::create(PKSTART_ROUTINE routine, void* context) noexcept {
  reap();
  ThreadObject* thread = make_thread_object();
  if (thread == nullptr) return nullptr;
  thread->routine = routine;
  thread->start_context = context;
  // The handle first: without one, the maker of a thread that runs could neither wait for it nor learn of it.
  const HANDLE opened = kernel().handles().open(thread);
  if (opened == nullptr) {
    dereference_object(thread);
    return nullptr;
  }
  {
    MutexLock lock(mutex_);
    threads_.push_back(*thread);  // the first reference is the table's from here on
  }
  auto spawned = kernel().executor().spawn("system thread", enter, thread);
  {
    MutexLock lock(mutex_);
    thread->has_handle = spawned.has_value();
    if (spawned) {
      thread->handle = *spawned;
      return opened;
    }
    threads_.remove(*thread);
  }
  kernel().handles().close(opened);
  dereference_object(thread);
  return nullptr;
}

void ThreadTable::enter(void* argument) {
  auto* thread = static_cast<ThreadObject*>(argument);
  local(Slot::thread_object) = reinterpret_cast<std::uintptr_t>(thread);
  std::jmp_buf exit;
  thread->exit = &exit;
  // PsTerminateSystemThread comes back here: the frames between are the driver's, and unwinding them by an exception
  // would end the process at the first C++ frame that is noexcept.
  local(Slot::stack_top) = reinterpret_cast<std::uintptr_t>(&exit);
  if (setjmp(exit) == 0) thread->routine(thread->start_context);
  check_clean_end(*thread);
  frames_are_gone(thread->exit, "system thread", reinterpret_cast<const void*>(thread->routine));
  local(Slot::stack_top) = 0;
  kernel().threads().end(*thread);
}

void ThreadTable::end(ThreadObject& thread) noexcept {
  thread.exit = nullptr;
  signal(thread);
  MutexLock lock(mutex_);
  thread.has_ended = true;
}

ThreadObject* ThreadTable::take_ended() noexcept {
  for (ThreadObject* thread = threads_.front(); thread != nullptr; thread = threads_.after(*thread)) {
    if (!thread->has_ended || !thread->has_handle) continue;
    threads_.remove(*thread);
    return thread;
  }
  return nullptr;
}

void ThreadTable::reap() noexcept {
  for (;;) {
    ThreadObject* ended;
    {
      MutexLock lock(mutex_);
      ended = take_ended();
    }
    if (ended == nullptr) return;
    kernel().executor().join(ended->handle);
    dereference_object(ended);
  }
}

bool ThreadTable::is_idle() noexcept {
  MutexLock lock(mutex_);
  for (ThreadObject* thread = threads_.front(); thread != nullptr; thread = threads_.after(*thread))
    if (!thread->has_ended) return false;
  return true;
}

void ThreadTable::join_all() noexcept {
  for (;;) {
    ThreadObject* thread;
    {
      MutexLock lock(mutex_);
      thread = threads_.front();
      if (thread != nullptr) threads_.remove(*thread);
    }
    if (thread == nullptr) return;
    // Waiting first says in the log which thread does not end; joining would be silent.
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, nullptr);
    kernel().executor().join(thread->handle);
    dereference_object(thread);
  }
}

}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

POBJECT_TYPE* PsThreadType = &g_thread_type;

NTSTATUS PsCreateSystemThread(PHANDLE handle, ULONG, POBJECT_ATTRIBUTES, HANDLE, PCLIENT_ID client_id,
                              PKSTART_ROUTINE routine, PVOID context) noexcept {
  check_irql(EntryPoint::PsCreateSystemThread);
  const HANDLE opened = kernel().threads().create(routine, context);
  if (opened == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  if (client_id != nullptr) *client_id = {reinterpret_cast<HANDLE>(4), opened};  // 4: Windows' System process
  *handle = opened;
  return STATUS_SUCCESS;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS exit_status) {
  check_irql(EntryPoint::PsTerminateSystemThread);
  auto* thread = reinterpret_cast<ThreadObject*>(local(Slot::thread_object));
  if (thread == nullptr || thread->exit == nullptr) return STATUS_INVALID_PARAMETER;  // as Windows: no system thread
  thread->exit_status = exit_status;
  std::longjmp(*thread->exit, 1);
}

HANDLE PsGetCurrentThreadId(void) noexcept {
  return &softndk::io::this_thread();
}

KPRIORITY KeSetPriorityThread(PKTHREAD thread, KPRIORITY priority) noexcept {
  auto& object = *reinterpret_cast<ThreadObject*>(thread);
  return std::exchange(object.priority, priority);
}

PKTHREAD KeGetCurrentThread(void) noexcept {
  std::uintptr_t& object = local(Slot::thread_object);
  if (object == 0) {
    softndk::io::ThreadContext& context = softndk::io::this_thread();
    object = reinterpret_cast<std::uintptr_t>(object_of_adopted(context));
  }
  return reinterpret_cast<PKTHREAD>(object);
}
}
