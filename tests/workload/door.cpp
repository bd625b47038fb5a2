#include <cstring>

#include "workload/stage.h"
#include "workload/verdict.h"

namespace softndk::workload {

Door::Door(Stage& stage, unsigned number, const ListenerPlan& the_plan)
    : plan(the_plan),
      listener("listener", "NdkCreateListener", "NdkCloseListener", number, stage),
      stage_(stage),
      listen_("NdkListen", Call::Kind::request, listener.node, *this) {
  for (std::size_t i = 0; i < kStraysMax; ++i) {
    Slot<NDK_CONNECTOR>& stray = strays_.emplace_back("stray connector", "", "NdkCloseConnector",
                                                      static_cast<unsigned>(number * 1000 + i), *this);
    stray.node.over({&listener.node});
  }
}

void Door::kick() {
  stage_.kick();
}

bool Door::open() {
  NDK_ADAPTER* adapter = stage_.adapters[plan.adapter]->adapter;
  listener.make(
      [&](auto... rest) { return adapter->Dispatch->NdkCreateListener(adapter, &Door::raised, this, rest...); });
  stage_.wait_for([&] { return listener.creation.is_done(); });
  if (!listener.is_live()) return false;
  NDK_LISTENER* object = listener.get();
  const stack::Sockaddr at = stage_.local_address(plan.adapter, plan.ipv6);
  listen_.make([&] { return object->Dispatch->NdkListen(object, at.get(), at.bytes, &Call::completed, &listen_); });
  stage_.wait_for([&] { return listen_.is_done(); });
  if (listen_.status() != STATUS_SUCCESS) return false;
  address.bytes = sizeof(address.value);
  const NTSTATUS got = object->Dispatch->NdkGetLocalAddress(object, address.room(), &address.bytes);
  if (got != STATUS_SUCCESS) fail("a listener that listens has no address: %s", name_of(got));
  is_open = true;
  return true;
}

void Door::pause(bool paused) {
  if (listener.is_live()) listener.get()->Dispatch->NdkControlConnectEvents(listener.get(), paused);
}

void Door::close() {
  is_open = false;
  if (listener.is_live()) listener.close(listener.get()->Dispatch->NdkCloseListener);
}

bool Door::is_gone() const {
  for (const Slot<NDK_CONNECTOR>& stray : strays_)
    if (!stray.node.is_gone()) return false;
  return listener.node.is_gone();
}

void Door::turn_away(NDK_CONNECTOR* connector, bool rejects) {
  if (rejects) {
    const NTSTATUS status = connector->Dispatch->NdkReject(connector, "no", 2);
    if (status != STATUS_SUCCESS && status != STATUS_CONNECTION_ABORTED)
      fail("NdkReject in a connect event returned %s", name_of(status));
  }
  const std::size_t number = strays_count_++;
  if (number >= kStraysMax) fail("more than %zu connectors that nobody wanted", kStraysMax);
  Slot<NDK_CONNECTOR>& stray = strays_[number];
  stray.adopt(connector);
  stray.close(connector->Dispatch->NdkCloseConnector);
}

VOID Door::raised(PVOID context, NDK_CONNECTOR* connector) {
  auto& self = *static_cast<Door*>(context);
  const Inside inside(self.listener.node, "ConnectEvent");
  if (!self.listen_.is_done()) fail("a connect event before the listen has succeeded (R-LSN-05)");
  std::uint8_t data[512];
  ULONG bytes = sizeof data;
  const NTSTATUS status = connector->Dispatch->NdkGetConnectionData(connector, nullptr, nullptr, data, &bytes);
  if (status != STATUS_SUCCESS || bytes < 252)
    fail("in a connect event NdkGetConnectionData returned %s and %u octets (R-EVT-01)", name_of(status), bytes);
  unsigned number = 0;
  std::memcpy(&number, data, sizeof number);
  for (const auto& session : self.stage_.sessions) {
    if (session->plan.number != number) continue;
    for (ULONG i = 4; i < bytes; ++i) {
      const Pattern pattern{1000 + number};
      const std::uint8_t wanted = i < session->plan.active.private_bytes + 4 ? pattern.at(i) : 0;
      if (data[i] != wanted) fail("octet %u of the request's private data is 0x%02x, not 0x%02x", i, data[i], wanted);
    }
    if (session->plan.answer == Answer::reject_in_event) {
      session->ends = session->roughly = true;
      return self.turn_away(connector, true);
    }
    if (!session->passive.offer(connector)) self.turn_away(connector, false);
    return;
  }
  fail("a connect request of nobody's");
}

}  // namespace softndk::workload
