// The functions in a shared receive queue's dispatch table.
#include "provider/api.h"
#include "provider/dispatch.h"
#include "provider/srq.h"

namespace softndk::provider {
namespace {

Srq& ours(NDK_SRQ* srq) noexcept {
  return *static_cast<Srq*>(srq);
}

NTSTATUS modify_srq(NDK_SRQ* srq, ULONG depth, ULONG threshold, NDK_FN_REQUEST_COMPLETION completion,
                    PVOID context) noexcept {
  enter("NdkModifySrq");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  return ours(srq).modify(depth, threshold, completion, context);
}

NTSTATUS srq_receive(NDK_SRQ* srq, PVOID context, const NDK_SGE* sges, ULONG count) noexcept {
  enter("NdkSrqReceive");
  ours(srq).poster.assume();
  return ours(srq).post_receive(context, sges, count);
}

}  // namespace

const NDK_SRQ_DISPATCH kSrqDispatch = {
    .NdkCloseSrq = close_object<NDK_SRQ, Srq>,
    .NdkQueryExtension = query_extension,
    .NdkModifySrq = modify_srq,
    .NdkSrqReceive = srq_receive,
};

}  // namespace softndk::provider
