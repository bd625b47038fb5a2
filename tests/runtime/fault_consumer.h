#pragma once
// A consumer to whom every call may fail. Its verbs return whether the call went well, having required that its answer
// is one of its function's table; each object that came to be is closed, each accepted request seen to its end.
#include <array>
#include <optional>

#include "documented_status.h"
#include "ndk_consumer.h"

namespace softndk::stack {

/// Where a scenario plays.
struct Place {
  NET_IFINDEX index = 0;
  NDK_ADAPTER* adapter = nullptr;
  bool answers = true;  ///< the network brings an answer or breaks; false: it may fall silent, and nobody tells
};

inline void pause_ms(LONGLONG ms) {
  LARGE_INTEGER step;
  step.QuadPart = -ms * 10'000;
  KeDelayExecutionThread(KernelMode, FALSE, &step);
}

/// A listener whose creation and listen may fail, and the connectors it raised.
class Gate {
 public:
  explicit Gate(NDK_ADAPTER* adapter) : adapter_(adapter) {}
  ~Gate() { close(); }
  bool open(const Sockaddr& at) {
    return went_well("NdkCreateListener", create(listener,
                                                 [&](auto... rest) {
                                                   return adapter_->Dispatch->NdkCreateListener(adapter_, &Gate::raised,
                                                                                                this, rest...);
                                                 })) &&
           went_well("NdkListen", ask([&](auto... rest) {
                       return listener.table()->NdkListen(listener.get(), at.get(), at.bytes, rest...);
                     }));
  }
  Sockaddr address() {
    Sockaddr at;
    at.bytes = sizeof(at.value);
    EXPECT_EQ(listener.table()->NdkGetLocalAddress(listener.get(), at.room(), &at.bytes), STATUS_SUCCESS);
    return at;
  }
  void pause(bool paused) { listener.table()->NdkControlConnectEvents(listener.get(), paused); }
  /// A raised connector; none once `in_vain()` and none has come.
  template <class InVain>
  Object<NDK_CONNECTOR> next(InVain in_vain) {
    for (int i = 0; i < 6000; ++i) {
      const bool last = in_vain();
      if (NDK_CONNECTOR* connector = take()) return Object<NDK_CONNECTOR>(connector);
      if (last) return {};
      pause_ms(1 + i / 100);
    }
    ADD_FAILURE() << "neither a connect event nor the end of the connect";
    return {};
  }
  /// What nobody took is closed unanswered, and so rejected (R-CLS-18).
  void close() {
    if (!listener) return;
    Request request;
    const NTSTATUS returned = listener.begin_close(request);
    for (;;) {
      // An event that had begun may still bring one, and the close waits for it (R-CLS-06).
      while (NDK_CONNECTOR* connector = take())
        Object<NDK_CONNECTOR> unwanted(connector);
      if (returned != STATUS_PENDING || request.is_done()) break;
      pause_ms(1);
    }
    EXPECT_EQ(request.finish(returned), STATUS_SUCCESS);
  }

  Object<NDK_LISTENER> listener;

 private:
  static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
    auto* self = static_cast<Gate*>(context);
    for (auto& place : self->raised_) {
      NDK_CONNECTOR* none = nullptr;
      if (place.compare_exchange_strong(none, connector)) return;
    }
    ADD_FAILURE() << "more connect events than the scenario can make";
  }
  NDK_CONNECTOR* take() {
    for (auto& place : raised_) {
      if (NDK_CONNECTOR* connector = place.exchange(nullptr)) return connector;
    }
    return nullptr;
  }
  NDK_ADAPTER* adapter_;
  std::array<std::atomic<NDK_CONNECTOR*>, 16> raised_{};
};

/// One end of a connection: protection domain, completion queue, registered memory, queue pair, connector.
class End {
 public:
  struct Shape {
    std::size_t bytes = 20'000;
    ULONG receive_depth = 16;
    ULONG initiator_depth = 16;
    ULONG sges = 4;
    ULONG inline_bytes = 64;
    ULONG cq_depth = 64;
  };
  explicit End(const Place& place) : adapter(place.adapter), network_answers_(place.answers) {}
  ~End() { leave(); }

