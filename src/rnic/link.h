#pragma once
#include <cstdint>

namespace softndk::rnic {

/// What the two directions of a stream report to the connection that runs it; a set of bits, raised from any thread and
/// looked at on the connection's processor thread, so that no direction is ever re-entered by its own news.
enum LinkEvent : std::uint32_t {
  kRtrSent = 1u << 0,         ///< transmit: the RTR was handed to TCP
  kTerminateSent = 1u << 1,   ///< transmit: the Terminate was handed to TCP
  kFinSent = 1u << 2,         ///< transmit: everything queued went out, then the FIN
  kWriteFailed = 1u << 3,     ///< transmit: the stream is dead
  kTxLocalError = 1u << 4,    ///< transmit: a request of ours cannot be executed
  kSqFlushed = 1u << 5,       ///< transmit: every initiator request has its completion
  kTxDetached = 1u << 6,      ///< transmit: will not touch stream or connection again
  kFirstFpdu = 1u << 7,       ///< receive: a valid FPDU (the RTR, where one was agreed)
  kPeerFin = 1u << 8,         ///< receive: a FIN between messages
  kLost = 1u << 9,            ///< receive: RST, or a FIN inside a message
  kPeerTerminate = 1u << 10,  ///< receive: the peer gave up
  kPeerFault = 1u << 11,      ///< receive: the peer broke a rule; a Terminate of ours is due
  kRqFlushed = 1u << 12,      ///< receive: every receive has its completion
  kRxDetached = 1u << 13,     ///< receive: will not touch stream or connection again
};

class Link {
 public:
  /// Any thread; takes note and returns.
  virtual void raise(std::uint32_t events) noexcept = 0;

 protected:
  ~Link() = default;
};

}  // namespace softndk::rnic
