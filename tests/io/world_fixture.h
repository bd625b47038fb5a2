#pragma once
// What the contract suites share: waiting without sleeping, ends of streams that record their events, free ports.
// A suite is written once and instantiated for each world by a factory:
//
//   struct LinuxWorld {                                       // a type parameter of the suites
//     static void run(const std::function<void(World&)>& body);  // body runs on a thread (or fiber) that may park,
//                                                             // in a fresh world that lives until it returns
//     static Address host(Address::Family family);            // an address of the (only) host, port 0
//     static Address foreign();                               // an IPv4 address that no interface of it has
//   };
//
// Bodies block only through Executor, so that they run as they are on a fiber.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/thread_safety.h"
#include "io/network.h"

namespace softndk::io::contract {

/// Far beyond what anything here takes: reaching it is a failure, never a measurement.
inline constexpr TimeNs kPatience = 30 * kSecond;

/// Wakes the threads that wait for a change of somebody's state. ring() after each change.
class Bell {
 public:
  explicit Bell(World& world) : world_(world) {}

  void ring() noexcept {
    for (auto& listener : listeners_)
      if (ThreadContext* context = listener.load()) world_.executor.unpark(*context);
  }

  /// False: kPatience went by and `condition` still does not hold.
  template <class Condition>
  bool wait(Condition condition) {
    // Enrol first, look second: a change after the look rings, and the token that it leaves ends the park.
    ThreadContext* me = &this_thread();
    std::atomic<ThreadContext*>* slot = nullptr;
    for (auto& listener : listeners_) {
      ThreadContext* nobody = nullptr;
      if (listener.compare_exchange_strong(nobody, me)) {
        slot = &listener;
        break;
      }
    }
    if (slot == nullptr) ADD_FAILURE() << "too many threads wait for one thing";
    const TimeNs deadline_ns = world_.clock.now_ns() + kPatience;
    bool holds = condition();
    while (!holds && world_.clock.now_ns() < deadline_ns) {
      world_.executor.park(deadline_ns);
      holds = condition();
    }
    if (slot != nullptr) slot->store(nullptr);
    return holds;
  }

 private:
  World& world_;
  std::array<std::atomic<ThreadContext*>, 4> listeners_{};
};

/// One end of a connection: stream and sink in one, with blocking verbs for tests. Checks on every event that it comes
/// on the stream's processor, alone, and before on_closed. Shared, because the thread that closes may be done before
/// on_closed has returned.
class End : public StreamSink, public std::enable_shared_from_this<End> {
 public:
  End(World& world, Processor& processor) : processor(processor), world_(world), bell_(world) {}
  virtual ~End() = default;

  World& world() { return world_; }
  Bell& bell() { return bell_; }
  bool is_closed() const { return closed_.load() != 0; }
  int closed_count() const { return closed_.load(); }
  int connected_count() const { return connected_.load(); }
  int failed_count() const { return failed_.load(); }
  int ready_count() const { return ready_events_.load(); }
  IoError error() const { return error_.load(); }

  /// Takes what on_ready reported since the last call.
  Interest take_ready() { return Interest(ready_.exchange(0)); }

  void adopt(OwnedInterface<ByteStream> taken) {
    stream = std::move(taken);
    has_stream_.store(true);
    bell_.ring();
  }
  bool wait_connected() {
    return bell_.wait([this] { return connected_.load() + failed_.load() > 0; }) && connected_.load() == 1;
  }
  bool wait_accepted() {
    return bell_.wait([this] { return has_stream_.load(); });
  }
  /// Until one of `interest` was reported; forgets it.
  bool wait_ready(Interest interest) {
    return bell_.wait([&] { return contains(Interest(ready_.fetch_and(~unsigned(interest))), interest); });
  }
  bool wait_closed() {
    return bell_.wait([this] { return is_closed(); });
  }
  bool close(ByteStream::CloseKind kind = ByteStream::CloseKind::orderly) {
    stream->close(kind);
    return wait_closed();
  }

