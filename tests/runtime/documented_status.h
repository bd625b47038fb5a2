#pragma once
// What each function may answer, inline or by its completion, to a correct call while other things fail: the statuses
// of its page's table (spec/ndkpi.md 2), less those that name a mistake of the caller's, and with the ones of class R
// (5.6): STATUS_INSUFFICIENT_RESOURCES, and STATUS_CANCELLED where a close overtakes a request (R-CNCT-18).
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "wdk/ntddk.h"

namespace softndk::stack {

struct StatusRow {
  std::string_view function;
  std::initializer_list<NTSTATUS> others;  ///< beside STATUS_SUCCESS
};

inline constexpr StatusRow kDocumented[] = {
    {"WskRegister", {STATUS_INSUFFICIENT_RESOURCES}},
    {"WskCaptureProviderNPI", {STATUS_INSUFFICIENT_RESOURCES}},
    {"WskOpenNdkAdapter", {STATUS_INSUFFICIENT_RESOURCES, STATUS_NOT_FOUND}},  // no adapter: it failed to initialize
    {"NdkQueryAdapterInfo", {}},
    {"NdkCreateCq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkResizeCq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreatePd", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateMr", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateMw", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateSrq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateQp", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateQpWithSrq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateConnector", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateListener", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkCreateSharedEndpoint",
     {STATUS_INSUFFICIENT_RESOURCES, STATUS_SHARING_VIOLATION, STATUS_TOO_MANY_ADDRESSES, STATUS_INVALID_ADDRESS}},
    {"NdkRegisterMr", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkDeregisterMr", {}},
    {"NdkBuildLAM", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkInitializeFastRegisterMr", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkFastRegister", {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_INVALID}},
    {"NdkInvalidate", {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_INVALID}},
    {"NdkBind", {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_INVALID}},
    {"NdkSrqReceive", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkModifySrq", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkSendAndInvalidate", {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_INVALID}},
    {"NdkListen", {STATUS_INSUFFICIENT_RESOURCES, STATUS_SHARING_VIOLATION, STATUS_TOO_MANY_ADDRESSES}},
    {"NdkConnect",
     {STATUS_INSUFFICIENT_RESOURCES, STATUS_NETWORK_UNREACHABLE, STATUS_HOST_UNREACHABLE, STATUS_CONNECTION_REFUSED,
      STATUS_IO_TIMEOUT, STATUS_SHARING_VIOLATION, STATUS_TOO_MANY_ADDRESSES, STATUS_ADDRESS_ALREADY_EXISTS,
      STATUS_CANCELLED}},
    {"NdkConnectWithSharedEndpoint",
     {STATUS_INSUFFICIENT_RESOURCES, STATUS_NETWORK_UNREACHABLE, STATUS_HOST_UNREACHABLE, STATUS_CONNECTION_REFUSED,
      STATUS_IO_TIMEOUT, STATUS_ADDRESS_ALREADY_EXISTS, STATUS_CANCELLED}},
    {"NdkCompleteConnect",
     {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_ABORTED, STATUS_IO_TIMEOUT, STATUS_CANCELLED}},
    {"NdkAccept", {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_ABORTED, STATUS_IO_TIMEOUT, STATUS_CANCELLED}},
    {"NdkReject", {STATUS_CONNECTION_ABORTED}},
    {"NdkDisconnect", {STATUS_IO_TIMEOUT, STATUS_CONNECTION_ABORTED, STATUS_CANCELLED}},
    {"NdkGetConnectionData", {STATUS_CONNECTION_INVALID}},
    {"NdkGetLocalAddress", {STATUS_CONNECTION_INVALID}},
    {"NdkGetPeerAddress", {STATUS_CONNECTION_INVALID}},
    {"NdkReceive", {STATUS_INSUFFICIENT_RESOURCES}},
    {"NdkSend", {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_INVALID}},
    {"NdkRead", {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_INVALID}},
    {"NdkWrite", {STATUS_INSUFFICIENT_RESOURCES, STATUS_CONNECTION_INVALID}},
    // Entries of completion queues (3.16).
    {"a receive's result", {STATUS_CANCELLED, STATUS_INTERNAL_ERROR}},
    {"a send's result", {STATUS_CANCELLED, STATUS_INTERNAL_ERROR}},
    {"a read's result", {STATUS_CANCELLED, STATUS_REMOTE_RESOURCES, STATUS_INTERNAL_ERROR}},
    {"a write's result", {STATUS_CANCELLED, STATUS_INTERNAL_ERROR}},
    {"a fast-register's result", {STATUS_CANCELLED, STATUS_INTERNAL_ERROR}},
    {"a bind's result", {STATUS_CANCELLED, STATUS_INTERNAL_ERROR}},
    {"an invalidate's result", {STATUS_CANCELLED, STATUS_INTERNAL_ERROR}},
    // What the operating system's side asks.
    {"an OID", {STATUS_INSUFFICIENT_RESOURCES}},
    {"DriverEntry", {STATUS_INSUFFICIENT_RESOURCES}},
    {"PsCreateSystemThread", {STATUS_INSUFFICIENT_RESOURCES}},
    {"the runtime's start", {STATUS_INSUFFICIENT_RESOURCES}},
};

/// `status` is final (never STATUS_PENDING). True: success.
[[nodiscard]] inline bool went_well(std::string_view function, NTSTATUS status) {
  const auto row = std::find_if(std::begin(kDocumented), std::end(kDocumented),
                                [function](const StatusRow& each) { return each.function == function; });
  const bool has_row = row != std::end(kDocumented);
  EXPECT_TRUE(has_row) << function << " has no row";
  const bool documented = has_row && (status == STATUS_SUCCESS ||
                                      std::find(row->others.begin(), row->others.end(), status) != row->others.end());
  EXPECT_TRUE(documented) << function << " answered 0x" << std::hex << static_cast<unsigned>(status);
  return status == STATUS_SUCCESS;
}

}  // namespace softndk::stack
