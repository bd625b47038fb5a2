#pragma once
// A blocking consumer of the real interface: WSK opens the adapter, dispatch tables do the rest, kernel events wait. It
// sees headers of the WDK, the runtime and the worlds, so that an interposer may stand between it and the provider.
#include <functional>
#include <memory>
#include <vector>

#include "ndk_objects.h"

namespace softndk::stack {

/// One NDK adapter, opened through WSK.
class OpenAdapter {
 public:
  explicit OpenAdapter(NET_IFINDEX index, NDK_VERSION version = {2, 1}) { open(index, version); }
  ~OpenAdapter() { close(); }
  OpenAdapter(const OpenAdapter&) = delete;
  OpenAdapter& operator=(const OpenAdapter&) = delete;

  void open(NET_IFINDEX index, NDK_VERSION version) {
    static const WSK_CLIENT_DISPATCH kClient = {MAKE_WSK_VERSION(1, 0), 0, nullptr};
    WSK_CLIENT_NPI npi{nullptr, &kClient};
    status = WskRegister(&npi, &registration_);
    if (status != STATUS_SUCCESS) return;
    registered_ = true;
    status = WskCaptureProviderNPI(&registration_, WSK_INFINITE_WAIT, &provider_);
    if (status != STATUS_SUCCESS) return;
    captured_ = true;
    status = provider_.Dispatch->WskControlClient(provider_.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, nullptr,
                                                  sizeof(ndk_), &ndk_, nullptr, nullptr);
    if (status != STATUS_SUCCESS) return;
    status = ndk_.WskOpenNdkAdapter(provider_.Client, version, index, &adapter);
    if (status != STATUS_SUCCESS) adapter = nullptr;
    if (adapter == nullptr) return;
    ULONG bytes = sizeof(info);
    EXPECT_EQ(adapter->Dispatch->NdkQueryAdapterInfo(adapter, &info, &bytes), STATUS_SUCCESS);
  }
  void close() {
    if (adapter != nullptr) ndk_.WskCloseNdkAdapter(provider_.Client, std::exchange(adapter, nullptr));
    if (std::exchange(captured_, false)) WskReleaseProviderNPI(&registration_);
    if (std::exchange(registered_, false)) WskDeregister(&registration_);
  }

  Object<NDK_CONNECTOR> connector() {
    Object<NDK_CONNECTOR> made;
    EXPECT_EQ(create(made, [&](auto... rest) { return adapter->Dispatch->NdkCreateConnector(adapter, rest...); }),
              STATUS_SUCCESS);
    return made;
  }
  Object<NDK_PD> pd() {
    Object<NDK_PD> made;
    EXPECT_EQ(create(made, [&](auto... rest) { return adapter->Dispatch->NdkCreatePd(adapter, rest...); }),
              STATUS_SUCCESS);
    return made;
  }
  Object<NDK_LISTENER> listener(NDK_FN_CONNECT_EVENT_CALLBACK event, PVOID context) {
    Object<NDK_LISTENER> made;
    EXPECT_EQ(
        create(made,
               [&](auto... rest) { return adapter->Dispatch->NdkCreateListener(adapter, event, context, rest...); }),
        STATUS_SUCCESS);
    return made;
  }

  /// This may well fail: the address is in use, or none of ours.
  NTSTATUS shared_endpoint(Object<NDK_SHARED_ENDPOINT>& to, const Sockaddr& at) {
    return create(to, [&](auto... rest) {
      return adapter->Dispatch->NdkCreateSharedEndpoint(adapter, at.get(), at.bytes, rest...);
    });
  }

  NTSTATUS status = STATUS_SUCCESS;
  NDK_ADAPTER* adapter = nullptr;
  NDK_ADAPTER_INFO info{};

