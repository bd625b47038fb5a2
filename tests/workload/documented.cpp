#include "workload/documented.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <iterator>

namespace softndk::workload {
namespace {

struct Row {
  const char* function;
  std::initializer_list<NTSTATUS> statuses;  // but for STATUS_SUCCESS and STATUS_PENDING
};

// STATUS_CANCELLED where a close overtakes a request (R-CNCT-18); STATUS_CONNECTION_ABORTED where a connection is lost
// (R-CNCT-11, R-CNCT-13, R-DISC-02). STATUS_INSUFFICIENT_RESOURCES where memory can be short (R-CRT-06, and what each
// card says).
const Row kTable[] = {
    {"NdkCreateCq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkResizeCq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreatePd", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateMr", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateQp", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateConnector", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateListener", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateSharedEndpoint",
     {STATUS_INSUFFICIENT_RESOURCES, STATUS_SHARING_VIOLATION, STATUS_TOO_MANY_ADDRESSES, STATUS_INVALID_ADDRESS}},
    {"NdkRegisterMr", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkDeregisterMr", {}},
    {"NdkInitializeFastRegisterMr", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateMw", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkBuildLAM", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateSrq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkModifySrq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkListen",
     {STATUS_INSUFFICIENT_RESOURCES, STATUS_SHARING_VIOLATION, STATUS_INVALID_ADDRESS, STATUS_TOO_MANY_ADDRESSES}},
    {"NdkConnect",
     {STATUS_INSUFFICIENT_RESOURCES, STATUS_NETWORK_UNREACHABLE, STATUS_HOST_UNREACHABLE, STATUS_CONNECTION_REFUSED,
      STATUS_IO_TIMEOUT, STATUS_SHARING_VIOLATION, STATUS_INVALID_ADDRESS, STATUS_TOO_MANY_ADDRESSES,
      STATUS_ADDRESS_ALREADY_EXISTS, STATUS_CANCELLED}},
    {"NdkConnectWithSharedEndpoint",
     {STATUS_INSUFFICIENT_RESOURCES, STATUS_NETWORK_UNREACHABLE, STATUS_HOST_UNREACHABLE, STATUS_CONNECTION_REFUSED,
      STATUS_IO_TIMEOUT, STATUS_ADDRESS_ALREADY_EXISTS, STATUS_CANCELLED}},
    {"NdkCompleteConnect",
     {STATUS_CONNECTION_INVALID, STATUS_CONNECTION_ABORTED, STATUS_IO_TIMEOUT, STATUS_CANCELLED,
      STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkAccept", {STATUS_CONNECTION_ABORTED, STATUS_IO_TIMEOUT, STATUS_CANCELLED, STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkDisconnect", {STATUS_IO_TIMEOUT, STATUS_CONNECTION_ABORTED, STATUS_CANCELLED, STATUS_CONNECTION_INVALID}},
};

bool is_one_of(NTSTATUS status, std::initializer_list<NTSTATUS> statuses) {
  return std::find(statuses.begin(), statuses.end(), status) != statuses.end();
}

}  // namespace

bool is_documented(const char* function, NTSTATUS status, bool is_inline) noexcept {
  if (status == STATUS_SUCCESS) return true;
  if (status == STATUS_PENDING) return is_inline;
  const std::size_t length = std::strcspn(function, " ");
  for (const Row& row : kTable) {
    if (std::strlen(row.function) == length && std::strncmp(row.function, function, length) == 0)
      return is_one_of(status, row.statuses);
  }
  return false;  // closes, and what is not in the table
}

bool is_completion_status(NTSTATUS status) noexcept {
  return is_one_of(status, {STATUS_SUCCESS, STATUS_CANCELLED, STATUS_ACCESS_VIOLATION, STATUS_REMOTE_RESOURCES,
                            STATUS_BUFFER_OVERFLOW, STATUS_INVALID_DEVICE_REQUEST, STATUS_INTERNAL_ERROR});
}

}  // namespace softndk::workload