  /// False: it failed, see last_write.
  bool write_all(Bytes octets, bool record_end = false) {
    while (!octets.empty()) {
      const ConstIoSpan span{octets.data(), octets.size()};
      last_write = stream->write({&span, 1}, record_end);
      if (last_write.status == IoResult::Status::done) {
        EXPECT_GT(last_write.bytes, 0u);
        EXPECT_LE(last_write.bytes, octets.size());
        octets = octets.subspan(last_write.bytes);
      } else if (last_write.status == IoResult::Status::would_block) {
        stream->arm(Interest::write);
        if (!wait_ready(Interest::write)) return false;
      } else {
        return false;
      }
    }
    return true;
  }
  /// One read, waiting until it is more than would_block.
  IoResult read_some(MutableBytes into) {
    for (;;) {
      const IoSpan span{into.data(), into.size()};
      const IoResult result = stream->read({&span, 1});
      if (result.status != IoResult::Status::would_block) return result;
      stream->arm(Interest::read);
      if (!wait_ready(Interest::read)) {
        ADD_FAILURE() << "nothing came";
        return {IoResult::Status::failed, 0, IoError::timed_out};
      }
    }
  }
  /// Exactly `count` octets, or fewer if the stream ends or fails first.
  std::vector<std::uint8_t> read_exactly(std::size_t count) {
    std::vector<std::uint8_t> got(count);
    std::size_t filled = 0;
    while (filled < count) {
      const IoResult result = read_some(MutableBytes(got).subspan(filled));
      if (result.status != IoResult::Status::done) break;
      filled += result.bytes;
    }
    got.resize(filled);
    return got;
  }

  void on_connected() noexcept override {
    event([this] { connected_.fetch_add(1); });
  }
  void on_connect_failed(IoError error) noexcept override {
    event([this, error] {
      error_.store(error);
      failed_.fetch_add(1);
    });
  }
  void on_ready(Interest ready) noexcept override {
    EXPECT_NE(ready, Interest::none);
    event([this, ready] {
      if (when_ready) when_ready(ready);
      ready_.fetch_or(unsigned(ready));
      ready_events_.fetch_add(1);
    });
  }
  void on_closed() noexcept override {
    event([this] {
      if (when_closed) when_closed();
      closed_.fetch_add(1);
    });
  }

  Processor& processor;
  OwnedInterface<ByteStream> stream;
  IoResult last_write;
  std::function<void(Interest)> when_ready;  ///< runs inside the event
  std::function<void()> when_closed;

 private:
  template <class Change>
  void event(Change change) noexcept {
    auto self = shared_from_this();
    EXPECT_TRUE(processor.is_current());
    EXPECT_FALSE(in_event_.exchange(true)) << "two events at once";
    EXPECT_EQ(closed_.load(), 0) << "an event after on_closed";
    change();
    in_event_.store(false);
    bell_.ring();
  }

  World& world_;
  Bell bell_;
  std::atomic<bool> has_stream_{false};
  std::atomic<bool> in_event_{false};
  std::atomic<int> connected_{0}, failed_{0}, closed_{0}, ready_events_{0};
  std::atomic<unsigned> ready_{0};
  std::atomic<IoError> error_{IoError::reset};
};

/// An acceptor and the ends that came over it.
class Door : public AcceptSink, public std::enable_shared_from_this<Door> {
 public:
  Door(World& world, Processor& processor) : processor(processor), world_(world), bell_(world) {}
  virtual ~Door() = default;