 private:
  WSK_REGISTRATION registration_{};
  WSK_PROVIDER_NPI provider_{};
  WSK_PROVIDER_NDK_DISPATCH ndk_{};
  bool registered_ = false;
  bool captured_ = false;
};

/// A completion queue and the wait for its next result, as a careful consumer does it: take until empty, arm, sleep,
/// without a second look after the arm (R-ARM-06 says that none is needed).
class Queue {
 public:
  explicit Queue(OpenAdapter& adapter, ULONG depth = 128) {
    EXPECT_EQ(create(cq,
                     [&](auto... rest) {
                       return adapter.adapter->Dispatch->NdkCreateCq(adapter.adapter, depth, &Queue::notified, this,
                                                                     nullptr, rest...);
                     }),
              STATUS_SUCCESS);
  }
  bool poll(NDK_RESULT_EX& result) { return cq.table()->NdkGetCqResultsEx(cq.get(), &result, 1) == 1; }
  void arm(ULONG type = NDK_CQ_NOTIFY_ANY) {
    told.clear();
    cq.table()->NdkArmCq(cq.get(), type);
  }
  NDK_RESULT_EX next() {
    NDK_RESULT_EX result{};
    while (!poll(result)) {
      arm();
      if (!told.wait()) {
        ADD_FAILURE() << "no completion, or nobody told us of it";
        result.Status = STATUS_UNSUCCESSFUL;
        return result;
      }
    }
    return result;
  }
  NTSTATUS next_status() { return next().Status; }
  bool is_empty() {
    NDK_RESULT_EX result;
    return !poll(result);
  }
  NTSTATUS begin_resize(Request& request, ULONG depth) {
    return cq.table()->NdkResizeCq(cq.get(), depth, &Request::completed, &request);
  }
  NTSTATUS resize(ULONG depth) {
    Request request;
    return request.finish(begin_resize(request, depth));
  }
  NTSTATUS moderate(ULONG interval_us, ULONG count) {
    return cq.table()->NdkControlCqInterruptModeration(cq.get(), interval_us, count);
  }

  static VOID notified(PVOID context, NTSTATUS status) {
    auto* self = static_cast<Queue*>(context);
    EXPECT_EQ(self->inside_.fetch_add(1), 0) << "R-ARM-04: two notifications at once";
    self->status = status;
    if (self->in_callback) self->in_callback();
    ++self->notifications;
    self->inside_.fetch_sub(1);
    self->told.set();
  }

  Event told;
  std::atomic<int> notifications{0};
  std::atomic<NTSTATUS> status{STATUS_SUCCESS};
  std::function<void()> in_callback;
  Object<NDK_CQ> cq;  // the last member: closed before what its callback uses goes

 private:
  std::atomic<int> inside_{0};
};

/// Page-aligned memory with its MDL.
class Memory {
 public:
  explicit Memory(std::size_t bytes, std::size_t offset = 0) : bytes(bytes) {
    block_ = static_cast<std::uint8_t*>(::operator new (bytes + offset + 1, std::align_val_t{PAGE_SIZE}));
    data = block_ + offset;
    std::memset(data, 0, bytes);
    mdl = IoAllocateMdl(data, static_cast<ULONG>(bytes), FALSE, FALSE, nullptr);
    if (mdl != nullptr) MmBuildMdlForNonPagedPool(mdl);  // null: a shortage that a test has made
  }
  ~Memory() {
    if (mdl != nullptr) IoFreeMdl(mdl);
    ::operator delete (block_, std::align_val_t{PAGE_SIZE});
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void fill(std::uint8_t seed) {
    for (std::size_t i = 0; i < bytes; ++i)
      data[i] = static_cast<std::uint8_t>(seed + i * 7 + (i >> 8) * 13);
  }
  bool same(const Memory& other, std::size_t count) const { return std::memcmp(data, other.data, count) == 0; }

  std::uint8_t* data = nullptr;
  std::size_t bytes;
  MDL* mdl = nullptr;

 private:
  std::uint8_t* block_ = nullptr;
};

inline constexpr ULONG kAllAccess =
    NDK_MR_FLAG_ALLOW_LOCAL_WRITE | NDK_MR_FLAG_ALLOW_REMOTE_READ | NDK_MR_FLAG_ALLOW_REMOTE_WRITE;

/// Memory registered as one region.
class Region {
 public:
  Region(NDK_PD* pd, std::size_t bytes, ULONG flags = kAllAccess, std::size_t offset = 0) : memory(bytes, offset) {
    EXPECT_EQ(create(mr, [&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, FALSE, rest...); }), STATUS_SUCCESS);
    EXPECT_EQ(register_with(flags), STATUS_SUCCESS);
  }
  NTSTATUS register_with(ULONG flags) {
    return ask(
        [&](auto... rest) { return mr.table()->NdkRegisterMr(mr.get(), memory.mdl, memory.bytes, flags, rest...); });
  }
  NTSTATUS deregister() {
    return ask([&](auto... rest) { return mr.table()->NdkDeregisterMr(mr.get(), rest...); });
  }
  NDK_SGE sge(std::size_t offset, std::size_t bytes) const {
    NDK_SGE sge{};
    sge.VirtualAddress = memory.data + offset;
    sge.Length = static_cast<ULONG>(bytes);
    sge.MemoryRegionToken = mr.table()->NdkGetLocalTokenFromMr(mr.get());
    return sge;
  }
  NDK_SGE all() const { return sge(0, memory.bytes); }
  UINT64 address(std::size_t offset = 0) const { return reinterpret_cast<UINT64>(memory.data + offset); }
  UINT32 token() const { return mr.table()->NdkGetRemoteTokenFromMr(mr.get()); }

