// What is Linux's own in net/: options of sockets, shortages, injected faults, other processes' ports.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "base/log.h"
#include "io/network_contract.h"
#include "net/fault.h"
#include "net/host.h"
#include "net/linux_world.h"
#include "net/reserved_ports.h"
#include "net/socket_address.h"
#include "net/sys.h"
#include "net/tcp_socket.h"

namespace softndk::net {
namespace {

using io::ByteStream;
using io::Interest;
using io::IoError;
using io::IoResult;
using io::contract::connect_pair;
using io::contract::End;
using io::contract::kPortTries;
using io::contract::octets;
using io::contract::open_door;
using io::contract::Pair;
using io::contract::port_to_try;
using io::contract::start_connect_from_any;

Address v4() {
  return SpinningWorld::host(Address::Family::v4);
}

/// All lines that were logged while it lives.
class LogLines {
 public:
  LogLines() {
    set_log_sink(
        [](void* self, LogLevel, const char* line) {
          auto& lines = *static_cast<LogLines*>(self);
          MutexLock lock(lines.lock_);
          lines.lines_.push_back(line);
        },
        this);
  }
  ~LogLines() { set_log_sink(nullptr, nullptr); }
  std::size_t count(const std::string& part) {
    MutexLock lock(lock_);
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(), [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }

 private:
  Mutex lock_;
  std::vector<std::string> lines_ SOFTNDK_GUARDED_BY(lock_);
};

/// The descriptor of this process's socket between `local` and `peer`, found as a debugger would.
int find_socket(const Address& local, const Address& peer) {
  for (int fd = 3; fd < 4096; ++fd) {
    SocketAddress name, other;
    if (sys::getsockname(fd, name.get(), name.size_in_out()) < 0 || name.address() != local) continue;
    if (::getpeername(fd, other.get(), other.size_in_out()) == 0 && other.address() == peer) return fd;
  }
  return -1;
}
int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(sys::getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

TEST(TcpStream, SocketsOfBothEndsAreTuned) {
  SpinningWorld::run([](io::World& world) {
    Pair pair = connect_pair(world, v4());
    ASSERT_TRUE(pair.ok());
    for (End* end : {pair.client.get(), pair.server.get()}) {
      const int fd = find_socket(end->stream->local_address(), end->stream->peer_address());
      ASSERT_GE(fd, 0);
      EXPECT_NE(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
      char congestion[16] = {};
      socklen_t size = sizeof congestion;
      ASSERT_EQ(sys::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, &size), 0);
      EXPECT_STREQ(congestion, "cubic");
      EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
      EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    }
    const int client = find_socket(pair.client->stream->local_address(), pair.client->stream->peer_address());
    EXPECT_EQ(option(client, SOL_SOCKET, SO_REUSEADDR), 0) << "alone on its port while it is in use";
    pair.close();
  });
}

TEST(TcpStream, ACongestionControlThatIsNotThereCostsNothingButALine) {
  auto world = World::create({.processors = 1, .same_host_congestion = "no-such-thing"});
  ASSERT_TRUE(world.has_value());
  io::World view = (*world)->view();
  Pair pair = connect_pair(view, v4());
  ASSERT_TRUE(pair.ok());
  ASSERT_TRUE(pair.client->write_all(octets(100, 1)));
  EXPECT_EQ(pair.server->read_exactly(100), octets(100, 1));
  pair.close();
  world->reset();
}

TEST(TcpStream, AWriterToAPeerThatClosedItsHalfWaitsForRoomAndDoesNotSpin) {
  SpinningWorld::run([](io::World& world) {
    Pair pair = connect_pair(world, v4());
    ASSERT_TRUE(pair.ok());
    End& server = *pair.server;
    pair.client->stream->finish_writing();
    std::uint8_t octet;
    ASSERT_EQ(server.read_some({&octet, 1}).status, IoResult::Status::end);
    const auto piece = octets(64 * 1024, 1);
    const ConstIoSpan span{piece.data(), piece.size()};
    std::size_t sent = 0;
    for (;;) {
      const IoResult result = server.stream->write({&span, 1}, false);
      if (result.status != IoResult::Status::done) break;
      sent += result.bytes;
    }
    server.stream->arm(Interest::write);
    for (int i = 0; i < 50; ++i)
      io::contract::drain(world, server.processor);
    const int before = server.ready_count();
    EXPECT_LE(before, 2);
    server.stream->arm(Interest::write);
    for (int i = 0; i < 50; ++i)
      io::contract::drain(world, server.processor);
    EXPECT_EQ(server.ready_count(), before);
    server.take_ready();
    EXPECT_EQ(pair.client->read_exactly(sent).size(), sent);
    EXPECT_TRUE(server.wait_ready(Interest::write));
    pair.close();
  });
}

TEST(TcpStream, AResetThatAWriteHasSeenIsNoEndForTheReader) {
  SpinningWorld::run([](io::World& world) {
    for (int round = 0; round < 50; ++round) {
      Pair pair = connect_pair(world, v4());
      ASSERT_TRUE(pair.ok());
      ASSERT_TRUE(pair.server->write_all(octets(10, 1)));  // unread by the client
      EXPECT_TRUE(pair.client->close(ByteStream::CloseKind::abort));
      // Writer and reader learn of it at the same time; the kernel tells only one of them why.
      io::contract::Worker writer(world, [&] {
        const auto piece = octets(10, 1);
        const ConstIoSpan out{piece.data(), piece.size()};
        while (pair.server->stream->write({&out, 1}, false).status == IoResult::Status::done)
          world.executor.relax(100);
      });
      std::uint8_t octet;
      const IoSpan in{&octet, 1};
      IoResult read;
      do {
        read = pair.server->stream->read({&in, 1});
      } while (read.status == IoResult::Status::would_block);
      EXPECT_EQ(read.status, IoResult::Status::failed);
      EXPECT_EQ(read.error, IoError::reset);
      writer.join();
      pair.close();
    }
  });
}

TEST(Network, EveryCallThatFailsIsReportedAndLeavesNothing) {
  SpinningWorld::run([](io::World& world) {
    io::Processor& processor = world.executor.processor(0);
    auto door = open_door(world, v4(), processor);
    ASSERT_NE(door, nullptr);
    door->acceptor->pause();  // it shares our fault hook and is not meant
    for (const char* name : {"socket", "bind", "connect", "epoll_ctl", "allocate"}) {
      const Address local = v4().with_port(port_to_try(world));
      auto end = std::make_shared<End>(world, processor);
      Fault fault(name);
      auto stream = world.network.connect(local, door->address(), {}, *end, processor);
      ASSERT_FALSE(stream.has_value()) << name;
      EXPECT_TRUE(stream.error() == IoError::no_resources) << name << ": " << to_string(stream.error());
      EXPECT_GE(fault.hits(), 1);
    }
    for (const char* name : {"socket", "bind", "listen", "epoll_ctl", "allocate"}) {
      const Address local = v4().with_port(port_to_try(world));
      auto other = std::make_shared<io::contract::Door>(world, processor);
      Fault fault(name);
      auto acceptor = world.network.listen(local, 8, *other, processor);
      ASSERT_FALSE(acceptor.has_value()) << name;
      EXPECT_EQ(acceptor.error(), IoError::no_resources) << name;
    }
    for (const char* name : {"socket", "bind", "allocate"}) {
      const Address local = v4().with_port(port_to_try(world));
      Fault fault(name);
      auto reservation = world.network.reserve(local);
      ASSERT_FALSE(reservation.has_value()) << name;
      EXPECT_EQ(reservation.error(), IoError::no_resources) << name;
    }
    {
      Fault fault("socket");
      EXPECT_EQ(world.network.source_for(door->address()).error(), IoError::no_resources);
    }
    {
      Fault fault("getifaddrs");
      EXPECT_EQ(world.network.interfaces().error(), IoError::no_resources);
    }
    EXPECT_TRUE(door->close());
  });
}

TEST(TcpAcceptor, OutOfDescriptorsIsOneLineAndAPauseNotASpin) {
  SpinningWorld::run([](io::World& world) {
    io::Processor& processor = world.executor.processor(0);
    auto door = open_door(world, v4(), processor);
    ASSERT_NE(door, nullptr);
    LogLines lines;
    std::shared_ptr<End> client;
    {
      Fault fault("accept");
      client = start_connect_from_any(world, door->address(), processor);
      ASSERT_NE(client, nullptr);
      ASSERT_TRUE(client->wait_connected());  // by the kernel, for the backlog
      const io::TimeNs until_ns = world.clock.now_ns() + io::contract::kPatience;
      while (fault.hits() < 3 && world.clock.now_ns() < until_ns)  // it tries again by itself, now and then
        world.executor.park(world.clock.now_ns() + io::kMillisecond);
      EXPECT_GE(fault.hits(), 3);
      const int hits = fault.hits();
      for (int i = 0; i < 100; ++i)
        io::contract::drain(world, processor);
      EXPECT_LE(fault.hits(), hits + 20) << "it spins";
    }
    EXPECT_EQ(lines.count("out of descriptors"), 1u);
    EXPECT_EQ(lines.count(AddressText(door->address()).text), 1u);
    auto server = door->next();  // served once the shortage is over
    ASSERT_NE(server, nullptr);
    EXPECT_TRUE(server->close());
    EXPECT_TRUE(client->close());
    EXPECT_TRUE(door->close());
  });
}

TEST(TcpAcceptor, MayBePausedAndClosedDuringAShortage) {
  SpinningWorld::run([](io::World& world) {
    io::Processor& processor = world.executor.processor(0);
    LogLines lines;
    for (bool paused : {false, true}) {
      auto door = open_door(world, v4(), processor);
      ASSERT_NE(door, nullptr);
      Fault fault("accept");
      auto client = start_connect_from_any(world, door->address(), processor);
      ASSERT_NE(client, nullptr);
      client->wait_connected();
      while (fault.hits() == 0)
        world.executor.park(world.clock.now_ns() + io::kMillisecond);
      if (paused) door->acceptor->pause();
      EXPECT_TRUE(door->close());
      EXPECT_TRUE(client->close());
    }
  });
}

TEST(TcpAcceptor, AStreamThatDoesNotFitIntoMemoryIsRefused) {
  SpinningWorld::run([](io::World& world) {
    io::Processor& processor = world.executor.processor(0);
    LogLines lines;
    auto door = open_door(world, v4(), processor);
    ASSERT_NE(door, nullptr);
    for (const char* name : {"allocate", "epoll_ctl"}) {
      // A plain client, as the fault would hit one of ours too.
      const long fd = sys::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sys::Fd client(fd);
      const int chosen = door->chosen_count();
      Fault fault(name);
      const SocketAddress target(door->address());
      ASSERT_EQ(sys::connect(client.get(), target.get(), target.size()), 0);
      std::uint8_t octet;
      EXPECT_EQ(sys::recv(client.get(), &octet, 1, 0), -ECONNRESET);  // blocks until the RST
      EXPECT_EQ(door->chosen_count(), chosen + 1);
      EXPECT_GE(fault.hits(), 1);
    }
    EXPECT_EQ(lines.count("for lack of memory"), 2u);
    EXPECT_TRUE(door->close());
  });
}

TEST(C_98, ListenersAndReservationsKeepOtherProcessesOut) {
  SpinningWorld::run([](io::World& world) {
    // Another process looks to the kernel as any other socket does, even one that sets SO_REUSEADDR.
    auto foreign_bind = [](const Address& address) {
      const sys::Fd fd(sys::socket(to_domain(address.family), SOCK_STREAM | SOCK_CLOEXEC, 0));
      sys::set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
      const SocketAddress name(address);
      return sys::bind(fd.get(), name.get(), name.size());
    };
    auto door = open_door(world, v4(), world.executor.processor(0));
    ASSERT_NE(door, nullptr);
    EXPECT_EQ(foreign_bind(door->address()), -EADDRINUSE);
    door->acceptor->pause();
    EXPECT_EQ(foreign_bind(door->address()), -EADDRINUSE);
    ASSERT_TRUE(door->acceptor->resume().has_value());
    EXPECT_EQ(foreign_bind(door->address()), -EADDRINUSE);
    const Address address = door->address();
    EXPECT_TRUE(door->close());
    EXPECT_EQ(foreign_bind(address), 0);

    OwnedInterface<io::Network::Reservation> reservation;
    Address local;
    for (int i = 0; i < kPortTries && reservation == nullptr; ++i) {
      local = v4().with_port(port_to_try(world));
      if (auto reserved = world.network.reserve(local)) reservation = std::move(*reserved);
    }
    ASSERT_NE(reservation, nullptr);
    EXPECT_EQ(foreign_bind(local), -EADDRINUSE);
    auto peer = open_door(world, v4(), world.executor.processor(0));
    ASSERT_NE(peer, nullptr);
    auto shared =
        io::contract::start_connect(world, local, peer->address(), world.executor.processor(0), {.share_local = true});
    ASSERT_TRUE(shared.has_value()) << to_string(shared.error());
    ASSERT_TRUE((*shared)->wait_connected());
    EXPECT_EQ(foreign_bind(local), -EADDRINUSE) << "the reservation refuses for the streams that share";
    auto server = peer->next();
    ASSERT_NE(server, nullptr);
    EXPECT_TRUE((*shared)->close());
    EXPECT_TRUE(server->close());
    EXPECT_TRUE(peer->close());
  });
}

TEST(C_98, AClosedAcceptorsPortWaitsForNobodyWhileItsStreamsLive) {
  SpinningWorld::run([](io::World& world) {
    // The endpoint table above keeps the port until the streams are closed (R-EP-01); the kernel must not.
    Pair pair = connect_pair(world, v4());
    ASSERT_TRUE(pair.ok());
    const Address address = pair.door->address();
    EXPECT_TRUE(pair.door->close());
    auto door = std::make_shared<io::contract::Door>(world, world.executor.processor(0));
    auto acceptor = world.network.listen(address, 8, *door, world.executor.processor(0));
    ASSERT_TRUE(acceptor.has_value()) << to_string(acceptor.error());
    door->acceptor = std::move(*acceptor);
    EXPECT_TRUE(door->close());
    pair.close();
  });
}

TEST(Host, APeerOnThisHostIsItsOwnSource) {
  Address peer;
  ASSERT_TRUE(parse_address("127.0.0.9", peer));
  EXPECT_TRUE(is_same_host(v4(), peer));
  // TEST-NET-2: routed away or not at all, but never ours.
  ASSERT_TRUE(parse_address("198.51.100.7", peer));
  const auto ours = interfaces();
  ASSERT_TRUE(ours);
  for (const auto& interface : *ours)
    for (const Address& address : interface.addresses) {
      EXPECT_TRUE(is_same_host(v4(), address)) << AddressText(address).text;
      EXPECT_FALSE(is_same_host(address, peer));
    }
}

}  // namespace
}  // namespace softndk::net
