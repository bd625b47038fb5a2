#include "ntrt/object.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/alloc.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"

namespace softndk::ntrt {
namespace {

constexpr std::uint64_t kAlive = 0x7463'656a'626f'544e;  // "NTobject"
constexpr std::size_t kHandleStep = 4;

struct alignas(16) ObjectHeader {
  std::uint64_t alive = kAlive;
  std::atomic<std::int64_t> references{1};
  const _OBJECT_TYPE* type = nullptr;
};

ObjectHeader& header_of(void* body) {
  auto& header = *(static_cast<ObjectHeader*>(body) - 1);
  if (header.alive != kAlive) bug_check(BugCode::bad_object, "%p is no object of the runtime, or was freed", body);
  return header;
}

}  // namespace

void* allocate_object(const _OBJECT_TYPE& type, std::size_t size_bytes) noexcept {
  void* memory = try_allocate(kObjectHeaderBytes + size_bytes);
  if (memory == nullptr) return nullptr;
  std::memset(memory, 0, kObjectHeaderBytes + size_bytes);
  return construct_object(type, memory);
}

void* construct_object(const _OBJECT_TYPE& type, void* memory) noexcept {
  static_assert(sizeof(ObjectHeader) == kObjectHeaderBytes);
  auto* header = ::new (memory) ObjectHeader;
  header->type = &type;
  return header + 1;
}

void reference_object(void* body) noexcept {
  header_of(body).references.fetch_add(1, std::memory_order_relaxed);
}

void dereference_object(void* body) noexcept {
  ObjectHeader& header = header_of(body);
  // acq_rel: whoever drops the last reference sees what the others did to the object before dropping theirs
  const std::int64_t before = header.references.fetch_sub(1, std::memory_order_acq_rel);
  if (before <= 0)
    bug_check(BugCode::reference_below_zero, "object %p (%s) dereferenced once too often", body, header.type->name);
  if (before > 1) return;
  if (header.type->destroy != nullptr) header.type->destroy(body);
  header.alive = 0;
  header.~ObjectHeader();
  deallocate(&header);
}

const _OBJECT_TYPE& object_type(void* body) noexcept {
  return *header_of(body).type;
}

HandleTable::~HandleTable() noexcept {
  deallocate(bodies_);
}

void** HandleTable::slot(HANDLE handle) noexcept {
  const auto value = reinterpret_cast<std::uintptr_t>(handle);
  if (value == 0 || value % kHandleStep != 0 || value / kHandleStep > room_) return nullptr;
  void** found = &bodies_[value / kHandleStep - 1];
  return *found == nullptr ? nullptr : found;
}

HANDLE HandleTable::open(void* body) noexcept {
  MutexLock lock(mutex_);
  std::size_t index = 0;
  while (index < room_ && bodies_[index] != nullptr)
    ++index;
  if (index == room_) {
    const std::size_t new_room = room_ == 0 ? 16 : room_ * 2;
    auto** grown = static_cast<void**>(try_allocate(new_room * sizeof(void*)));
    if (grown == nullptr) return nullptr;
    std::fill(grown, grown + new_room, nullptr);
    std::copy(bodies_, bodies_ + room_, grown);
    deallocate(bodies_);
    bodies_ = grown;
    room_ = new_room;
  }
  reference_object(body);
  bodies_[index] = body;
  return reinterpret_cast<HANDLE>((index + 1) * kHandleStep);
}

NTSTATUS HandleTable::reference(HANDLE handle, const _OBJECT_TYPE* type, void** body) noexcept {
  MutexLock lock(mutex_);
  void** found = slot(handle);
  if (found == nullptr) return STATUS_INVALID_HANDLE;
  if (type != nullptr && &object_type(*found) != type) return STATUS_OBJECT_TYPE_MISMATCH;
  reference_object(*found);
  *body = *found;
  return STATUS_SUCCESS;
}

NTSTATUS HandleTable::close(HANDLE handle) noexcept {
  void* body;
  {
    MutexLock lock(mutex_);
    void** found = slot(handle);
    if (found == nullptr) return STATUS_INVALID_HANDLE;
    body = *found;
    *found = nullptr;
  }
  dereference_object(body);  // may run a destructor, so not under the lock
  return STATUS_SUCCESS;
}

unsigned HandleTable::close_all() noexcept {
  unsigned count = 0;
  for (std::size_t index = 0;; ++index) {
    {
      MutexLock lock(mutex_);
      if (index >= room_) return count;
    }
    if (close(reinterpret_cast<HANDLE>((index + 1) * kHandleStep)) == STATUS_SUCCESS) ++count;
  }
}

}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

NTSTATUS ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK, POBJECT_TYPE type, KPROCESSOR_MODE, PVOID* object,
                                   POBJECT_HANDLE_INFORMATION information) noexcept {
  check_irql(EntryPoint::ObReferenceObjectByHandle);
  if (information != nullptr) *information = {};
  return kernel().handles().reference(handle, type, object);
}

void SoftNdkReferenceObject(PVOID object) noexcept {
  check_irql(EntryPoint::ObReferenceObject);
  reference_object(object);
}

void ObDereferenceObject(PVOID object) noexcept {
  check_irql(EntryPoint::ObDereferenceObject);
  dereference_object(object);
}

NTSTATUS ZwClose(HANDLE handle) noexcept {
  check_irql(EntryPoint::ZwClose);
  return kernel().handles().close(handle);
}
}