  Memory memory;
  Object<NDK_MR> mr;
};

struct QpShape {
  ULONG receive_depth = 32;
  ULONG initiator_depth = 32;
  ULONG sges = 8;
  ULONG inline_bytes = 256;
  ULONG cq_depth = 128;
};

struct Limits {
  ULONG inbound = 16;
  ULONG outbound = 16;
};

/// What one end of a connection needs, and its verbs.
class Side {
 public:
  explicit Side(OpenAdapter& adapter, const QpShape& shape = {}) : Side(adapter, adapter.pd(), shape) {}
  Side(OpenAdapter& adapter, Object<NDK_PD> domain, const QpShape& shape)
      : adapter(adapter), queue(adapter, shape.cq_depth), pd(std::move(domain)) {
    make_qp(shape);
  }
  NTSTATUS make_qp(const QpShape& shape) {
    const NTSTATUS status = create(qp, [&](auto... rest) {
      return pd.table()->NdkCreateQp(pd.get(), queue.cq.get(), queue.cq.get(), this, shape.receive_depth,
                                     shape.initiator_depth, shape.sges, shape.sges, shape.inline_bytes, rest...);
    });
    EXPECT_EQ(status, STATUS_SUCCESS);
    return status;
  }
  ~Side() { close(); }
  void close() {
    connector.close();
    qp.close();
  }

  NTSTATUS begin_connect(Request& request, const Sockaddr& from, const Sockaddr& to, Limits limits = {},
                         std::string_view data = {}) {
    if (!connector) connector = adapter.connector();
    return connector.table()->NdkConnect(connector.get(), qp.get(), from.get(), from.bytes, to.get(), to.bytes,
                                         limits.inbound, limits.outbound, data.data(), static_cast<ULONG>(data.size()),
                                         &Request::completed, &request);
  }
  NTSTATUS connect(const Sockaddr& from, const Sockaddr& to, Limits limits = {}, std::string_view data = {}) {
    Request request;
    return request.finish(begin_connect(request, from, to, limits, data));
  }
  /// Over a shared endpoint.
  NTSTATUS begin_connect(Request& request, const Object<NDK_SHARED_ENDPOINT>& from, const Sockaddr& to,
                         Limits limits = {}, std::string_view data = {}) {
    if (!connector) connector = adapter.connector();
    return connector.table()->NdkConnectWithSharedEndpoint(
        connector.get(), qp.get(), from.get(), to.get(), to.bytes, limits.inbound, limits.outbound, data.data(),
        static_cast<ULONG>(data.size()), &Request::completed, &request);
  }
  NTSTATUS connect(const Object<NDK_SHARED_ENDPOINT>& from, const Sockaddr& to) {
    Request request;
    return request.finish(begin_connect(request, from, to));
  }
  NTSTATUS complete() {
    return ask([&](auto... rest) {
      return connector.table()->NdkCompleteConnect(connector.get(), &Side::disconnected, this, rest...);
    });
  }
  NTSTATUS begin_accept(Request& request, Limits limits = {}, std::string_view data = {}) {
    return connector.table()->NdkAccept(connector.get(), qp.get(), limits.inbound, limits.outbound, data.data(),
                                        static_cast<ULONG>(data.size()), &Side::disconnected, this, &Request::completed,
                                        &request);
  }
  NTSTATUS reject(std::string_view data = {}) {
    return connector.table()->NdkReject(connector.get(), data.data(), static_cast<ULONG>(data.size()));
  }
  NTSTATUS begin_disconnect(Request& request) {
    return connector.table()->NdkDisconnect(connector.get(), &Request::completed, &request);
  }
  NTSTATUS disconnect() {
    Request request;
    return request.finish(begin_disconnect(request));
  }

