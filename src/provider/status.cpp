#include "provider/status.h"

#include "base/log.h"

// No switch has a default: a new error makes the compiler point here.
namespace softndk::provider {

NTSTATUS to_ntstatus(rdma::CmStatus status) noexcept {
  switch (status) {
    case rdma::CmStatus::success:
      return STATUS_SUCCESS;
    case rdma::CmStatus::pending:
      return STATUS_PENDING;
    case rdma::CmStatus::refused:
      return STATUS_CONNECTION_REFUSED;  // R-CNCT-04
    case rdma::CmStatus::network_unreachable:
      return STATUS_NETWORK_UNREACHABLE;
    case rdma::CmStatus::host_unreachable:
      return STATUS_HOST_UNREACHABLE;
    case rdma::CmStatus::timed_out:
      return STATUS_IO_TIMEOUT;  // R-CNCT-09
    case rdma::CmStatus::address_in_use:
      return STATUS_SHARING_VIOLATION;  // R-CNCT-06, R-LSN-02
    case rdma::CmStatus::address_not_local:
      return STATUS_INVALID_ADDRESS;
    case rdma::CmStatus::no_free_port:
      return STATUS_TOO_MANY_ADDRESSES;
    case rdma::CmStatus::already_connected:
      return STATUS_ADDRESS_ALREADY_EXISTS;  // R-CNCT-05
    case rdma::CmStatus::no_resources:
      return STATUS_INSUFFICIENT_RESOURCES;
    case rdma::CmStatus::aborted:
      return STATUS_CONNECTION_ABORTED;  // R-CNCT-11, R-CNCT-13, R-DISC-02
    case rdma::CmStatus::cancelled:
      return STATUS_CANCELLED;  // R-CNCT-18
    case rdma::CmStatus::wrong_state:
      return STATUS_INVALID_DEVICE_STATE;
    case rdma::CmStatus::not_connected:
      return STATUS_CONNECTION_INVALID;  // R-CNCT-03, R-DISC-12
    case rdma::CmStatus::qp_busy:
      return STATUS_CONNECTION_ACTIVE;  // R-QP-07, R-QP-08
  }
  SOFTNDK_UNREACHABLE();
}

NTSTATUS to_ntstatus(rdma::PostError error) noexcept {
  switch (error) {
    case rdma::PostError::not_connected:
      return STATUS_CONNECTION_INVALID;  // R-WR-08, R-WR-11
    case rdma::PostError::queue_full:
      return STATUS_INSUFFICIENT_RESOURCES;  // R-WR-12
    case rdma::PostError::too_many_sges:
      return STATUS_DATA_OVERRUN;  // R-WR-14
    case rdma::PostError::too_long:
      return STATUS_DATA_OVERRUN;  // R-WR-15, R-INL-04
    case rdma::PostError::no_read_limit:
      return STATUS_INVALID_DEVICE_REQUEST;  // R-RL-05
    case rdma::PostError::no_resources:
      return STATUS_INSUFFICIENT_RESOURCES;
    case rdma::PostError::bad_page:
      return STATUS_INVALID_PARAMETER;  // R-FRMR-07, R-LAM-12
    case rdma::PostError::unsupported:
      return STATUS_NOT_SUPPORTED;
  }
  SOFTNDK_UNREACHABLE();
}

NTSTATUS to_ntstatus(rdma::WorkStatus status) noexcept {
  switch (status) {
    case rdma::WorkStatus::success:
      return STATUS_SUCCESS;
    case rdma::WorkStatus::cancelled:
      return STATUS_CANCELLED;  // R-CST-02
    case rdma::WorkStatus::local_access:
      return STATUS_ACCESS_VIOLATION;  // R-WR-19
    case rdma::WorkStatus::remote_access:
      return STATUS_ACCESS_VIOLATION;  // R-RDMA-03
    case rdma::WorkStatus::remote_resources:
      return STATUS_REMOTE_RESOURCES;  // R-RDMA-03
    case rdma::WorkStatus::receive_too_small:
      return STATUS_BUFFER_OVERFLOW;  // R-SEND-02
    case rdma::WorkStatus::wrong_state:
      return STATUS_INVALID_DEVICE_REQUEST;
    case rdma::WorkStatus::internal:
      return STATUS_INTERNAL_ERROR;
  }
  SOFTNDK_UNREACHABLE();
}

NTSTATUS to_ntstatus(rdma::MemoryError error) noexcept {
  switch (error) {
    case rdma::MemoryError::no_resources:
      return STATUS_INSUFFICIENT_RESOURCES;
    case rdma::MemoryError::wrong_state:
      return STATUS_INVALID_DEVICE_REQUEST;  // R-MR-11
    case rdma::MemoryError::too_long:
      return STATUS_INVALID_PARAMETER;  // R-MR-02
  }
  SOFTNDK_UNREACHABLE();
}

NTSTATUS to_ntstatus(rdma::CqError error) noexcept {
  switch (error) {
    case rdma::CqError::no_resources:
      return STATUS_INSUFFICIENT_RESOURCES;
    case rdma::CqError::too_shallow:
      return STATUS_INVALID_PARAMETER;  // R-CQ-09
  }
  SOFTNDK_UNREACHABLE();
}

NTSTATUS to_ntstatus(rdma::SrqError error) noexcept {
  switch (error) {
    case rdma::SrqError::no_resources:
      return STATUS_INSUFFICIENT_RESOURCES;
    case rdma::SrqError::too_shallow:
      return STATUS_INVALID_PARAMETER;  // R-SRQ-12
  }
  SOFTNDK_UNREACHABLE();
}

NTSTATUS to_ntstatus(rdma::CreateError error) noexcept {
  switch (error) {
    case rdma::CreateError::no_resources:
      return STATUS_INSUFFICIENT_RESOURCES;  // R-CRT-06
    case rdma::CreateError::invalid:
      return STATUS_INVALID_PARAMETER;
  }
  SOFTNDK_UNREACHABLE();
}

NTSTATUS to_ntstatus(rdma::CqHealth health) noexcept {
  switch (health) {
    case rdma::CqHealth::good:
      return STATUS_SUCCESS;
    case rdma::CqHealth::overflow:
      return STATUS_BUFFER_OVERFLOW;
    case rdma::CqHealth::failed:
      return STATUS_INTERNAL_ERROR;
  }
  SOFTNDK_UNREACHABLE();
}

}  // namespace softndk::provider
