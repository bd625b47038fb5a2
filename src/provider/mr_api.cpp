// The functions in a memory region's dispatch table.
#include "provider/api.h"
#include "provider/dispatch.h"
#include "provider/fast_mr.h"
#include "provider/mr.h"

namespace softndk::provider {
namespace {

AnyMr& ours(NDK_MR* mr) noexcept {
  return *static_cast<AnyMr*>(mr);
}
Mr& registered(AnyMr& mr) noexcept {
  return static_cast<Mr&>(mr);
}
FastMr& fast(AnyMr& mr) noexcept {
  return static_cast<FastMr&>(mr);
}

NTSTATUS register_mr(NDK_MR* mr, MDL* mdl, SIZE_T length_bytes, ULONG flags, NDK_FN_REQUEST_COMPLETION completion,
                     PVOID context) noexcept {
  enter("NdkRegisterMr");
  if (mdl == nullptr || completion == nullptr) return STATUS_INVALID_PARAMETER;
  if (ours(mr).is_fast()) return STATUS_INVALID_DEVICE_REQUEST;  // R-MR-11
  return registered(ours(mr)).register_chain(mdl, length_bytes, flags, completion, context);
}

NTSTATUS deregister_mr(NDK_MR* mr, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkDeregisterMr");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  if (ours(mr).is_fast()) return STATUS_INVALID_DEVICE_REQUEST;
  return registered(ours(mr)).deregister(completion, context);
}

NTSTATUS initialize_fast_register_mr(NDK_MR* mr, ULONG page_count, BOOLEAN remote_access,
                                     NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkInitializeFastRegisterMr");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  if (!ours(mr).is_fast()) return STATUS_INVALID_DEVICE_REQUEST;  // R-FRMR-01
  return fast(ours(mr)).initialize(page_count, remote_access != 0, completion, context);
}

UINT32 get_remote_token(NDK_MR* mr) noexcept {
  enter("NdkGetRemoteTokenFromMr");
  return ours(mr).is_fast() ? fast(ours(mr)).token() : registered(ours(mr)).remote_token();
}

UINT32 get_local_token(NDK_MR* mr) noexcept {
  enter("NdkGetLocalTokenFromMr");
  return ours(mr).is_fast() ? fast(ours(mr)).token() : registered(ours(mr)).local_token();
}

}  // namespace

const NDK_MR_DISPATCH kMrDispatch = {
    .NdkCloseMr = close_object<NDK_MR, AnyMr>,
    .NdkQueryExtension = query_extension,
    .NdkRegisterMr = register_mr,
    .NdkDeregisterMr = deregister_mr,
    .NdkInitializeFastRegisterMr = initialize_fast_register_mr,
    .NdkGetRemoteTokenFromMr = get_remote_token,
    .NdkGetLocalTokenFromMr = get_local_token,
};

}  // namespace softndk::provider
