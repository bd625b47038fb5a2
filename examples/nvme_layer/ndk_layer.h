// The NDK layer: NDKPI's objects with typed callbacks, creates and requests that wait, and closes that do.
//
// NDK hands every callback a PVOID. Callback<&Class::Method>::Call is a function of the exact type NDK wants, which
// calls the method on that pointer: contexts are passed as they are, and the compiler knows what they are.
#pragma once

#include <ntddk.h>

#include <ndkpi.h>
#include <wsk.h>
#include <wskndk.h>

constexpr ULONG kTag = 'emvN';

// ---- memory

/// Zeroed nonpaged pool of a class that needs no constructor to run; nullptr if there is none.
template <class T>
T* AllocatePool(SIZE_T bytes = sizeof(T)) {
  POOL_EXTENDED_PARAMETER priority = {};
  priority.Type = PoolExtendedParameterPriority;
  priority.Priority = NormalPoolPriority;
  return static_cast<T*>(ExAllocatePool3(POOL_FLAG_NON_PAGED, bytes, kTag, &priority, 1));
}
inline VOID FreePool(PVOID memory) {
  if (memory != nullptr) ExFreePool2(memory, kTag, nullptr, 0);
}

// ---- callbacks

template <auto Method>
struct Callback;

template <class T, VOID (T::*Method)()>  // close completion, disconnect event
struct Callback<Method> {
  static VOID Call(PVOID context) { (static_cast<T*>(context)->*Method)(); }
};
template <class T, VOID (T::*Method)(NTSTATUS)>  // request completion, CQ notification
struct Callback<Method> {
  static VOID Call(PVOID context, NTSTATUS status) { (static_cast<T*>(context)->*Method)(status); }
};
template <class T, VOID (T::*Method)(NTSTATUS, NDK_OBJECT_HEADER*)>  // create completion
struct Callback<Method> {
  static VOID Call(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
    (static_cast<T*>(context)->*Method)(status, object);
  }
};
template <class T, VOID (T::*Method)(NDK_CONNECTOR*)>  // connect event
struct Callback<Method> {
  static VOID Call(PVOID context, NDK_CONNECTOR* connector) { (static_cast<T*>(context)->*Method)(connector); }
};

/// One request that may pend. It lives on the stack of who makes it, which is right because Wait() always waits to the
/// end: a timeout here would leave a callback with a context that is gone.
class Request {
 public:
  Request() { KeInitializeEvent(&done_, NotificationEvent, FALSE); }
  /// What the call returned, or what came instead of its STATUS_PENDING. PASSIVE_LEVEL.
  NTSTATUS Wait(NTSTATUS returned) {
    PAGED_CODE();
    if (returned != STATUS_PENDING) return returned;
    KeWaitForSingleObject(&done_, Executive, KernelMode, FALSE, nullptr);
    return status_;
  }
  NDK_OBJECT_HEADER* Object() const { return object_; }

  VOID Created(NTSTATUS status, NDK_OBJECT_HEADER* object) {
    object_ = object;
    Completed(status);
  }
  VOID Completed(NTSTATUS status) {
    status_ = status;
    KeSetEvent(&done_, IO_NO_INCREMENT, FALSE);
  }
  VOID Closed() { Completed(STATUS_SUCCESS); }

 private:
  KEVENT done_;
  NTSTATUS status_ = STATUS_PENDING;
  NDK_OBJECT_HEADER* object_ = nullptr;
};
constexpr NDK_FN_CREATE_COMPLETION kCreated = Callback<&Request::Created>::Call;
constexpr NDK_FN_REQUEST_COMPLETION kCompleted = Callback<&Request::Completed>::Call;
constexpr NDK_FN_CLOSE_COMPLETION kClosed = Callback<&Request::Closed>::Call;

// ---- objects

/// The slot that closes an object, by its type.
inline NDK_FN_CLOSE_OBJECT CloseSlot(const NDK_CQ* cq) {
  return cq->Dispatch->NdkCloseCq;
}
inline NDK_FN_CLOSE_OBJECT CloseSlot(const NDK_PD* pd) {
  return pd->Dispatch->NdkClosePd;
}
inline NDK_FN_CLOSE_OBJECT CloseSlot(const NDK_QP* qp) {
  return qp->Dispatch->NdkCloseQp;
}
inline NDK_FN_CLOSE_OBJECT CloseSlot(const NDK_MR* mr) {
  return mr->Dispatch->NdkCloseMr;
}
inline NDK_FN_CLOSE_OBJECT CloseSlot(const NDK_MW* mw) {
  return mw->Dispatch->NdkCloseMw;
}
inline NDK_FN_CLOSE_OBJECT CloseSlot(const NDK_CONNECTOR* connector) {
  return connector->Dispatch->NdkCloseConnector;
}
inline NDK_FN_CLOSE_OBJECT CloseSlot(const NDK_LISTENER* listener) {
  return listener->Dispatch->NdkCloseListener;
}
inline NDK_FN_CLOSE_OBJECT CloseSlot(const NDK_SHARED_ENDPOINT* endpoint) {
  return endpoint->Dispatch->NdkCloseSharedEndpoint;
}