  bool make() { return make(Shape()); }
  bool make(const Shape& shape) { return make_queues(shape) && make_region(shape.bytes) && make_qp(shape); }
  bool make_queues(const Shape& shape) {
    return went_well("NdkCreatePd",
                     create(pd, [&](auto... rest) { return adapter->Dispatch->NdkCreatePd(adapter, rest...); })) &&
           went_well("NdkCreateCq", create(cq, [&](auto... rest) {
                       return adapter->Dispatch->NdkCreateCq(adapter, shape.cq_depth, &End::notified, this, nullptr,
                                                             rest...);
                     }));
  }
  bool make_region(std::size_t bytes) {
    memory.emplace(bytes);
    if (memory->mdl == nullptr) return false;  // IoAllocateMdl says no more than that
    return went_well("NdkCreateMr",
                     create(mr, [&](auto... rest) { return pd.table()->NdkCreateMr(pd.get(), FALSE, rest...); })) &&
           register_region();
  }
  bool register_region() {
    return went_well("NdkRegisterMr", ask([&](auto... rest) {
                       return mr.table()->NdkRegisterMr(mr.get(), memory->mdl, memory->bytes, kAllAccess, rest...);
                     }));
  }
  bool deregister_region() {
    return went_well("NdkDeregisterMr",
                     ask([&](auto... rest) { return mr.table()->NdkDeregisterMr(mr.get(), rest...); }));
  }
  bool make_qp(const Shape& shape) {
    return went_well("NdkCreateQp", create(qp, [&](auto... rest) {
                       return pd.table()->NdkCreateQp(pd.get(), cq.get(), cq.get(), nullptr, shape.receive_depth,
                                                      shape.initiator_depth, shape.sges, shape.sges, shape.inline_bytes,
                                                      rest...);
                     }));
  }
  /// Its receives come from `srq`.
  bool make_qp_with(NDK_SRQ* srq, const Shape& shape) {
    qp.close();
    return went_well("NdkCreateQpWithSrq", create(qp, [&](auto... rest) {
                       return pd.table()->NdkCreateQpWithSrq(pd.get(), cq.get(), cq.get(), srq, nullptr,
                                                             shape.initiator_depth, shape.sges, shape.inline_bytes,
                                                             rest...);
                     }));
  }
  bool make_connector() {
    return went_well("NdkCreateConnector", create(connector, [&](auto... rest) {
                       return adapter->Dispatch->NdkCreateConnector(adapter, rest...);
                     }));
  }

  // --- establishment

  NTSTATUS begin_connect(Request& request, const Sockaddr& from, const Sockaddr& to, std::string_view data = {}) {
    return connector.table()->NdkConnect(connector.get(), qp.get(), from.get(), from.bytes, to.get(), to.bytes, 4, 4,
                                         data.data(), static_cast<ULONG>(data.size()), &Request::completed, &request);
  }
  NTSTATUS begin_connect(Request& request, NDK_SHARED_ENDPOINT* from, const Sockaddr& to, std::string_view data) {
    return connector.table()->NdkConnectWithSharedEndpoint(connector.get(), qp.get(), from, to.get(), to.bytes, 4, 4,
                                                           data.data(), static_cast<ULONG>(data.size()),
                                                           &Request::completed, &request);
  }
  bool complete() {
    const auto* table = connector.table();
    const NTSTATUS status = ask([&](auto... rest) {
      return wants_reason ? table->NdkCompleteConnectEx(connector.get(), &End::disconnected_because, this, rest...)
                          : table->NdkCompleteConnect(connector.get(), &End::disconnected, this, rest...);
    });
    return is_connected = went_well("NdkCompleteConnect", status);
  }
  NTSTATUS begin_accept(Request& request, std::string_view data = {}) {
    const auto* table = connector.table();
    const auto bytes = static_cast<ULONG>(data.size());
    return wants_reason ? table->NdkAcceptEx(connector.get(), qp.get(), 4, 4, data.data(), bytes,
                                             &End::disconnected_because, this, &Request::completed, &request)
                        : table->NdkAccept(connector.get(), qp.get(), 4, 4, data.data(), bytes, &End::disconnected,
                                           this, &Request::completed, &request);
  }
  bool reject(std::string_view data = {}) {
    return went_well("NdkReject",
                     connector.table()->NdkReject(connector.get(), data.data(), static_cast<ULONG>(data.size())));
  }
  bool query_data() {
    char room[512];
    ULONG bytes = sizeof room;
    ULONG limits[2];
    Sockaddr address;
    address.bytes = sizeof(address.value);
    bool well = went_well("NdkGetConnectionData", connector.table()->NdkGetConnectionData(connector.get(), &limits[0],
                                                                                          &limits[1], room, &bytes));
    well &= went_well("NdkGetLocalAddress",
                      connector.table()->NdkGetLocalAddress(connector.get(), address.room(), &address.bytes));
    address.bytes = sizeof(address.value);
    well &= went_well("NdkGetPeerAddress",
                      connector.table()->NdkGetPeerAddress(connector.get(), address.room(), &address.bytes));
    return well;
  }

