#pragma once
// The life of a connector as data (spec/ndkpi.md 2.4).
//
//   active side                      passive side
//   idle                             incoming
//     connect                          accept            reject -> dead
//   connecting --failed--> idle|dead accepting --failed--> dead
//     the peer accepted                  the RTR arrived
//   await_complete  reject -> dead       |
//     complete-connect                   |
//   completing --failed--> dead          |
//     `-------------> connected <--------'
//                      | peer's FIN: peer_gone   | loss: broken   | NdkDisconnect: disconnecting
//                      `------ disconnecting ----> dead
//   any state --close--> closing
#include <cstdint>
#include <optional>

namespace softndk::provider {

enum class ConnectorState : std::uint8_t {
  idle,
  connecting,
  await_complete,
  completing,
  incoming,
  accepting,
  connected,
  peer_gone,
  broken,
  disconnecting,
  dead,
  closing,
};
inline constexpr unsigned kConnectorStates = 12;

enum class ConnectorEvent : std::uint8_t {
  connect_called,
  connect_succeeded,
  connect_failed_retryable,  ///< one of the four of R-CONN-24
  connect_failed,
  complete_called,
  complete_succeeded,
  complete_failed,
  accept_called,
  accept_succeeded,
  accept_failed,
  rejected,
  peer_disconnected,  ///< the peer's graceful disconnect
  lost,
  disconnect_called,
  disconnected,
  close_called,
};
inline constexpr unsigned kConnectorEvents = 16;

struct ConnectorStep {
  ConnectorState from;
  ConnectorEvent on;
  ConnectorState to;
};

inline constexpr ConnectorStep kConnectorSteps[] = {
    {ConnectorState::idle, ConnectorEvent::connect_called, ConnectorState::connecting},
    // NdkConnect completes when the peer accepted, not at `connected` (R-CNCT-01).
    {ConnectorState::connecting, ConnectorEvent::connect_succeeded, ConnectorState::await_complete},
    {ConnectorState::connecting, ConnectorEvent::connect_failed_retryable, ConnectorState::idle},  // R-CONN-24
    {ConnectorState::connecting, ConnectorEvent::connect_failed, ConnectorState::dead},
    {ConnectorState::await_complete, ConnectorEvent::complete_called, ConnectorState::completing},
    {ConnectorState::await_complete, ConnectorEvent::rejected, ConnectorState::dead},  // R-REJ-02, R-REJ-03
    {ConnectorState::completing, ConnectorEvent::complete_succeeded, ConnectorState::connected},
    {ConnectorState::completing, ConnectorEvent::complete_failed, ConnectorState::dead},  // R-CNCT-14

    {ConnectorState::incoming, ConnectorEvent::accept_called, ConnectorState::accepting},
    {ConnectorState::incoming, ConnectorEvent::rejected, ConnectorState::dead},
    {ConnectorState::accepting, ConnectorEvent::accept_succeeded, ConnectorState::connected},
    {ConnectorState::accepting, ConnectorEvent::accept_failed, ConnectorState::dead},

    {ConnectorState::connected, ConnectorEvent::peer_disconnected, ConnectorState::peer_gone},  // R-DISC-06
    {ConnectorState::connected, ConnectorEvent::lost, ConnectorState::broken},                  // R-DISC-15
    {ConnectorState::connected, ConnectorEvent::disconnect_called, ConnectorState::disconnecting},
    {ConnectorState::peer_gone, ConnectorEvent::lost, ConnectorState::broken},
    {ConnectorState::peer_gone, ConnectorEvent::disconnect_called, ConnectorState::disconnecting},  // R-DISC-13
    {ConnectorState::broken, ConnectorEvent::disconnect_called, ConnectorState::disconnecting},     // R-DISC-14
    {ConnectorState::disconnecting, ConnectorEvent::disconnected, ConnectorState::dead},  // R-DISC-03, R-CONN-23

    {ConnectorState::idle, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::connecting, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::await_complete, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::completing, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::incoming, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::accepting, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::connected, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::peer_gone, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::broken, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::disconnecting, ConnectorEvent::close_called, ConnectorState::closing},
    {ConnectorState::dead, ConnectorEvent::close_called, ConnectorState::closing},
};

/// nullopt: the event has no meaning in that state; the caller says what that means for its consumer.
constexpr std::optional<ConnectorState> next_state(ConnectorState from, ConnectorEvent on) {
  for (const ConnectorStep& step : kConnectorSteps) {
    if (step.from == from && step.on == on) return step.to;
  }
  return std::nullopt;
}

/// What OID_NDK_CONNECTIONS lists (R-OID-15).
constexpr bool is_active(ConnectorState state) {
  return state == ConnectorState::connected || state == ConnectorState::peer_gone || state == ConnectorState::broken ||
         state == ConnectorState::disconnecting;
}

constexpr const char* to_string(ConnectorState state) {
  switch (state) {
    case ConnectorState::idle:
      return "idle";
    case ConnectorState::connecting:
      return "connecting";
    case ConnectorState::await_complete:
      return "await_complete";
    case ConnectorState::completing:
      return "completing";
    case ConnectorState::incoming:
      return "incoming";
    case ConnectorState::accepting:
      return "accepting";
    case ConnectorState::connected:
      return "connected";
    case ConnectorState::peer_gone:
      return "peer_gone";
    case ConnectorState::broken:
      return "broken";
    case ConnectorState::disconnecting:
      return "disconnecting";
    case ConnectorState::dead:
      return "dead";
    case ConnectorState::closing:
      return "closing";
  }
  return "?";
}

}  // namespace softndk::provider