  Choice choose_sink(const Address& local, const Address& peer) noexcept override {
    EXPECT_TRUE(processor.is_current());
    EXPECT_EQ(closed_.load(), 0);
    chosen_local = local;
    chosen_peer = peer;
    chosen_.fetch_add(1);
    if (refuse.load()) return {};
    Processor& of_stream = stream_processor != nullptr ? *stream_processor : processor;
    auto end = std::make_shared<End>(world_, of_stream);
    MutexLock lock(mutex_);
    unclaimed_.push_back(end);
    return {end.get(), &of_stream};
  }
  void on_accept(OwnedInterface<ByteStream> stream, StreamSink& sink) noexcept override {
    EXPECT_TRUE(processor.is_current());
    EXPECT_EQ(closed_.load(), 0);
    auto self = shared_from_this();
    auto end = static_cast<End&>(sink).shared_from_this();
    end->adopt(std::move(stream));
    if (when_accepted) when_accepted(*end);
    {
      MutexLock lock(mutex_);
      std::erase(unclaimed_, end);
      accepted_.push_back(end);
    }
    bell_.ring();
  }
  void on_acceptor_closed() noexcept override {
    EXPECT_TRUE(processor.is_current());
    auto self = shared_from_this();
    if (when_closed) when_closed();
    closed_.fetch_add(1);
    bell_.ring();
  }

  /// The next connection that came in; null after kPatience.
  std::shared_ptr<End> next() {
    std::shared_ptr<End> end;
    bell_.wait([&] {
      MutexLock lock(mutex_);
      if (accepted_.empty()) return false;
      end = accepted_.front();
      accepted_.erase(accepted_.begin());
      return true;
    });
    return end;
  }
  bool close() {
    acceptor->close();
    return wait_closed();
  }
  bool wait_closed() {
    return bell_.wait([this] { return closed_.load() > 0; });
  }
  int closed_count() const { return closed_.load(); }
  int chosen_count() const { return chosen_.load(); }
  Address address() const { return acceptor->local_address(); }

  Processor& processor;
  Processor* stream_processor = nullptr;  ///< null: the acceptor's
  OwnedInterface<Acceptor> acceptor;
  std::atomic<bool> refuse{false};
  Address chosen_local, chosen_peer;  ///< of the last one; read after it was accepted
  std::function<void(End&)> when_accepted;
  std::function<void()> when_closed;

