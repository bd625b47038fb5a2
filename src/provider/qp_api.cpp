// The functions in a queue pair's dispatch table. The token of send-and-invalidate stands after the flags, unlike that
// of read and write (C-47).
#include "provider/api.h"
#include "provider/dispatch.h"
#include "provider/fast_mr.h"
#include "provider/mw.h"
#include "provider/qp.h"

namespace softndk::provider {
namespace {

Qp& ours(NDK_QP* qp) noexcept {
  return *static_cast<Qp*>(qp);
}

void flush(NDK_QP* qp) noexcept {
  enter("NdkFlush");
  ours(qp).flush();
}

NTSTATUS send(NDK_QP* qp, PVOID context, const NDK_SGE* sges, ULONG count, ULONG flags) noexcept {
  enter("NdkSend");
  ours(qp).initiator.assume();
  return ours(qp).post(rdma::Operation::send, context, sges, count, 0, 0, flags);
}

NTSTATUS receive(NDK_QP* qp, PVOID context, const NDK_SGE* sges, ULONG count) noexcept {
  enter("NdkReceive");
  ours(qp).receiver.assume();
  return ours(qp).post_receive(context, sges, count);
}

NTSTATUS read(NDK_QP* qp, PVOID context, const NDK_SGE* sges, ULONG count, UINT64 remote_address, UINT32 remote_token,
              ULONG flags) noexcept {
  enter("NdkRead");
  ours(qp).initiator.assume();
  return ours(qp).post(rdma::Operation::read, context, sges, count, remote_address, remote_token, flags);
}

NTSTATUS write(NDK_QP* qp, PVOID context, const NDK_SGE* sges, ULONG count, UINT64 remote_address, UINT32 remote_token,
               ULONG flags) noexcept {
  enter("NdkWrite");
  ours(qp).initiator.assume();
  return ours(qp).post(rdma::Operation::write, context, sges, count, remote_address, remote_token, flags);
}

NTSTATUS send_and_invalidate(NDK_QP* qp, PVOID context, const NDK_SGE* sges, ULONG count, ULONG flags,
                             UINT32 remote_token) noexcept {
  enter("NdkSendAndInvalidate");
  ours(qp).initiator.assume();
  return ours(qp).post(rdma::Operation::send_invalidate, context, sges, count, 0, remote_token, flags);
}

NTSTATUS bind(NDK_QP* qp, PVOID context, NDK_MR* mr, NDK_MW* mw, PVOID address, SIZE_T length_bytes,
              ULONG flags) noexcept {
  enter("NdkBind");
  ours(qp).initiator.assume();
  if (mr == nullptr || mw == nullptr) return ours(qp).refuse_post(STATUS_INVALID_PARAMETER);
  return ours(qp).post_bind(context, *static_cast<AnyMr*>(mr), *static_cast<Mw*>(mw), address, length_bytes, flags);
}

NTSTATUS fast_register(NDK_QP* qp, PVOID context, NDK_MR* mr, ULONG page_count, const NDK_LOGICAL_ADDRESS* pages,
                       ULONG first_byte_offset, SIZE_T length_bytes, PVOID address, ULONG flags) noexcept {
  enter("NdkFastRegister");
  ours(qp).initiator.assume();
  if (mr == nullptr || pages == nullptr) return ours(qp).refuse_post(STATUS_INVALID_PARAMETER);
  AnyMr& region = *static_cast<AnyMr*>(mr);
  if (!region.is_fast()) return ours(qp).refuse_post(STATUS_INVALID_DEVICE_REQUEST);
  return ours(qp).post_fast_register(context, static_cast<FastMr&>(region), {pages, page_count}, first_byte_offset,
                                     length_bytes, address, flags);
}

/// Of a bound window or a fast-registered region (R-INV-01), never of a region that an MDL describes (R-INV-02).
NTSTATUS invalidate(NDK_QP* qp, PVOID context, NDK_OBJECT_HEADER* object, ULONG flags) noexcept {
  enter("NdkInvalidate");
  ours(qp).initiator.assume();
  if (object == nullptr) return ours(qp).refuse_post(STATUS_INVALID_PARAMETER);
  if (object->ObjectType == NdkObjectTypeMw)
    return ours(qp).post_invalidate(context, *static_cast<Mw*>(reinterpret_cast<NDK_MW*>(object)), flags);
  if (object->ObjectType == NdkObjectTypeMr) {
    AnyMr& region = *static_cast<AnyMr*>(reinterpret_cast<NDK_MR*>(object));
    if (region.is_fast()) return ours(qp).post_invalidate(context, static_cast<FastMr&>(region), flags);
  }
  return ours(qp).refuse_post(STATUS_INVALID_DEVICE_REQUEST);
}

}  // namespace

const NDK_QP_DISPATCH kQpDispatch = {
    .NdkCloseQp = close_object<NDK_QP, Qp>,
    .NdkQueryExtension = query_extension,
    .NdkFlush = flush,
    .NdkSend = send,
    .NdkReceive = receive,
    .NdkBind = bind,
    .NdkFastRegister = fast_register,
    .NdkInvalidate = invalidate,
    .NdkRead = read,
    .NdkWrite = write,
    .NdkSendAndInvalidate = send_and_invalidate,
};

}  // namespace softndk::provider
