// The functions in an adapter's dispatch table.
#include "ntrt/mdl_extents.h"
#include "provider/api.h"
#include "provider/connector.h"
#include "provider/cq.h"
#include "provider/dispatch.h"
#include "provider/listener.h"
#include "provider/pd.h"
#include "provider/shared_endpoint.h"
#include "provider/sockaddr.h"

namespace softndk::provider {
namespace {

Adapter& ours(NDK_ADAPTER* adapter) noexcept {
  return *static_cast<Adapter*>(adapter);
}

/// PASSIVE_LEVEL; R-QAI-01..R-QAI-04.
NTSTATUS query_adapter_info(NDK_ADAPTER* adapter, NDK_ADAPTER_INFO* info, ULONG* size_bytes) noexcept {
  enter_passive("NdkQueryAdapterInfo");
  return copy_adapter_info(ours(adapter).info(), info, size_bytes);
}

NTSTATUS create_cq(NDK_ADAPTER* adapter, ULONG depth, NDK_FN_CQ_NOTIFICATION_CALLBACK notification, PVOID cq_context,
                   GROUP_AFFINITY* affinity, NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_CQ** cq) noexcept {
  enter("NdkCreateCq");
  Adapter& self = ours(adapter);
  if (completion == nullptr || cq == nullptr) return STATUS_INVALID_PARAMETER;
  if (depth == 0 || depth > self.info().MaxCqDepth) return STATUS_INVALID_PARAMETER;  // R-CQ-01, R-CQ-02
  if (const NTSTATUS status = self.check_creatable(); !NT_SUCCESS(status)) return status;
  const std::uint64_t mask = affinity != nullptr && affinity->Group == 0 ? affinity->Mask : 0;
  return create({self, {}, completion, context}, cq,
                [&] { return Cq::create(self, depth, mask, notification, cq_context); });
}

NTSTATUS create_pd(NDK_ADAPTER* adapter, NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_PD** pd) noexcept {
  enter("NdkCreatePd");
  Adapter& self = ours(adapter);
  if (completion == nullptr || pd == nullptr) return STATUS_INVALID_PARAMETER;
  if (const NTSTATUS status = self.check_creatable(); !NT_SUCCESS(status)) return status;
  return create({self, {}, completion, context}, pd, [&] { return Pd::create(self); });
}

/// R-SEP-01..R-SEP-04.
NTSTATUS create_shared_endpoint(NDK_ADAPTER* adapter, const SOCKADDR* address, ULONG address_bytes,
                                NDK_FN_CREATE_COMPLETION completion, PVOID context,
                                NDK_SHARED_ENDPOINT** endpoint) noexcept {
  enter("NdkCreateSharedEndpoint");
  Adapter& self = ours(adapter);
  if (completion == nullptr || endpoint == nullptr) return STATUS_INVALID_PARAMETER;
  const auto local = read_sockaddr(address, address_bytes);
  if (!local) return local.error();
  if (const NTSTATUS status = self.check_creatable(); !NT_SUCCESS(status)) return status;
  return create({self, {}, completion, context}, endpoint, [&] { return SharedEndpoint::create(self, *local); });
}

/// R-CONN-01..R-CONN-26: the contract is create()'s, the object Connector's.
NTSTATUS create_connector(NDK_ADAPTER* adapter, NDK_FN_CREATE_COMPLETION completion, PVOID context,
                          NDK_CONNECTOR** connector) noexcept {
  enter("NdkCreateConnector");
  Adapter& self = ours(adapter);
  if (completion == nullptr || connector == nullptr) return STATUS_INVALID_PARAMETER;  // R-IRQL-04
  if (const NTSTATUS status = self.check_creatable(); !NT_SUCCESS(status)) return status;
  return create({self, {}, completion, context}, connector, [&] { return Connector::create(self); });
}

NTSTATUS create_listener(NDK_ADAPTER* adapter, NDK_FN_CONNECT_EVENT_CALLBACK event, PVOID event_context,
                         NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_LISTENER** listener) noexcept {
  enter("NdkCreateListener");
  Adapter& self = ours(adapter);
  if (completion == nullptr || listener == nullptr) return STATUS_INVALID_PARAMETER;
  if (const NTSTATUS status = self.check_creatable(); !NT_SUCCESS(status)) return status;
  return create({self, {}, completion, context}, listener,
                [&] { return Listener::create(self, event, event_context); });
}

/// R-LAM-01..R-LAM-10. What is wrong with the arguments is said inline (R-LAM-09).
NTSTATUS build_lam(NDK_ADAPTER* adapter, MDL* mdl, SIZE_T length_bytes, NDK_FN_REQUEST_COMPLETION completion,
                   PVOID context, NDK_LOGICAL_ADDRESS_MAPPING* lam, ULONG* lam_bytes,
                   ULONG* first_byte_offset) noexcept {
  enter("NdkBuildLAM");
  const ntrt::CallOrigin origin = ntrt::take_origin(__builtin_return_address(0));
  Adapter& self = ours(adapter);
  if (lam_bytes == nullptr || first_byte_offset == nullptr) return STATUS_INVALID_PARAMETER;
  const auto measure = ntrt::measure_mdl_chain(mdl, length_bytes);
  // Where two MDLs name different frames for one page there is no list of pages (R-LAM-04, R-LAM-05).
  if (!measure || measure->pages_differ) return STATUS_INVALID_PARAMETER;
  const std::uint64_t required = Lams::bytes_for(measure->page_count);
  if (required > UINT32_MAX) return STATUS_INSUFFICIENT_RESOURCES;
  if (*lam_bytes < required) {
    *lam_bytes = static_cast<ULONG>(required);
    return STATUS_BUFFER_TOO_SMALL;  // R-LAM-03
  }
  if (lam == nullptr) return STATUS_INVALID_PARAMETER;
  const auto build = [&] {
    const NTSTATUS built = self.lams().build(self.device(), mdl, length_bytes, *lam, *lam_bytes, *first_byte_offset);
    if (NT_SUCCESS(built)) Lams::publish(*lam, self.node(), origin);
    return built;
  };
  if (completion == nullptr) return build();  // R-LAM-10
  return request(self, CompletionKind::local_request, completion, context, build);
}

/// R-LAM-13.
void release_lam(NDK_ADAPTER* adapter, NDK_LOGICAL_ADDRESS_MAPPING* lam) noexcept {
  enter("NdkReleaseLAM");
  if (lam != nullptr) ours(adapter).lams().release(*lam);
}

}  // namespace

const NDK_ADAPTER_DISPATCH kAdapterDispatch = {
    .NdkQueryExtension = query_extension,
    .NdkQueryAdapterInfo = query_adapter_info,
    .NdkCreateCq = create_cq,
    .NdkCreatePd = create_pd,
    .NdkCreateSharedEndpoint = create_shared_endpoint,
    .NdkCreateConnector = create_connector,
    .NdkCreateListener = create_listener,
    .NdkBuildLAM = build_lam,
    .NdkReleaseLAM = release_lam,
};

}  // namespace softndk::provider