  // --- requests

  NDK_SGE sge(std::size_t offset, std::size_t bytes) const {
    NDK_SGE sge{};
    sge.VirtualAddress = memory->data + offset;
    sge.Length = static_cast<ULONG>(bytes);
    sge.MemoryRegionToken = mr.table()->NdkGetLocalTokenFromMr(mr.get());
    return sge;
  }
  bool receive(std::size_t bytes, std::size_t offset = 0) {
    const NDK_SGE to = sge(offset, bytes);
    return note("NdkReceive", "a receive's result", Told::yes, qp.table()->NdkReceive(qp.get(), context(), &to, 1));
  }
  bool send(std::size_t bytes, ULONG flags = 0, std::size_t offset = 0) {
    const NDK_SGE from = sge(offset, bytes);
    return note("NdkSend", "a send's result", is_told(flags),
                qp.table()->NdkSend(qp.get(), context(), &from, 1, flags));
  }
  bool write(const End& to, std::size_t bytes, ULONG flags = 0) {
    const NDK_SGE from = sge(0, bytes);
    return note("NdkWrite", "a write's result", is_told(flags),
                qp.table()->NdkWrite(qp.get(), context(), &from, 1, to.address(), to.token(), flags));
  }
  bool read(const End& from, std::size_t bytes, ULONG flags = 0) {
    const NDK_SGE to = sge(0, bytes);
    return note("NdkRead", "a read's result", is_told(flags),
                qp.table()->NdkRead(qp.get(), context(), &to, 1, from.address(), from.token(), flags));
  }
  bool fast_register(NDK_MR* region, const NDK_LOGICAL_ADDRESS* pages, ULONG count, SIZE_T bytes, UINT64 base,
                     ULONG flags) {
    return note("NdkFastRegister", "a fast-register's result", is_told(flags),
                qp.table()->NdkFastRegister(qp.get(), context(), region, count, pages, 0, bytes,
                                            reinterpret_cast<PVOID>(base), flags));
  }
  bool invalidate(NDK_OBJECT_HEADER* region_or_window, ULONG flags = 0) {
    return note("NdkInvalidate", "an invalidate's result", is_told(flags),
                qp.table()->NdkInvalidate(qp.get(), context(), region_or_window, flags));
  }
  bool bind(NDK_MW* window, std::size_t bytes, ULONG flags) {
    return note("NdkBind", "a bind's result", is_told(flags),
                qp.table()->NdkBind(qp.get(), context(), mr.get(), window, memory->data, bytes, flags));
  }
  bool receive_from(NDK_SRQ* srq, std::size_t bytes) {
    const NDK_SGE to = sge(0, bytes);
    // One that no message takes is never reported (R-FLU-05).
    return note("NdkSrqReceive", "a receive's result", Told::perhaps,
                srq->Dispatch->NdkSrqReceive(srq, context(), &to, 1));
  }
  bool send_and_invalidate(UINT32 token, std::size_t bytes) {
    const NDK_SGE from = sge(0, bytes);
    return note("NdkSendAndInvalidate", "a send's result", Told::yes,
                qp.table()->NdkSendAndInvalidate(qp.get(), context(), &from, 1, 0, token));
  }
  bool read_at(UINT64 address, UINT32 token, const NDK_SGE& to, ULONG flags = 0) {
    return note("NdkRead", "a read's result", is_told(flags),
                qp.table()->NdkRead(qp.get(), context(), &to, 1, address, token, flags));
  }
  /// Until every request that will report has; false if one failed. A connection that breaks cancels what it has
  /// (R-DISC-15), so this ends by itself; else it is a failure.
  bool finish_requests() { return finish_requests(network_answers_); }
  /// Until the last post has, whatever is with those before it.
  bool finish_last() {
    const Posted& last = posted_[posts_ - 1];
    return wait_until(network_answers_, [&] { return last.done || disconnects != 0; }) && last.done && all_succeeded_;
  }
  /// Until so many messages were received into receives of a shared queue.
  bool finish_shared_receives(std::size_t count) {
    return wait_until(network_answers_, [&] { return shared_received_ >= count || disconnects != 0; }) &&
           shared_received_ >= count && all_succeeded_;
  }
  bool resize_queue(ULONG depth) {
    return went_well("NdkResizeCq",
                     ask([&](auto... rest) { return cq.table()->NdkResizeCq(cq.get(), depth, rest...); }));
  }

