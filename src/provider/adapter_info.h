#pragma once
// What the provider says of itself: NDK_ADAPTER_INFO and NDIS_NDK_CAPABILITIES (spec/ndkpi.md 4.3).
#include "provider/settings.h"
#include "rdma/device.h"
#include "wdk/ndis.h"
#include "wdk/ndkpi.h"

namespace softndk::provider {

/// Required by an adapter that was opened with major 1, which need not know RdmaTechnology (R-QAI-03).
inline constexpr ULONG kAdapterInfoBytesV1 = 96;
inline constexpr ULONG kAdapterInfoBytesV2 = 104;

/// The truth about `device` as far as the provider can use it: an ability that this provider does not offer yet is not
/// announced, whatever the device could do.
NDK_ADAPTER_INFO make_adapter_info(const rdma::DeviceCaps& caps, const Settings& settings,
                                   NDK_VERSION version) noexcept;

/// NdkQueryAdapterInfo (R-QAI-01..R-QAI-04). `info` is constant for the life of the adapter instance (R-QAI-06).
NTSTATUS copy_adapter_info(const NDK_ADAPTER_INFO& info, NDK_ADAPTER_INFO* to, ULONG* size_bytes) noexcept;

/// R-NDIS-10, R-NDIS-13 (0: no limit for the whole adapter), R-NDIS-15 (no counter is missing). `info` outlives it.
NDIS_NDK_CAPABILITIES make_capabilities(const Settings& settings, NDK_ADAPTER_INFO& info) noexcept;

/// What is left of the device's limits under a profile.
rdma::DeviceCaps lower_caps(rdma::DeviceCaps caps, LimitsProfile profile) noexcept;

/// R-INF-03: the only technology that we support, whatever the keyword says; it equals NDK_ADAPTER_INFO's (R-INF-02).
NDK_RDMA_TECHNOLOGY active_technology(const Settings& settings) noexcept;

/// What an adapter reports before anybody opens it.
NDK_VERSION version_max(const Settings& settings) noexcept;

/// The version an open with `asked` gets, or Major 0: not supported (R-VER-01, R-VER-02, R-VER-04).
NDK_VERSION negotiate(const Settings& settings, NDK_VERSION asked) noexcept;

}  // namespace softndk::provider
