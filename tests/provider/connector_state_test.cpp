#include "provider/connector_state.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace softndk::provider {
namespace {

using State = ConnectorState;
using Event = ConnectorEvent;

constexpr State kStates[] = {State::idle,     State::connecting,    State::await_complete, State::completing,
                             State::incoming, State::accepting,     State::connected,      State::peer_gone,
                             State::broken,   State::disconnecting, State::dead,           State::closing};
constexpr Event kEvents[] = {Event::connect_called,
                             Event::connect_succeeded,
                             Event::connect_failed_retryable,
                             Event::connect_failed,
                             Event::complete_called,
                             Event::complete_succeeded,
                             Event::complete_failed,
                             Event::accept_called,
                             Event::accept_succeeded,
                             Event::accept_failed,
                             Event::rejected,
                             Event::peer_disconnected,
                             Event::lost,
                             Event::disconnect_called,
                             Event::disconnected,
                             Event::close_called};
static_assert(std::size(kStates) == kConnectorStates && std::size(kEvents) == kConnectorEvents);

// spec/ndkpi.md 2.4 written the other way round: for each state what may happen in it; all other cells are empty.
const std::map<State, std::map<Event, State>>& expected_steps() {
  static const std::map<State, std::map<Event, State>> steps = {
      {State::idle, {{Event::connect_called, State::connecting}, {Event::close_called, State::closing}}},
      {State::connecting,
       {{Event::connect_succeeded, State::await_complete},
        {Event::connect_failed_retryable, State::idle},
        {Event::connect_failed, State::dead},
        {Event::close_called, State::closing}}},
      {State::await_complete,
       {{Event::complete_called, State::completing},
        {Event::rejected, State::dead},
        {Event::close_called, State::closing}}},
      {State::completing,
       {{Event::complete_succeeded, State::connected},
        {Event::complete_failed, State::dead},
        {Event::close_called, State::closing}}},
      {State::incoming,
       {{Event::accept_called, State::accepting},
        {Event::rejected, State::dead},
        {Event::close_called, State::closing}}},
      {State::accepting,
       {{Event::accept_succeeded, State::connected},
        {Event::accept_failed, State::dead},
        {Event::close_called, State::closing}}},
      {State::connected,
       {{Event::peer_disconnected, State::peer_gone},
        {Event::lost, State::broken},
        {Event::disconnect_called, State::disconnecting},
        {Event::close_called, State::closing}}},
      {State::peer_gone,
       {{Event::lost, State::broken},
        {Event::disconnect_called, State::disconnecting},
        {Event::close_called, State::closing}}},
      {State::broken, {{Event::disconnect_called, State::disconnecting}, {Event::close_called, State::closing}}},
      {State::disconnecting, {{Event::disconnected, State::dead}, {Event::close_called, State::closing}}},
      {State::dead, {{Event::close_called, State::closing}}},
      {State::closing, {}},
  };
  return steps;
}

TEST(ConnectorState, EveryCellIsAsWrittenTheEmptyOnesToo) {
  for (State from : kStates) {
    for (Event on : kEvents) {
      const auto& row = expected_steps().at(from);
      const auto cell = row.find(on);
      const std::optional<State> expected_to = cell == row.end() ? std::nullopt : std::optional<State>(cell->second);
      EXPECT_EQ(next_state(from, on), expected_to) << to_string(from) << " on event " << static_cast<int>(on);
    }
  }
}

TEST(ConnectorState, NoStepIsListedTwice) {
  for (const ConnectorStep& one : kConnectorSteps) {
    int same = 0;
    for (const ConnectorStep& other : kConnectorSteps)
      same += one.from == other.from && one.on == other.on;
    EXPECT_EQ(same, 1);
  }
}

TEST(R_OID_15, ActiveMeansConnectedPeerGoneBrokenOrDisconnecting) {
  for (State state : kStates) {
    const bool expected_active = state == State::connected || state == State::peer_gone || state == State::broken ||
                                 state == State::disconnecting;
    EXPECT_EQ(is_active(state), expected_active) << to_string(state);
  }
}

TEST(R_CONN_23, NoStateLeadsBackFromDead) {
  for (Event on : kEvents)
    EXPECT_TRUE(!next_state(State::dead, on) || *next_state(State::dead, on) == State::closing);
}

}  // namespace
}  // namespace softndk::provider
