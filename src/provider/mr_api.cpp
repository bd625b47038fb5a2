// The functions in a memory region's dispatch table.
#include "provider/api.h"
#include "provider/dispatch.h"
#include "provider/mr.h"

namespace softndk::provider {
namespace {

Mr& ours(NDK_MR* mr) noexcept {
  return *static_cast<Mr*>(mr);
}

NTSTATUS register_mr(NDK_MR* mr, MDL* mdl, SIZE_T length_bytes, ULONG flags, NDK_FN_REQUEST_COMPLETION completion,
                     PVOID context) noexcept {
  enter("NdkRegisterMr");
  if (mdl == nullptr || completion == nullptr) return STATUS_INVALID_PARAMETER;
  return ours(mr).register_chain(mdl, length_bytes, flags, completion, context);
}

NTSTATUS deregister_mr(NDK_MR* mr, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkDeregisterMr");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  return ours(mr).deregister(completion, context);
}

/// No region was created for fast registration.
NTSTATUS initialize_fast_register_mr(NDK_MR*, ULONG, BOOLEAN, NDK_FN_REQUEST_COMPLETION, PVOID) noexcept {
  enter("NdkInitializeFastRegisterMr");
  return STATUS_NOT_SUPPORTED;
}

UINT32 get_remote_token(NDK_MR* mr) noexcept {
  enter("NdkGetRemoteTokenFromMr");
  return ours(mr).remote_token();
}

UINT32 get_local_token(NDK_MR* mr) noexcept {
  enter("NdkGetLocalTokenFromMr");
  return ours(mr).local_token();
}

}  // namespace

const NDK_MR_DISPATCH kMrDispatch = {
    .NdkCloseMr = close_object<NDK_MR, Mr>,
    .NdkQueryExtension = query_extension,
    .NdkRegisterMr = register_mr,
    .NdkDeregisterMr = deregister_mr,
    .NdkInitializeFastRegisterMr = initialize_fast_register_mr,
    .NdkGetRemoteTokenFromMr = get_remote_token,
    .NdkGetLocalTokenFromMr = get_local_token,
};

}  // namespace softndk::provider