/// `create` makes the create call with the completion, context and out parameter that it is given.
template <class Object, class Create>
NTSTATUS CreateObject(Object** object, Create create) {
  Request request;
  Object* made = nullptr;
  const NTSTATUS returned = create(kCreated, &request, &made);
  const NTSTATUS status = request.Wait(returned);
  *object = nullptr;
  if (NT_SUCCESS(status)) *object = returned == STATUS_PENDING ? reinterpret_cast<Object*>(request.Object()) : made;
  return status;
}

/// Waits until it is closed, and forgets it. nullptr is closed.
template <class Object>
VOID CloseObject(Object*& object) {
  if (object == nullptr) return;
  Request request;
  request.Wait(CloseSlot(object)(&object->Header, kClosed, &request));
  object = nullptr;
}

/// The adapter, opened once and used by everything.
class Adapter {
 public:
  NTSTATUS Open(WSK_REGISTRATION* registration, NET_IFINDEX interface_index);
  VOID Close();

  NTSTATUS Create(NDK_PD** pd);
  /// On the processors of the node that we run on.
  template <class Owner, VOID (Owner::*Notified)(NTSTATUS)>
  NTSTATUS Create(NDK_CQ** cq, ULONG depth, Owner* owner) {
    return CreateCq(cq, depth, Callback<Notified>::Call, owner);
  }
  NTSTATUS Create(NDK_CONNECTOR** connector);
  NTSTATUS Create(NDK_SHARED_ENDPOINT** endpoint, const SOCKADDR_IN& local);

  NDK_ADAPTER* Ndk() const { return adapter_; }
  const NDK_ADAPTER_INFO& Info() const { return info_; }
  bool CanResize() const { return (info_.AdapterFlags & NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED) != 0; }

 private:
  NTSTATUS CreateCq(NDK_CQ** cq, ULONG depth, NDK_FN_CQ_NOTIFICATION_CALLBACK notified, PVOID context);

  WSK_REGISTRATION* registration_;
  WSK_PROVIDER_NPI npi_;
  WSK_PROVIDER_NDK_DISPATCH ndk_;
  NDK_ADAPTER* adapter_;
  NDK_ADAPTER_INFO info_;
};

NTSTATUS CreateQp(NDK_PD* pd, NDK_CQ* cq, PVOID context, ULONG receives, ULONG initiated, NDK_QP** qp);
NTSTATUS CreateMr(NDK_PD* pd, BOOLEAN fast_register, NDK_MR** mr);
NTSTATUS CreateMw(NDK_PD* pd, NDK_MW** mw);

/// Pool that the adapter knows as a registered region, from Allocate to Free.
class RegisteredMemory {
 public:
  NTSTATUS Allocate(NDK_PD* pd, ULONG bytes, ULONG flags);
  VOID Free();
  PUCHAR Bytes() const { return bytes_; }
  NDK_MR* Region() const { return mr_; }
  NDK_SGE Sge(PVOID address, ULONG bytes) const;

 private:
  PUCHAR bytes_;
  PMDL mdl_;
  NDK_MR* mr_;
  UINT32 token_;
};

/// Pool with a logical address mapping, for fast-register regions.
class MappedMemory {
 public:
  NTSTATUS Allocate(Adapter& adapter, ULONG bytes);
  VOID Free(Adapter& adapter);
  PUCHAR Bytes() const { return bytes_; }
  const NDK_LOGICAL_ADDRESS* Pages() const { return lam_->AdapterPageArray; }
  ULONG FirstByteOffset() const { return first_byte_offset_; }

 private:
  PUCHAR bytes_;
  NDK_LOGICAL_ADDRESS_MAPPING* lam_;
  ULONG first_byte_offset_;
};

/// Counts what an owner has posted. The owner's own count is the first; Drop()ping it and Wait()ing is the end.
class InUse {
 public:
  VOID Begin() {
    count_ = 1;
    KeInitializeEvent(&idle_, NotificationEvent, FALSE);
  }
  VOID Take() { InterlockedIncrement(&count_); }
  /// Last thing in a callback: the owner may be gone afterwards.
  VOID Drop(LONG count) {
    if (InterlockedExchangeAdd(&count_, -count) == count) KeSetEvent(&idle_, IO_NO_INCREMENT, FALSE);
  }
  VOID DropAndWait() {
    Drop(1);
    KeWaitForSingleObject(&idle_, Executive, KernelMode, FALSE, nullptr);
  }

 private:
  volatile LONG count_;
  KEVENT idle_;
};
