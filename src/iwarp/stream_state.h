#pragma once
// The life of one iWARP stream. The RFCs fix the events; this table satisfies RFC 5044 7, RFC 5041 6 and RFC 5040 6.
#include <array>
#include <cstdint>
#include <optional>

namespace softndk::iwarp {

enum class StreamState : std::uint8_t {
  idle,
  startup,      ///< MPA Request and Reply
  await_ready,  ///< initiator, accepted: its consumer completes the connect, then the RTR goes out
  await_first,  ///< responder, Reply sent: may send nothing before the first valid FPDU
  operational,
  closing,      ///< our graceful close: what is queued, then FIN; still receives
  peer_closed,  ///< the peer's FIN between messages: we may still send
  terminating,  ///< our Terminate, then FIN (RST after an abortive close); drops input
  terminated,   ///< the peer's Terminate: sends nothing, drops input
  closed,
};
inline constexpr std::size_t kStreamStateCount = 10;

enum class StreamEvent : std::uint8_t {
  mpa_begun,
  accepted_by_peer,  ///< initiator: an accepting Reply that we can work with
  accepted_peer,     ///< responder: our accepting Reply was handed to TCP
  startup_failed,    ///< reject, bad frame, timer: no full operation
  ready_sent,        ///< the RTR was handed to TCP; at once where none was agreed
  first_fpdu,        ///< with a good CRC
  local_disconnect,  ///< graceful, by our consumer
  local_abort,       ///< our consumer closes or rejects
  local_error,       ///< the peer broke a rule, or we cannot go on: a Terminate is due
  terminate_received,
  peer_fin,  ///< between messages; where an agreed RTR is still awaited it is `lost`
  fin_sent,
  lost,  ///< RST, FIN inside a message, failed writes
  timed_out,
};
inline constexpr std::size_t kStreamEventCount = 14;

struct StreamStep {
  StreamState from;
  StreamEvent on;
  StreamState to;
};

inline constexpr auto kStreamSteps = [] {
  using enum StreamState;
  using enum StreamEvent;
  return std::to_array<StreamStep>({
      {idle, mpa_begun, startup},
      {idle, local_abort, closed},
      {startup, accepted_by_peer, await_ready},
      {startup, accepted_peer, await_first},
      {startup, startup_failed, closed},
      {startup, local_error, terminating},  // the Reply leaves us no IRD or RTR to work with (RFC 6581 8)
      {startup, local_abort, closed},
      {startup, peer_fin, closed},
      {startup, lost, closed},
      {startup, timed_out, closed},
      {await_ready, ready_sent, operational},
      {await_ready, local_abort, terminating},
      {await_ready, local_error, terminating},
      {await_ready, terminate_received, terminated},
      {await_ready, peer_fin, closed},
      {await_ready, lost, closed},
      {await_first, first_fpdu, operational},
      {await_first, local_disconnect, closing},  // established already, if no RTR was agreed
      {await_first, local_abort, terminating},
      {await_first, local_error, terminating},
      {await_first, terminate_received, terminated},
      {await_first, peer_fin, peer_closed},
      {await_first, lost, closed},
      {await_first, timed_out, closed},
      {operational, local_disconnect, closing},
      {operational, local_abort, terminating},
      {operational, local_error, terminating},
      {operational, terminate_received, terminated},
      {operational, peer_fin, peer_closed},
      {operational, lost, closed},
      {closing, local_abort, terminating},
      {closing, local_error, terminating},
      {closing, terminate_received, terminated},
      {closing, peer_fin, closed},
      {closing, fin_sent, closing},
      {closing, lost, closed},
      {closing, timed_out, closed},
      {peer_closed, local_disconnect, closed},
      {peer_closed, local_abort, closed},
      {peer_closed, local_error, terminating},
      {peer_closed, lost, closed},
      {terminating, fin_sent, terminating},
      {terminating, peer_fin, closed},
      {terminating, lost, closed},
      {terminating, timed_out, closed},
      {terminated, local_abort, closed},
      {terminated, peer_fin, terminated},
      {terminated, fin_sent, closed},
      {terminated, lost, closed},
      {terminated, timed_out, closed},
  });
}();

/// nullopt: the event has no meaning in that state; the caller says what that means for its consumer or peer.
constexpr std::optional<StreamState> next(StreamState from, StreamEvent on) {
  for (const StreamStep& step : kStreamSteps) {
    if (step.from == from && step.on == on) return step.to;
  }
  return std::nullopt;
}

constexpr bool may_send_messages(StreamState state) {
  return state == StreamState::operational || state == StreamState::closing || state == StreamState::peer_closed;
}
constexpr bool may_receive_messages(StreamState state) {
  return state == StreamState::await_ready || state == StreamState::await_first || state == StreamState::operational ||
         state == StreamState::closing;
}

}  // namespace softndk::iwarp
