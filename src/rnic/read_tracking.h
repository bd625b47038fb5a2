#pragma once
#include <cstdint>

#include "iwarp/rdmap_header.h"
#include "rnic/spsc_fifo.h"
#include "rnic/work_queues.h"

namespace softndk::rnic {

/// A Read of ours whose request is on its way: pushed by the transmit side, popped by the receive side when the last
/// octet of the response was delivered (or the Read was cancelled). At most the negotiated ORD of them.
struct PendingRead {
  SendRecord* record = nullptr;  ///< stays in its ring until the transmit side retires it
  iwarp::ReadRequestHeader request;
  std::uint32_t msn = 0;
};

/// A Read of the peer's that we owe an answer: pushed by the receive side, popped by the transmit side.
struct InboundRead {
  iwarp::ReadRequest request;
};

}  // namespace softndk::rnic
