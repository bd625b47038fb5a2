// What stands behind a captured NPI: WSK_PROVIDER_DISPATCH and the NDK extension's table.
#include "base/log.h"
#include "ntrt/irql.h"
#include "ntrt/ndis.h"
#include "ntrt/object_tree.h"
#include "ntrt/wsk_client.h"

namespace softndk::ntrt {
namespace {

/// Counts an open under way at a client that is live and holds a capture. Null if `client` is no such client.
WskClient* begin_open(PWSK_CLIENT client, NdkInterposer& interposer) {
  MutexLock lock(g_wsk.mutex);
  WskClient* found = g_wsk.find(client);
  if (found == nullptr || found->captures == 0 || found->releasing) return nullptr;
  ++found->opens_in_progress;
  interposer = g_wsk.interposer;
  return found;
}

void end_open(WskClient& client, WskInstance* instance) {
  MutexLock lock(g_wsk.mutex);
  --client.opens_in_progress;
  if (instance != nullptr) client.instances.push_back(*instance);
  g_wsk.waiters.notify();
}

NTSTATUS open_instance(WskInstance& instance) {
  NDK_ADAPTER* inner = nullptr;
  const AnnouncedOrigin origin({instance.opened_by, nullptr});
  const NTSTATUS status = ndis_open_ndk_adapter(instance.index, instance.version, &inner);
  if (!NT_SUCCESS(status)) return status;
  NDK_ADAPTER* outer = inner;
  if (instance.interposer.wrap_open != nullptr)
    outer = instance.interposer.wrap_open(instance.interposer.context, inner, instance.index);
  if (outer == nullptr) {
    ndis_close_ndk_adapter(inner);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  if (outer != inner) set_consumer_object(inner, outer);
  instance.inner = inner;
  instance.outer = outer;
  return STATUS_SUCCESS;
}

NTSTATUS WSKAPI open_ndk_adapter(PWSK_CLIENT client, NDK_VERSION version, NET_IFINDEX index, NDK_ADAPTER** adapter) {
  check_irql(EntryPoint::WskOpenNdkAdapter);
  if (adapter == nullptr) return STATUS_INVALID_PARAMETER;
  Owned<WskInstance> instance = try_make<WskInstance>();
  if (instance == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  WskClient* holder = begin_open(client, instance->interposer);
  if (holder == nullptr) {
    report_wsk_misuse("WskOpenNdkAdapter", "Client is not what WskCaptureProviderNPI gave, or was released",
                      __builtin_return_address(0));
    return STATUS_INVALID_PARAMETER;
  }
  instance->index = index;
  instance->version = version;
  instance->opened_by = __builtin_return_address(0);
  const NTSTATUS status = open_instance(*instance);
  if (!NT_SUCCESS(status)) {
    end_open(*holder, nullptr);
    return status;
  }
  *adapter = instance->outer;
  end_open(*holder, instance.release());
  return status;
}

VOID WSKAPI close_ndk_adapter(PWSK_CLIENT client, NDK_ADAPTER* adapter) {
  check_irql(EntryPoint::WskCloseNdkAdapter);
  WskInstance* instance = nullptr;
  {
    MutexLock lock(g_wsk.mutex);
    if (WskClient* holder = g_wsk.find(client); holder != nullptr) {
      instance = holder->instances.front();
      while (instance != nullptr && (instance->outer != adapter || instance->closing))
        instance = holder->instances.after(*instance);
    }
    if (instance != nullptr) instance->closing = true;
  }
  if (instance == nullptr) {
    report_wsk_misuse("WskCloseNdkAdapter", "the adapter is not open at this client (never, or no longer); ignored",
                      __builtin_return_address(0));
    return;
  }
  const NdkInterposer& interposer = instance->interposer;
  if (interposer.before_close != nullptr) interposer.before_close(interposer.context, instance->outer, instance->inner);
  ndis_close_ndk_adapter(instance->inner);
  if (interposer.wrap_close != nullptr) interposer.wrap_close(interposer.context, instance->outer);
  {
    MutexLock lock(g_wsk.mutex);
    IntrusiveList<WskInstance>::remove(*instance);
    g_wsk.waiters.notify();
  }
  Owned<WskInstance> gone(instance);
}

constexpr WSK_PROVIDER_NDK_DISPATCH kNdkDispatch = {open_ndk_adapter, close_ndk_adapter};

NTSTATUS control(ULONG code, SIZE_T room, PVOID to, SIZE_T& written) {
  if (code != WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH) return STATUS_NOT_SUPPORTED;
  // R-WSK-02: the structure itself is the output; room for a pointer to it (8 bytes) is a mistake people make.
  if (to == nullptr || room < sizeof kNdkDispatch) {
    log(LogLevel::error,
        "WskControlClient('NDKD'): the output buffer holds %zu bytes, WSK_PROVIDER_NDK_DISPATCH needs %zu",
        to == nullptr ? std::size_t{0} : static_cast<std::size_t>(room), sizeof kNdkDispatch);
    return STATUS_INVALID_PARAMETER;
  }
  *static_cast<WSK_PROVIDER_NDK_DISPATCH*>(to) = kNdkDispatch;
  written = sizeof kNdkDispatch;
  return STATUS_SUCCESS;
}

/// WSK's convention: a call with an IRP completes it, whatever it returns.
NTSTATUS complete(PIRP irp, NTSTATUS status, SIZE_T information) {
  if (irp != nullptr) {
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    // We stand below the driver: its completion routine is in the location that it left for us.
    if (irp->Tail.Overlay.CurrentStackLocation != nullptr && irp->CurrentLocation > 1) IoSetNextIrpStackLocation(irp);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
  }
  return status;
}

NTSTATUS WSKAPI control_client(PWSK_CLIENT client, ULONG code, SIZE_T, PVOID, SIZE_T room, PVOID to, SIZE_T* returned,
                               PIRP irp) {
  check_irql(EntryPoint::WskControlClient);
  bool known = false;
  {
    MutexLock lock(g_wsk.mutex);
    known = g_wsk.find(client) != nullptr;
  }
  if (!known) {
    report_wsk_misuse("WskControlClient", "Client is not what WskCaptureProviderNPI gave", __builtin_return_address(0));
    return complete(irp, STATUS_INVALID_PARAMETER, 0);
  }
  SIZE_T written = 0;
  const NTSTATUS status = control(code, room, to, written);
  if (returned != nullptr) *returned = written;
  return complete(irp, status, written);
}

// Sockets and name resolution: slots that are never null, so that a consumer that probes for them gets an answer.
NTSTATUS WSKAPI no_socket(PWSK_CLIENT, ADDRESS_FAMILY, USHORT, ULONG, ULONG, PVOID, const VOID*, PEPROCESS, PETHREAD,
                          PSECURITY_DESCRIPTOR, PIRP irp) {
  return complete(irp, STATUS_NOT_SUPPORTED, 0);
}
NTSTATUS WSKAPI no_socket_connect(PWSK_CLIENT, USHORT, ULONG, PSOCKADDR, PSOCKADDR, ULONG, PVOID, const VOID*,
                                  PEPROCESS, PETHREAD, PSECURITY_DESCRIPTOR, PIRP irp) {
  return complete(irp, STATUS_NOT_SUPPORTED, 0);
}
NTSTATUS WSKAPI no_address_info(PWSK_CLIENT, PUNICODE_STRING, PUNICODE_STRING, ULONG, GUID*, _ADDRINFOEXW*,
                                _ADDRINFOEXW**, PEPROCESS, PETHREAD, PIRP irp) {
  return complete(irp, STATUS_NOT_SUPPORTED, 0);
}
VOID WSKAPI no_free_address_info(PWSK_CLIENT, _ADDRINFOEXW*) {}
NTSTATUS WSKAPI no_name_info(PWSK_CLIENT, PSOCKADDR, ULONG, PUNICODE_STRING, PUNICODE_STRING, ULONG, PEPROCESS,
                             PETHREAD, PIRP irp) {
  return complete(irp, STATUS_NOT_SUPPORTED, 0);
}

}  // namespace

const WSK_PROVIDER_DISPATCH kWskProviderDispatch = {
    .Version = MAKE_WSK_VERSION(1, 0),
    .Reserved = 0,
    .WskSocket = no_socket,
    .WskSocketConnect = no_socket_connect,
    .WskControlClient = control_client,
    .WskGetAddressInfo = no_address_info,
    .WskFreeAddressInfo = no_free_address_info,
    .WskGetNameInfo = no_name_info,
};

}  // namespace softndk::ntrt
