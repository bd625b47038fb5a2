#include <algorithm>

#include "asked.h"
#include "plot.h"

namespace softndk::cycles {
namespace {

using stack::Object;
using stack::OpenAdapter;
using stack::Request;
using stack::Side;
using stack::Sockaddr;

/// A listener whose events bring a connector to whoever waits, and close every other one at once.
class Gate {
 public:
  explicit Gate(OpenAdapter& adapter) : listener(adapter.listener(&Gate::raised, this)) {
    const Sockaddr any("127.0.0.1");
    EXPECT_EQ(stack::ask([&](auto... rest) {
                return listener.table()->NdkListen(listener.get(), any.get(), any.bytes, rest...);
              }),
              STATUS_SUCCESS);
    at.bytes = sizeof(at.value);
    EXPECT_EQ(listener.table()->NdkGetLocalAddress(listener.get(), at.room(), &at.bytes), STATUS_SUCCESS);
  }
  /// The first connector.
  Object<NDK_CONNECTOR> next() {
    EXPECT_TRUE(arrived_.wait()) << "no connect event";
    return Object<NDK_CONNECTOR>(first_.exchange(nullptr));
  }
  /// Closes it if nobody came for it, and those that come later.
  void leave() {
    left_ = true;
    if (NDK_CONNECTOR* connector = first_.exchange(nullptr)) refuse(connector);
  }

  Sockaddr at;
  Object<NDK_LISTENER> listener;

 private:
  static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
    auto* self = static_cast<Gate*>(context);
    NDK_CONNECTOR* nobody = nullptr;
    if (!self->first_.compare_exchange_strong(nobody, connector)) return refuse(connector);
    // Either leave() sees it, or we see that it has been called.
    if (self->left_.load()) {
      if (NDK_CONNECTOR* mine = self->first_.exchange(nullptr)) refuse(mine);
    }
    self->arrived_.set();
  }
  static void refuse(NDK_CONNECTOR* connector) {
    connector->Dispatch->NdkCloseConnector(
        &connector->Header, [](PVOID) {}, nullptr);
  }
  std::atomic<NDK_CONNECTOR*> first_{nullptr};
  std::atomic<bool> left_{false};
  stack::Event arrived_;
};

/// How far it gets before everything is closed.
enum class Stage : unsigned { asked, raised, accepted, met, connected, leaving };
constexpr unsigned kStages = 6;

void go_to(Stage stage, Random& random, Gate& gate, Side& active, Side& passive, Asked& asked) {
  const Sockaddr from("127.0.0.1");
  Asked::One& connecting = asked([&](Request& request) { return active.begin_connect(request, from, gate.at); });
  if (stage == Stage::asked) return;
  passive.connector = gate.next();
  if (stage == Stage::raised || !passive.connector) return;
  Asked::One& accepting = asked([&](Request& request) { return passive.begin_accept(request); });
  if (stage == Stage::accepted) return;
  const NTSTATUS connected = connecting.finish();
  EXPECT_EQ(connected, STATUS_SUCCESS);
  if (stage == Stage::met || connected != STATUS_SUCCESS) return;
  EXPECT_EQ(active.complete(), STATUS_SUCCESS);
  EXPECT_EQ(accepting.finish(), STATUS_SUCCESS);
  for (Side* side : {&active, &passive}) {
    for (unsigned i = random.below(4); i != 0; --i)
      EXPECT_EQ(side->qp.table()->NdkReceive(side->qp.get(), nullptr, nullptr, 0), STATUS_SUCCESS);
  }
  if (stage == Stage::leaving) asked([&](Request& request) { return active.begin_disconnect(request); });
}

}  // namespace

void connect_and_close(Worker& worker) {
  Random& random = worker.random;
  OpenAdapter adapter(worker.field.index);
  ASSERT_EQ(adapter.status, STATUS_SUCCESS);
  Gate gate(adapter);
  const stack::QpShape shape{.receive_depth = 8, .initiator_depth = 8, .sges = 2, .inline_bytes = 0, .cq_depth = 32};
  Side active(adapter, shape), passive(adapter, shape);
  Asked asked;
  go_to(static_cast<Stage>(random.below(kStages)), random, gate, active, passive, asked);
  void (*closes[])(Gate&, Side&, Side&, Asked&) = {
      [](Gate& the_gate, Side&, Side&, Asked& to) { to.close(the_gate.listener); },
      [](Gate&, Side& one, Side&, Asked& to) { to.close(one.connector); },
      [](Gate&, Side& one, Side&, Asked& to) { to.close(one.qp); },
      [](Gate&, Side& one, Side&, Asked& to) { to.close(one.queue.cq); },
      [](Gate&, Side& one, Side&, Asked& to) { to.close(one.pd); },
      [](Gate&, Side&, Side& other, Asked& to) { to.close(other.connector); },
      [](Gate&, Side&, Side& other, Asked& to) { to.close(other.qp); },
      [](Gate&, Side&, Side& other, Asked& to) { to.close(other.queue.cq); },
      [](Gate&, Side&, Side& other, Asked& to) { to.close(other.pd); },
      [](Gate& the_gate, Side&, Side&, Asked&) { the_gate.leave(); },
  };
  for (std::size_t i = std::size(closes); i > 1; --i)
    std::swap(closes[i - 1], closes[random.below(static_cast<unsigned>(i))]);
  for (auto close : closes)
    close(gate, active, passive, asked);
  adapter.close();  // R-CLS-13
  asked.expect_all_done();
  ++worker.done.connections;
}

}  // namespace softndk::cycles