 private:
  World& world_;
  Bell bell_;
  Mutex mutex_;
  std::vector<std::shared_ptr<End>> unclaimed_ SOFTNDK_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<End>> accepted_ SOFTNDK_GUARDED_BY(mutex_);
  std::atomic<int> closed_{0}, chosen_{0};
};

/// Ports to try: from the dynamic range, at random, as other programs of the machine take some too.
inline std::uint16_t port_to_try(World& world) {
  return static_cast<std::uint16_t>(49152 + world.rng.below(65536 - 49152));
}
inline constexpr int kPortTries = 200;

/// Listens on some free port of `host`.
inline std::shared_ptr<Door> open_door(World& world, Address host, Processor& processor, unsigned backlog = 64) {
  auto door = std::make_shared<Door>(world, processor);
  for (int i = 0; i < kPortTries; ++i) {
    auto acceptor = world.network.listen(host.with_port(port_to_try(world)), backlog, *door, processor);
    if (acceptor) {
      door->acceptor = std::move(*acceptor);
      return door;
    }
    if (acceptor.error() != IoError::address_in_use) {
      ADD_FAILURE() << to_string(acceptor.error());
      return nullptr;
    }
  }
  ADD_FAILURE() << "no free port";
  return nullptr;
}

/// Begins to connect from exactly `local`; an inline error is an end without stream.
inline expected<std::shared_ptr<End>, IoError> start_connect(World& world, const Address& local, const Address& remote,
                                                             Processor& processor, ConnectOptions options = {}) {
  auto end = std::make_shared<End>(world, processor);
  auto stream = world.network.connect(local, remote, options, *end, processor);
  if (!stream) return unexpected(stream.error());
  end->adopt(std::move(*stream));
  return end;
}

/// Begins to connect from some free port.
inline std::shared_ptr<End> start_connect_from_any(World& world, const Address& remote, Processor& processor) {
  auto source = world.network.source_for(remote);
  if (!source) {
    ADD_FAILURE() << to_string(source.error());
    return nullptr;
  }
  for (int i = 0; i < kPortTries; ++i) {
    auto end = start_connect(world, source->with_port(port_to_try(world)), remote, processor);
    if (end) return *end;
    if (end.error() != IoError::address_in_use && end.error() != IoError::already_connected) {
      ADD_FAILURE() << to_string(end.error());
      return nullptr;
    }
  }
  ADD_FAILURE() << "no free port";
  return nullptr;
}

/// What becomes of an attempt, whether it is told inline or by on_connect_failed. nullopt: it connected (and is
/// closed again).
inline std::optional<IoError> outcome_of_connect(World& world, const Address& local, const Address& remote,
                                                 Processor& processor, ConnectOptions options = {}) {
  auto end = start_connect(world, local, remote, processor, options);
  if (!end) return end.error();
  const bool connected = (*end)->wait_connected();
  EXPECT_EQ((*end)->connected_count() + (*end)->failed_count(), 1);
  const IoError error = (*end)->error();
  EXPECT_TRUE((*end)->close());
  if (connected) return std::nullopt;
  return error;
}
/// The same from a free port.
inline std::optional<IoError> outcome_of_connect(World& world, const Address& remote, Processor& processor) {
  auto end = start_connect_from_any(world, remote, processor);
  if (end == nullptr) return IoError::no_resources;
  const bool connected = end->wait_connected();
  const IoError error = end->error();
  EXPECT_TRUE(end->close());
  if (connected) return std::nullopt;
  return error;
}

/// Two connected ends on one host.
struct Pair {
  std::shared_ptr<Door> door;
  std::shared_ptr<End> client, server;
  bool ok() const { return client != nullptr && server != nullptr; }
  /// Closes what is open. The acceptor first, so that its port is free when this returns.
  void close(ByteStream::CloseKind kind = ByteStream::CloseKind::orderly) {
    if (door != nullptr && door->closed_count() == 0) {
      EXPECT_TRUE(door->close());
    }
    for (End* end : {client.get(), server.get()})
      if (end != nullptr && !end->is_closed()) {
        EXPECT_TRUE(end->close(kind));
      }
  }
};
inline Pair connect_pair(World& world, Address host) {
  Pair pair;
  Processor& first = world.executor.processor(0);
  Processor& last = world.executor.processor(world.executor.processor_count() - 1);
  pair.door = open_door(world, host, first);
  if (pair.door == nullptr) return pair;
  pair.client = start_connect_from_any(world, pair.door->address(), last);
  if (pair.client == nullptr) return pair;
  EXPECT_TRUE(pair.client->wait_connected());
  pair.server = pair.door->next();
  return pair;
}

/// Runs `body` on a thread of the world; join() before it goes.
class Worker {
 public:
  Worker(World& world, std::function<void()> body) : world_(world), body_(std::move(body)) {
    auto handle = world_.executor.spawn(
        "worker", [](void* self) { static_cast<Worker*>(self)->body_(); }, this);
    EXPECT_TRUE(handle.has_value());
    if (handle) handle_ = *handle;
  }
  ~Worker() { join(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  void join() {
    if (handle_.implementation != nullptr) world_.executor.join(handle_);
    handle_ = {};
  }

 private:
  World& world_;
  std::function<void()> body_;
  ThreadHandle handle_;
};

/// Octets that depend on where they stand in the stream, so that a lost, doubled or moved one shows.
inline std::uint8_t octet_at(std::uint64_t position, std::uint64_t salt) {
  std::uint64_t x = (position + salt * 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
  return static_cast<std::uint8_t>(x >> 56 ^ x >> 32);
}
inline std::vector<std::uint8_t> octets(std::size_t count, std::uint64_t salt, std::uint64_t from = 0) {
  std::vector<std::uint8_t> out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = octet_at(from + i, salt);
  return out;
}

template <class Factory>
class WorldTest : public ::testing::Test {
 protected:
  void in_world(const std::function<void(World&)>& body) { Factory::run(body); }
  Address v4() const { return Factory::host(Address::Family::v4); }
  Address v6() const { return Factory::host(Address::Family::v6); }
};

}  // namespace softndk::io::contract