  // --- the end

  NTSTATUS begin_disconnect(Request& request) {
    return connector.table()->NdkDisconnect(connector.get(), &Request::completed, &request);
  }
  bool disconnect() {
    Request request;
    return went_well("NdkDisconnect", request.finish(begin_disconnect(request)));
  }
  /// Closes the connection; then nothing may be left of any request.
  void leave() {
    connector.close();
    is_connected = false;
    if (!qp) return;
    qp.table()->NdkFlush(qp.get());
    finish_requests(true);
    qp.close();
    take_results();
  }

  UINT64 address() const { return reinterpret_cast<UINT64>(memory->data); }
  UINT32 token() const { return mr.table()->NdkGetRemoteTokenFromMr(mr.get()); }
  bool same(const End& other, std::size_t bytes) const { return memory->same(*other.memory, bytes); }

  static VOID disconnected(PVOID context) {
    auto* self = static_cast<End*>(context);
    ++self->disconnects;
    self->told.set();
  }
  static VOID disconnected_because(PVOID context, ULONG) { disconnected(context); }

  NDK_ADAPTER* adapter;
  Event told;
  std::atomic<int> disconnects{0};
  bool is_connected = false;
  bool wants_reason = false;  ///< NdkAcceptEx and NdkCompleteConnectEx
  std::optional<Memory> memory;
  Object<NDK_PD> pd;
  Object<NDK_CQ> cq;
  Object<NDK_MR> mr;
  Object<NDK_QP> qp;
  Object<NDK_CONNECTOR> connector;

 private:
  bool finish_requests(bool must) {
    return wait_until(must, [&] { return outstanding_ == 0; }) && all_succeeded_;
  }
  template <class Condition>
  bool wait_until(bool must, Condition condition) {
    while (!condition()) {
      told.clear();
      cq.table()->NdkArmCq(cq.get(), NDK_CQ_NOTIFY_ANY);
      if (take_results() != 0) continue;  // the arm stays; another notification does no harm
      if (condition()) break;             // not of results
      if (!told.wait(must ? kPatience : kPatience / 20)) {
        EXPECT_FALSE(must) << outstanding_ << " accepted requests never completed";
        return false;
      }
      take_results();
    }
    return true;
  }
  /// Whether an accepted request has an entry in the queue when it has succeeded.
  enum class Told { yes, no, perhaps };
  struct Posted {
    const char* result_of = nullptr;
    Told told = Told::yes;
    bool done = false;
  };
  static constexpr std::size_t kPostsMax = 256;

