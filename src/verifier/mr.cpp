// The functions in a memory region's dispatch table.
#include "verifier/forward.h"

namespace softndk::verifier {
namespace {

constexpr NDK_MR_DISPATCH kTable = {
    .NdkCloseMr = forward_close<NDK_MR, &NDK_MR_DISPATCH::NdkCloseMr>,
    .NdkQueryExtension = query_extension<NDK_MR>,
    .NdkRegisterMr = forward_request<&NDK_MR_DISPATCH::NdkRegisterMr>,
    .NdkDeregisterMr = forward_request<&NDK_MR_DISPATCH::NdkDeregisterMr>,
    .NdkInitializeFastRegisterMr = forward_request<&NDK_MR_DISPATCH::NdkInitializeFastRegisterMr>,
    .NdkGetRemoteTokenFromMr = forward<&NDK_MR_DISPATCH::NdkGetRemoteTokenFromMr>,
    .NdkGetLocalTokenFromMr = forward<&NDK_MR_DISPATCH::NdkGetLocalTokenFromMr>,
};

}  // namespace

template <>
const NDK_MR_DISPATCH& table_for<NDK_MR>(NDK_VERSION) noexcept {
  return kTable;
}

}  // namespace softndk::verifier
