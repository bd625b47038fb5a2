// Private data, read limits, and what a request keeps of its arguments (spec/ndkpi.md 3.9, 3.3).
#include "stage.h"

namespace softndk::stack {
namespace {

struct Query {
  explicit Query(Side& side, ULONG room = 600) : length(room) {
    NDK_CONNECTOR* connector = side.connector.get();
    status = connector->Dispatch->NdkGetConnectionData(connector, &limits.inbound, &limits.outbound, data, &length);
  }
  bool begins_with(std::string_view text) const { return std::string_view(data, text.size()) == text; }
  Limits limits;
  char data[600] = {};
  ULONG length;
  NTSTATUS status;
};

TEST(R_GCD_02, TheLengthIsTheSameHoweverMuchThePeerSent) {
  everywhere([](Stage& stage) {
    const ULONG required = stage.adapter->info.MaxCallerData;
    for (const std::size_t sent : {std::size_t{0}, std::size_t{10}, static_cast<std::size_t>(required)}) {
      const std::string asked(sent, 'q'), answered(sent, 'a');
      Pair pair(stage);
      ASSERT_EQ(pair.meet({}, {}, asked, answered), STATUS_SUCCESS);
      for (Side* side : {&pair.active, &pair.passive}) {
        const Query query(*side);
        EXPECT_EQ(query.status, STATUS_SUCCESS);
        EXPECT_EQ(query.length, required);
        const std::string got(query.data, query.length);
        EXPECT_EQ(got.substr(0, sent), side == &pair.active ? answered : asked);
        EXPECT_EQ(got.find_first_not_of('\0', sent), std::string::npos) << "zeros behind it";
      }
    }
  });
}

TEST(R_GCD_05, DataIsThereFromTheEventUntilAcceptAndFromConnectSuccessUntilComplete) {
  // At the first and at the last moment of each, and from inside the callbacks that begin them.
  struct Server {
    explicit Server(OpenAdapter& adapter) : side(adapter) {}
    static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
      auto* self = static_cast<Server*>(context);
      self->side.connector = Object<NDK_CONNECTOR>(connector);
      const Query query(self->side);
      self->in_event = query.status == STATUS_SUCCESS && query.begins_with("may I");
      self->arrived.set();
    }
    Side side;
    Event arrived;
    std::atomic<bool> in_event{false};
  };
  struct Client {
    explicit Client(OpenAdapter& adapter) : side(adapter) {}
    static VOID connected(PVOID context, NTSTATUS status) {
      auto* self = static_cast<Client*>(context);
      const Query query(self->side);
      self->in_completion = status == STATUS_SUCCESS && query.status == STATUS_SUCCESS && query.begins_with("you may");
      self->done.set();
    }
    Side side;
    Event done;
    std::atomic<bool> in_completion{false};
  };
  everywhere([](Stage& stage) {
    Server server(*stage.adapter);
    Object<NDK_LISTENER> listener = stage.adapter->listener(&Server::raised, &server);
    const Sockaddr any("127.0.0.1");
    ASSERT_EQ(
        ask([&](auto... rest) { return listener.table()->NdkListen(listener.get(), any.get(), any.bytes, rest...); }),
        STATUS_SUCCESS);
    Sockaddr at;
    at.bytes = sizeof(at.value);
    ASSERT_EQ(listener.table()->NdkGetLocalAddress(listener.get(), at.room(), &at.bytes), STATUS_SUCCESS);
    Client client(*stage.adapter);
    client.side.connector = stage.adapter->connector();
    NDK_CONNECTOR* connector = client.side.connector.get();
    const std::string_view asked = "may I";
    ASSERT_EQ(
        connector->Dispatch->NdkConnect(connector, client.side.qp.get(), any.get(), any.bytes, at.get(), at.bytes, 1, 1,
                                        asked.data(), static_cast<ULONG>(asked.size()), &Client::connected, &client),
        STATUS_PENDING);
    ASSERT_TRUE(server.arrived.wait());
    EXPECT_TRUE(server.in_event);
    EXPECT_TRUE(Query(server.side).begins_with("may I"));
    Request accepting;
    const NTSTATUS returned = server.side.begin_accept(accepting, {}, "you may");
    ASSERT_TRUE(client.done.wait());
    EXPECT_TRUE(client.in_completion);
    EXPECT_TRUE(Query(client.side).begins_with("you may"));
    EXPECT_EQ(client.side.complete(), STATUS_SUCCESS);
    EXPECT_EQ(accepting.finish(returned), STATUS_SUCCESS);
    server.side.close();
  });
}

TEST(R_GCD_09, ABufferThatIsLargerThanNeededGetsTheDataAndTheRealLength) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_EQ(pair.meet({}, {}, "asked", "answered"), STATUS_SUCCESS);
    for (const ULONG room : {253u, 256u, 600u}) {
      const Query active(pair.active, room), passive(pair.passive, room);
      EXPECT_EQ(active.status, STATUS_SUCCESS);
      EXPECT_EQ(passive.status, STATUS_SUCCESS);
      EXPECT_EQ(active.length, stage.adapter->info.MaxCalleeData);
      EXPECT_EQ(passive.length, stage.adapter->info.MaxCallerData);
      EXPECT_TRUE(active.begins_with("answered"));
      EXPECT_TRUE(passive.begins_with("asked"));
    }
  });
}