  static VOID notified(PVOID context, NTSTATUS status) {
    EXPECT_EQ(status, STATUS_SUCCESS);
    static_cast<End*>(context)->told.set();
  }
  static Told is_told(ULONG flags) { return (flags & NDK_OP_FLAG_SILENT_SUCCESS) != 0 ? Told::no : Told::yes; }
  PVOID context() const { return reinterpret_cast<PVOID>(posts_ + 1); }
  bool note(std::string_view function, const char* result_of, Told told_of, NTSTATUS returned) {
    if (!went_well(function, returned)) return false;
    if (posts_ == kPostsMax) {
      ADD_FAILURE() << "more posts than the scenario can note";
      return false;
    }
    posted_[posts_++] = {result_of, told_of, false};
    outstanding_ += told_of == Told::yes ? 1 : 0;
    return true;
  }
  std::size_t take_results() {
    std::size_t taken = 0;
    NDK_RESULT result{};
    for (; cq.table()->NdkGetCqResults(cq.get(), &result, 1) == 1; ++taken) {
      const auto index = reinterpret_cast<std::uintptr_t>(result.RequestContext) - 1;
      if (index >= posts_ || posted_[index].done) {
        ADD_FAILURE() << "a result of nothing, or a second one";
        continue;
      }
      Posted& request = posted_[index];
      request.done = true;
      if (request.told == Told::yes) --outstanding_;
      const bool well = went_well(request.result_of, result.Status);
      EXPECT_FALSE(request.told == Told::no && well) << "R-SIL-01";
      if (request.told == Told::perhaps) ++shared_received_;
      all_succeeded_ = all_succeeded_ && well;
    }
    return taken;
  }
  const bool network_answers_;
  Posted posted_[kPostsMax];
  std::uintptr_t posts_ = 0;
  std::size_t outstanding_ = 0;
  std::size_t shared_received_ = 0;
  bool all_succeeded_ = true;
};

/// Two ends, a gate, and the ways to a connection.
class Link {
 public:
  explicit Link(const Place& place, const char* host = "127.0.0.1")
      : gate(place.adapter), active(place), passive(place), from(host) {}
  ~Link() {
    active.leave();
    passive.leave();
  }
  bool make(const End::Shape& shape) {
    if (!active.make(shape) || !passive.make(shape) || !gate.open(from)) return false;
    at = gate.address();
    return active.make_connector();
  }
  bool make() { return make(End::Shape()); }

  /// As far as the peer's answer: the connect is out, the passive side has its connector or never will.
  void begin(std::string_view asked = {}) {
    connect_returned = over != nullptr ? active.begin_connect(*connecting, over, at, asked)
                                       : active.begin_connect(*connecting, from, at, asked);
    passive.connector = gate.next([&] { return connect_returned != STATUS_PENDING || connecting->is_done(); });
  }
  bool finish_connect() {
    const bool well = went_well(over != nullptr ? "NdkConnectWithSharedEndpoint" : "NdkConnect",
                                connecting->finish(connect_returned));
    connecting.emplace();
    return well;
  }
  bool establish(std::string_view asked = {}, std::string_view answered = {}) {
    begin(asked);
    Request accepting;
    NTSTATUS accept_returned = STATUS_CANCELLED;
    if (passive.connector) accept_returned = passive.begin_accept(accepting, answered);
    if (passive.connector && accept_returned != STATUS_PENDING && accept_returned != STATUS_SUCCESS) {
      went_well_or_not("NdkAccept", accept_returned);
      passive.connector.close();
    }
    bool well = finish_connect() && active.complete();
    if (!well) active.connector.close();  // so that the other side hears of it
    if (passive.connector) {
      passive.is_connected = went_well("NdkAccept", accepting.finish(accept_returned));
      well = passive.is_connected && well;
    }
    return well && passive.connector;
  }
  /// Both sides, the active one first.
  bool part() {
    Request leaving;
    const NTSTATUS returned = active.begin_disconnect(leaving);
    const bool theirs = passive.disconnect();
    const bool ours = went_well("NdkDisconnect", leaving.finish(returned));
    active.is_connected = passive.is_connected = false;
    return ours && theirs;
  }

  std::optional<Request> connecting{std::in_place};
  NTSTATUS connect_returned = STATUS_PENDING;
  Gate gate;
  End active, passive;
  Sockaddr from, at;
  NDK_SHARED_ENDPOINT* over = nullptr;  ///< where to connect from, in place of `from`

 private:
  static void went_well_or_not(std::string_view function, NTSTATUS status) {
    static_cast<void>(went_well(function, status));
  }
};

}  // namespace softndk::stack
