// The functions in a shared endpoint's dispatch table.
#include "provider/api.h"
#include "provider/dispatch.h"
#include "provider/shared_endpoint.h"
#include "provider/sockaddr.h"

namespace softndk::provider {
namespace {

NTSTATUS get_local_address(NDK_SHARED_ENDPOINT* endpoint, SOCKADDR* address, ULONG* length_bytes) noexcept {
  enter("NdkGetLocalAddress");
  return write_sockaddr(static_cast<SharedEndpoint*>(endpoint)->local_address(), address, length_bytes);
}

}  // namespace

const NDK_SHARED_ENDPOINT_DISPATCH kSharedEndpointDispatch = {
    .NdkCloseSharedEndpoint = close_object<NDK_SHARED_ENDPOINT, SharedEndpoint>,
    .NdkQueryExtension = query_extension,
    .NdkGetLocalAddress = get_local_address,
};

}  // namespace softndk::provider
