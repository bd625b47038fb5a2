// The functions in a shared endpoint's dispatch table.
#include "verifier/forward.h"

namespace softndk::verifier {
namespace {

constexpr NDK_SHARED_ENDPOINT_DISPATCH kTable = {
    .NdkCloseSharedEndpoint = forward_close<NDK_SHARED_ENDPOINT, &NDK_SHARED_ENDPOINT_DISPATCH::NdkCloseSharedEndpoint>,
    .NdkQueryExtension = query_extension<NDK_SHARED_ENDPOINT>,
    .NdkGetLocalAddress = forward<&NDK_SHARED_ENDPOINT_DISPATCH::NdkGetLocalAddress>,
};

}  // namespace

template <>
const NDK_SHARED_ENDPOINT_DISPATCH& table_for<NDK_SHARED_ENDPOINT>(NDK_VERSION) noexcept {
  return kTable;
}

}  // namespace softndk::verifier
