#include "provider/work_translation.h"

#include <cstring>

#include "base/log.h"
#include "provider/status.h"

namespace softndk::provider {
namespace {

constexpr ULONG kFlagsDefined = 0x3ff;

NDK_OPERATION_TYPE type_of(rdma::Operation operation) noexcept {
  switch (operation) {
    case rdma::Operation::send:
    case rdma::Operation::send_invalidate:
      return NdkOperationTypeSend;  // R-CQ-19
    case rdma::Operation::write:
      return NdkOperationTypeWrite;
    case rdma::Operation::read:
      return NdkOperationTypeRead;
    case rdma::Operation::receive:
      return NdkOperationTypeReceive;
    case rdma::Operation::receive_invalidate:
      return NdkOperationTypeReceiveAndInvalidate;
    case rdma::Operation::fast_register:
      return NdkOperationTypeFastRegister;
    case rdma::Operation::bind:
      return NdkOperationTypeBind;
    case rdma::Operation::invalidate:
      return NdkOperationTypeInvalidate;
  }
  SOFTNDK_UNREACHABLE();
}

bool is_receive(rdma::Operation operation) {
  return operation == rdma::Operation::receive || operation == rdma::Operation::receive_invalidate;
}

}  // namespace

std::optional<rdma::WorkFlags> translate_flags(ULONG flags, rdma::Operation operation, NDK_VERSION version,
                                               const rdma::DeviceCaps& caps) noexcept {
  if ((flags & ~kFlagsDefined) != 0) return std::nullopt;
  const bool is_send = operation == rdma::Operation::send || operation == rdma::Operation::send_invalidate;
  const bool takes_inline = is_send || operation == rdma::Operation::write;  // R-INL-05
  rdma::WorkFlags to;
  to.silent = (flags & NDK_OP_FLAG_SILENT_SUCCESS) != 0;
  to.read_fence = (flags & NDK_OP_FLAG_READ_FENCE) != 0;
  to.solicited = is_send && (flags & NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT) != 0;
  to.inline_data = takes_inline && (flags & NDK_OP_FLAG_INLINE) != 0;
  to.defer = at_least(version, 1, 2) && (flags & NDK_OP_FLAG_DEFER) != 0;
  to.local_invalidate = operation == rdma::Operation::read && at_least(version, 1, 2) && caps.read_local_invalidate &&
                        (flags & NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE) != 0;
  return to;
}

bool SgeList::translate(const NDK_SGE* sges, ULONG count) noexcept {
  if (count > kSgesMax || (sges == nullptr && count != 0)) return false;
  for (ULONG i = 0; i < count; ++i) {
    sges_[i] = {reinterpret_cast<std::uint64_t>(sges[i].VirtualAddress), sges[i].Length, sges[i].MemoryRegionToken};
  }
  count_ = count;
  return true;
}

bool SgeList::collect_inline(const NDK_SGE* sges, ULONG count) noexcept {
  std::size_t filled = 0;
  for (ULONG i = 0; i < count; ++i) {
    if (sges[i].Length > octets_.size() - filled) return false;
    if (sges[i].Length != 0) std::memcpy(octets_.data() + filled, sges[i].VirtualAddress, sges[i].Length);
    filled += sges[i].Length;
  }
  sges_[0] = {reinterpret_cast<std::uint64_t>(octets_.data()), static_cast<std::uint32_t>(filled), 0};
  count_ = 1;
  return true;
}

void translate(const rdma::Completion& from, NDK_RESULT& to) noexcept {
  to.Status = to_ntstatus(from.status);
  to.BytesTransferred = is_receive(from.operation) ? from.bytes : 0;
  to.QPContext = from.qp_context;
  to.RequestContext = from.request_context;
}

void translate(const rdma::Completion& from, NDK_RESULT_EX& to, NDK_VERSION version) noexcept {
  to.Status = to_ntstatus(from.status);
  to.BytesTransferred = is_receive(from.operation) ? from.bytes : 0;
  to.QPContext = from.qp_context;
  to.RequestContext = from.request_context;
  to.Type = type_of(from.operation);
  const bool failed = from.status != rdma::WorkStatus::success;
  to.ProviderErrorCode = failed && at_least(version, 2, 1) ? from.device_code : 0;
  to.TypeSpecificCompletionOutput = from.operation == rdma::Operation::receive_invalidate ? from.invalidated_token : 0;
}

}  // namespace softndk::provider
