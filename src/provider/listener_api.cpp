// The functions in a listener's dispatch table.
#include "provider/api.h"
#include "provider/dispatch.h"
#include "provider/listener.h"
#include "provider/sockaddr.h"

namespace softndk::provider {
namespace {

Listener& ours(NDK_LISTENER* listener) noexcept {
  return *static_cast<Listener*>(listener);
}

NTSTATUS listen(NDK_LISTENER* listener, const SOCKADDR* address, ULONG address_bytes,
                NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkListen");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  const auto local = read_sockaddr(address, address_bytes);
  if (!local) return local.error();
  return ours(listener).listen(*local, completion, context);
}

NTSTATUS get_local_address(NDK_LISTENER* listener, SOCKADDR* address, ULONG* length_bytes) noexcept {
  enter("NdkGetLocalAddress");
  const std::optional<Address> local = ours(listener).local_address();
  if (!local) return STATUS_INVALID_DEVICE_STATE;  // R-ADR-06
  return write_sockaddr(*local, address, length_bytes);
}

void control_connect_events(NDK_LISTENER* listener, BOOLEAN pause) noexcept {
  enter("NdkControlConnectEvents");
  ours(listener).pause(pause != FALSE);
}

}  // namespace

const NDK_LISTENER_DISPATCH kListenerDispatch = {
    .NdkCloseListener = close_object<NDK_LISTENER, Listener>,
    .NdkQueryExtension = query_extension,
    .NdkListen = listen,
    .NdkGetLocalAddress = get_local_address,
    .NdkControlConnectEvents = control_connect_events,
};

}  // namespace softndk::provider
