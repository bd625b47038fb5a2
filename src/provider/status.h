#pragma once
// The one place where an error of the device becomes an NTSTATUS (spec/ndkpi.md 5.6, 3.16, 3.17).
#include "rdma/connection.h"
#include "rdma/device.h"
#include "rdma/memory.h"
#include "rdma/queue.h"
#include "rdma/work.h"
#include "wdk/ntddk.h"

namespace softndk::provider {

/// The end of a request of a connector or a listener.
NTSTATUS to_ntstatus(rdma::CmStatus status) noexcept;
/// The inline answer of a post; never of warning severity (R-WR-24).
NTSTATUS to_ntstatus(rdma::PostError error) noexcept;
/// The status of an entry of a completion queue; no other status appears there (R-CST-01).
NTSTATUS to_ntstatus(rdma::WorkStatus status) noexcept;
NTSTATUS to_ntstatus(rdma::MemoryError error) noexcept;
NTSTATUS to_ntstatus(rdma::CqError error) noexcept;
NTSTATUS to_ntstatus(rdma::SrqError error) noexcept;
NTSTATUS to_ntstatus(rdma::CreateError error) noexcept;
/// CqStatus of a notification (R-ARM-15, R-ARM-16, R-ARM-17).
NTSTATUS to_ntstatus(rdma::CqHealth health) noexcept;

/// After these four a connect may be tried again with the same connector and queue pair (R-CONN-24).
constexpr bool is_retryable(NTSTATUS status) {
  return status == STATUS_NETWORK_UNREACHABLE || status == STATUS_HOST_UNREACHABLE ||
         status == STATUS_CONNECTION_REFUSED || status == STATUS_IO_TIMEOUT;
}

}  // namespace softndk::provider
