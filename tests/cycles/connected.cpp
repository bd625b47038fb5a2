#include <algorithm>
#include <array>

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

/// A listener and two ends, the second one's queue pair of another instance of the adapter (R-OBJ-13).
struct Family {
  explicit Family(NET_IFINDEX index)
      : adapter(index), other_adapter(index), gate(adapter), active(adapter, kShape), passive(other_adapter, kShape) {
    const auto is_made = [](NTSTATUS status) { EXPECT_EQ(status, STATUS_SUCCESS); };
    NDK_PD* pd = active.pd.get();
    is_made(stack::create(region, [&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, FALSE, rest...); }));
    is_made(stack::create(window, [&](auto... rest) { return pd->Dispatch->NdkCreateMw(pd, rest...); }));
  }
  /// The passive end takes its receives from a shared queue.
  void share() {
    NDK_PD* pd = passive.pd.get();
    passive.qp.close();
    EXPECT_EQ(stack::create(srq,
                            [&](auto... rest) {
                              return pd->Dispatch->NdkCreateSrq(pd, 8, 2, 0, nullptr, nullptr, nullptr, rest...);
                            }),
              STATUS_SUCCESS);
    EXPECT_EQ(stack::create(passive.qp,
                            [&](auto... rest) {
                              return pd->Dispatch->NdkCreateQpWithSrq(pd, passive.queue.cq.get(),
                                                                      passive.queue.cq.get(), srq.get(), this, 8, 2, 0,
                                                                      rest...);
                            }),
              STATUS_SUCCESS);
  }
  static constexpr stack::QpShape kShape{
      .receive_depth = 8, .initiator_depth = 8, .sges = 2, .inline_bytes = 0, .cq_depth = 32};
  OpenAdapter adapter, other_adapter;
  Gate gate;
  Object<NDK_SHARED_ENDPOINT> endpoint;
  Side active, passive;
  Object<NDK_MR> region;  // of the active end's, as is the window
  Object<NDK_MW> window;
  Object<NDK_SRQ> srq;
  Asked asked;
};

/// How far it gets before everything is closed.
enum class Stage : unsigned { asked, raised, accepted, met, connected, leaving };
constexpr unsigned kStages = 6;

/// Everything is closed over a window that is bound, or is just being bound or invalidated.
void bind_window(Worker& worker, Family& family) {
  const stack::Memory& memory = worker.memory;
  NDK_MR* region = family.region.get();
  EXPECT_EQ(stack::ask([&](auto... rest) {
              return region->Dispatch->NdkRegisterMr(region, memory.mdl, memory.bytes, stack::kAllAccess, rest...);
            }),
            STATUS_SUCCESS);
  const Side& side = family.active;
  EXPECT_EQ(side.qp.table()->NdkBind(side.qp.get(), nullptr, region, family.window.get(), memory.data, memory.bytes,
                                     NDK_OP_FLAG_ALLOW_REMOTE_READ),
            STATUS_SUCCESS);
  ++worker.done.binds;
  if (worker.random.one_in(3)) {
    EXPECT_EQ(side.qp.table()->NdkInvalidate(side.qp.get(), nullptr, &family.window.get()->Header, 0), STATUS_SUCCESS);
  }
}

void post_receives(Worker& worker, const Side& side, const Object<NDK_SRQ>& srq) {
  for (unsigned i = worker.random.below(4); i != 0; --i) {
    const bool is_shared = static_cast<bool>(srq);
    EXPECT_EQ(is_shared ? srq.table()->NdkSrqReceive(srq.get(), nullptr, nullptr, 0)
                        : side.qp.table()->NdkReceive(side.qp.get(), nullptr, nullptr, 0),
              STATUS_SUCCESS);
    worker.done.shared_receives += is_shared ? 1 : 0;
  }
}

void go_to(Stage stage, Worker& worker, Family& family) {
  Random& random = worker.random;
  if (random.one_in(2)) family.share();
  const Sockaddr from("127.0.0.1");
  Side &active = family.active, &passive = family.passive;
  const bool shares = random.one_in(2);
  if (shares) {
    EXPECT_EQ(family.adapter.shared_endpoint(family.endpoint, from), STATUS_SUCCESS);
  }
  Asked::One& connecting = family.asked([&](Request& request) {
    return shares ? active.begin_connect(request, family.endpoint, family.gate.at)
                  : active.begin_connect(request, from, family.gate.at);
  });
  if (stage == Stage::asked) return;
  passive.connector = family.gate.next();
  if (stage == Stage::raised || !passive.connector) return;
  Asked::One& accepting = family.asked([&](Request& request) { return passive.begin_accept(request); });
  if (stage == Stage::accepted) return;
  const NTSTATUS connected = connecting.finish();
  EXPECT_EQ(connected, STATUS_SUCCESS);
  if (stage == Stage::met || connected != STATUS_SUCCESS) return;
  EXPECT_EQ(active.complete(), STATUS_SUCCESS);
  EXPECT_EQ(accepting.finish(), STATUS_SUCCESS);
  post_receives(worker, active, {});
  post_receives(worker, passive, family.srq);
  if (random.one_in(2)) bind_window(worker, family);
  if (stage == Stage::leaving) family.asked([&](Request& request) { return active.begin_disconnect(request); });
}

constexpr void (*kCloses[])(Family&) = {
    [](Family& all) { all.gate.leave(); },
    [](Family& all) { all.asked.close(all.gate.listener); },
    [](Family& all) { all.asked.close(all.endpoint); },
    [](Family& all) { all.asked.close(all.active.connector); },
    [](Family& all) { all.asked.close(all.active.qp); },
    [](Family& all) { all.asked.close(all.active.queue.cq); },
    [](Family& all) { all.asked.close(all.active.pd); },
    [](Family& all) { all.asked.close(all.region); },
    [](Family& all) { all.asked.close(all.window); },
    [](Family& all) { all.asked.close(all.srq); },
    [](Family& all) { all.asked.close(all.passive.connector); },
    [](Family& all) { all.asked.close(all.passive.qp); },
    [](Family& all) { all.asked.close(all.passive.queue.cq); },
    [](Family& all) { all.asked.close(all.passive.pd); },
};

}  // namespace

void connect_and_close(Worker& worker) {
  Random& random = worker.random;
  Family family(worker.field.index);
  ASSERT_EQ(family.adapter.status, STATUS_SUCCESS);
  ASSERT_EQ(family.other_adapter.status, STATUS_SUCCESS);
  go_to(static_cast<Stage>(random.below(kStages)), worker, family);
  auto closes = std::to_array(kCloses);
  for (std::size_t i = closes.size(); i > 1; --i)
    std::swap(closes[i - 1], closes[random.below(static_cast<unsigned>(i))]);
  for (auto close : closes)
    close(family);
  const bool other_first = random.one_in(2);
  if (other_first) family.other_adapter.close();
  family.adapter.close();
  family.other_adapter.close();
  family.asked.expect_all_done();  // R-CLS-13
  ++worker.done.connections;
}

}  // namespace softndk::cycles