  NTSTATUS receive(const NDK_SGE& sge, UINT_PTR context = 1) {
    return qp.table()->NdkReceive(qp.get(), reinterpret_cast<PVOID>(context), &sge, 1);
  }
  NTSTATUS send(const NDK_SGE& sge, UINT_PTR context = 2, ULONG flags = 0) {
    return qp.table()->NdkSend(qp.get(), reinterpret_cast<PVOID>(context), &sge, 1, flags);
  }
  NTSTATUS write(const NDK_SGE& sge, UINT64 address, UINT32 token, UINT_PTR context = 3, ULONG flags = 0) {
    return qp.table()->NdkWrite(qp.get(), reinterpret_cast<PVOID>(context), &sge, 1, address, token, flags);
  }
  NTSTATUS read(const NDK_SGE& sge, UINT64 address, UINT32 token, UINT_PTR context = 4, ULONG flags = 0) {
    return qp.table()->NdkRead(qp.get(), reinterpret_cast<PVOID>(context), &sge, 1, address, token, flags);
  }
  void flush() { qp.table()->NdkFlush(qp.get()); }
  NDK_RESULT_EX next() { return queue.next(); }
  NTSTATUS next_status() { return queue.next_status(); }

  Sockaddr local_address() { return local_address_of(connector); }
  Sockaddr peer_address() {
    Sockaddr address;
    address.bytes = sizeof(address.value);
    EXPECT_EQ(connector.table()->NdkGetPeerAddress(connector.get(), address.room(), &address.bytes), STATUS_SUCCESS);
    return address;
  }
  /// Zero-padded to 512.
  NTSTATUS connection_data(Limits& limits, std::string& data) {
    char room[512] = {};
    ULONG bytes = sizeof(room);
    const NTSTATUS status =
        connector.table()->NdkGetConnectionData(connector.get(), &limits.inbound, &limits.outbound, room, &bytes);
    if (status == STATUS_SUCCESS) data.assign(room, bytes);
    return status;
  }

  static VOID disconnected(PVOID context) {
    auto* self = static_cast<Side*>(context);
    ++self->disconnects;
    self->left.set();
  }

  OpenAdapter& adapter;
  Event left;
  std::atomic<int> disconnects{0};
  Queue queue;
  Object<NDK_PD> pd;
  Object<NDK_QP> qp;
  Object<NDK_CONNECTOR> connector;
};

/// A listener and the connectors that it raised.
class Door {
 public:
  explicit Door(OpenAdapter& adapter) : listener(adapter.listener(&Door::raised, this)) {}
  ~Door() { close(); }
  /// Closes what nobody took; those are rejected (R-CLS-18).
  void close() {
    Request request;
    if (!listener) return;
    const NTSTATUS returned = listener.begin_close(request);
    for (;;) {
      // An event that had begun may still bring one, and the close waits for it (R-CLS-06).
      while (NDK_CONNECTOR* connector = take())
        Object<NDK_CONNECTOR> unwanted(connector);
      if (returned != STATUS_PENDING || request.is_done()) break;
      arrived.clear();
      static_cast<void>(arrived.wait(-10'000));
    }
    EXPECT_EQ(request.finish(returned), STATUS_SUCCESS);
  }
  NTSTATUS listen(const Sockaddr& at) {
    return ask([&](auto... rest) { return listener.table()->NdkListen(listener.get(), at.get(), at.bytes, rest...); });
  }
  Sockaddr address() { return local_address_of(listener); }
  void pause(bool paused) { listener.table()->NdkControlConnectEvents(listener.get(), paused); }
  Object<NDK_CONNECTOR> next() {
    for (;;) {
      arrived.clear();
      if (NDK_CONNECTOR* connector = take()) return Object<NDK_CONNECTOR>(connector);
      if (!arrived.wait()) {
        ADD_FAILURE() << "no connect event";
        return {};
      }
    }
  }
  static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
    auto* self = static_cast<Door*>(context);
    KLOCK_QUEUE_HANDLE lock;
    KeAcquireInStackQueuedSpinLock(&self->lock_, &lock);
    self->waiting_.push_back(connector);
    KeReleaseInStackQueuedSpinLock(&lock);
    ++self->events;
    self->arrived.set();
  }

  Event arrived;
  std::atomic<int> events{0};

 private:
  NDK_CONNECTOR* take() {
    KLOCK_QUEUE_HANDLE lock;
    KeAcquireInStackQueuedSpinLock(&lock_, &lock);
    NDK_CONNECTOR* connector = nullptr;
    if (!waiting_.empty()) {
      connector = waiting_.front();
      waiting_.pop_front();
    }
    KeReleaseInStackQueuedSpinLock(&lock);
    return connector;
  }
  KSPIN_LOCK lock_ = 0;
  std::deque<NDK_CONNECTOR*> waiting_;

 public:
  Object<NDK_LISTENER> listener;
};

}  // namespace softndk::stack