TEST(R_RL_05, WithoutAnOutboundLimitReadsFailInlineAndTheRestWorks) {
  everywhere([](Stage& stage) {
    const Limits no_reads{.inbound = 16, .outbound = 0}, none_allowed{.inbound = 0, .outbound = 16};
    for (const auto& [ours, theirs] : {std::pair(no_reads, Limits{}), std::pair(Limits{}, none_allowed)}) {
      Pair pair(stage);
      ASSERT_TRUE(pair.establish(ours, theirs));
      EXPECT_EQ(Query(pair.active).limits.outbound, 0u);
      Region here(pair.active.pd.get(), 64), there(pair.passive.pd.get(), 64);
      here.memory.fill(3);
      EXPECT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_INVALID_DEVICE_REQUEST);
      EXPECT_TRUE(pair.active.queue.is_empty());
      ASSERT_EQ(pair.active.write(here.all(), there.address(), there.token()), STATUS_SUCCESS);
      EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(pair.passive.read(there.all(), here.address(), here.token()), STATUS_SUCCESS) << "the other direction";
      EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
    }
  });
}

/// Arguments in memory of their own, spoilt and freed as soon as the call has returned.
template <class T>
class Fleeting {
 public:
  Fleeting(const T* from, std::size_t count) : copy_(new T[count]), bytes_(count * sizeof(T)) {
    std::memcpy(static_cast<void*>(copy_.get()), from, bytes_);
  }
  ~Fleeting() { std::memset(static_cast<void*>(copy_.get()), 0xcc, bytes_); }
  const T* get() const { return copy_.get(); }

 private:
  std::unique_ptr<T[]> copy_;
  std::size_t bytes_;
};
using FleetingText = Fleeting<char>;
using FleetingAddress = Fleeting<SOCKADDR_INET>;

TEST(R_REQ_05, AddressesPrivateDataAndSgeListsAreReadDuringTheCallOnly) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    // A second listener, whose address is gone before it listens.
    Object<NDK_LISTENER> other = stage.adapter->listener(nullptr, nullptr);
    const Sockaddr any("127.0.0.1");
    EXPECT_EQ(ask([&](auto... rest) {
                const FleetingAddress address(&any.value, 1);
                return other.table()->NdkListen(other.get(), reinterpret_cast<const SOCKADDR*>(address.get()),
                                                any.bytes, rest...);
              }),
              STATUS_SUCCESS);

    pair.active.connector = stage.adapter->connector();
    NDK_CONNECTOR* active = pair.active.connector.get();
    Request connecting, accepting;
    NTSTATUS connect_returned = STATUS_UNSUCCESSFUL;
    {
      const FleetingAddress from(&pair.from.value, 1), to(&pair.at.value, 1);
      const FleetingText data("asked", 5);
      connect_returned =
          active->Dispatch->NdkConnect(active, pair.active.qp.get(), reinterpret_cast<const SOCKADDR*>(from.get()),
                                       pair.from.bytes, reinterpret_cast<const SOCKADDR*>(to.get()), pair.at.bytes, 4,
                                       4, data.get(), 5, &Request::completed, &connecting);
    }
    EXPECT_EQ(connect_returned, STATUS_PENDING);
    pair.passive.connector = pair.door.next();
    ASSERT_TRUE(pair.passive.connector);
    EXPECT_TRUE(Query(pair.passive).begins_with("asked"));
    NTSTATUS accept_returned = STATUS_UNSUCCESSFUL;
    {
      const FleetingText data("answered", 8);
      accept_returned = pair.passive.begin_accept(accepting, {}, std::string_view(data.get(), 8));
    }
    ASSERT_EQ(connecting.finish(connect_returned), STATUS_SUCCESS);
    EXPECT_TRUE(Query(pair.active).begins_with("answered"));
    ASSERT_EQ(pair.active.complete(), STATUS_SUCCESS);
    ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);

    Region here(pair.active.pd.get(), 3000), there(pair.passive.pd.get(), 3000);
    here.memory.fill(6);
    const NDK_SGE source[3] = {here.sge(0, 1000), here.sge(1000, 1000), here.sge(2000, 1000)};
    const NDK_SGE sink[2] = {there.sge(0, 1700), there.sge(1700, 1300)};
    // The Send is posted before its receive, which is posted in time or too late: each list outlives its call only in
    // a copy.
    {
      const Fleeting<NDK_SGE> list(source, 3);
      NDK_QP* qp = pair.active.qp.get();
      ASSERT_EQ(qp->Dispatch->NdkSend(qp, nullptr, list.get(), 3, 0), STATUS_SUCCESS);
    }
    {
      const Fleeting<NDK_SGE> list(sink, 2);
      NDK_QP* qp = pair.passive.qp.get();
      ASSERT_EQ(qp->Dispatch->NdkReceive(qp, nullptr, list.get(), 2), STATUS_SUCCESS);
    }
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(there.memory.same(here.memory, 3000));
    // A reject's data too.
    Side again(*stage.adapter);
    Request refused;
    const NTSTATUS returned = again.begin_connect(refused, pair.from, pair.at);
    Side rejecter(*stage.adapter);
    rejecter.connector = pair.door.next();
    ASSERT_TRUE(rejecter.connector);
    {
      const FleetingText data("no", 2);
      EXPECT_EQ(rejecter.reject(std::string_view(data.get(), 2)), STATUS_SUCCESS);
    }
    EXPECT_EQ(refused.finish(returned), STATUS_CONNECTION_REFUSED);
    EXPECT_TRUE(Query(again).begins_with("no"));
    rejecter.close();
  });
}

}  // namespace
}  // namespace softndk::stack
