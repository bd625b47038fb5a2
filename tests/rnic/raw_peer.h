#pragma once
// A peer that speaks the wire by hand, rightly or wrongly, to one software RNIC of ours over any world's network.
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "iwarp/mpa_frame.h"
#include "iwarp/wire_builder.h"
#include "net/world.h"
#include "rnic_peer.h"
#include "sim/seed_loop.h"
#include "sim/world.h"

namespace softndk::rnic::test {

using iwarp::Opcode;
using iwarp::TerminateCode;
using iwarp::TxMessage;
using iwarp::test::concat;
using iwarp::test::message_octets;
using iwarp::test::Octets;
using iwarp::test::pattern;

inline constexpr rdma::AccessRights kAllRights{true, true, true};

/// Runs `body` on Linux and under simulation, there with several seeds.
template <class Body>
void in_every_world(Body body, std::uint64_t seeds = 8, const sim::Options& options = {}) {
  {
    SCOPED_TRACE("Linux");
    auto world = net::World::create();
    ASSERT_TRUE(world);
    io::World view = (*world)->view();
    body(view);
  }
  if (testing::Test::HasFailure()) return;
  sim::for_each_seed(seeds, [&](std::uint64_t seed) {
    SCOPED_TRACE("simulation, seed " + std::to_string(seed));
    sim::World world(seed, options);
    const sim::Result result = world.run([&] {
      io::World view = world.view();
      body(view);
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
  });
}

/// For what rings no bell, a counter say: looks again and again.
template <class Condition>
bool eventually(io::World& world, Condition condition) {
  const io::TimeNs deadline_ns = world.clock.now_ns() + io::contract::kPatience;
  while (!condition()) {
    const io::TimeNs now_ns = world.clock.now_ns();
    if (now_ns >= deadline_ns) return false;
    world.executor.park(now_ns + io::kMillisecond);
  }
  return true;
}

/// While it lives, the n-th fallible call fails.
class Shortage {
 public:
  /// `only`: calls of other names neither fail nor count.
  explicit Shortage(std::uint64_t nth, std::string_view only = {}) : nth_(nth), only_(only) {
    set_fault_hook(
        [](void* self, const char* what) noexcept {
          auto* shortage = static_cast<Shortage*>(self);
          if (!shortage->only_.empty() && shortage->only_ != what) return false;
          return shortage->calls_.fetch_add(1) + 1 == shortage->nth_;
        },
        this);
  }
  ~Shortage() { set_fault_hook(nullptr, nullptr); }
  std::uint64_t calls() const { return calls_.load(); }

 private:
  std::uint64_t nth_;
  std::string_view only_;
  std::atomic<std::uint64_t> calls_{0};
};

inline Octets frame_octets(const iwarp::MpaFrame& frame) {
  Octets octets(iwarp::kMpaFrameBytesMax);
  ByteWriter out(octets);
  iwarp::encode(frame, out);
  octets.resize(out.size());
  return octets;
}
inline iwarp::MpaFrame mpa_frame(iwarp::MpaKind kind, std::uint16_t ird = 16, std::uint16_t ord = 16) {
  iwarp::MpaFrame frame;
  frame.kind = kind;
  frame.crc = true;
  frame.enhanced.emplace();
  frame.enhanced->peer_to_peer = true;
  frame.enhanced->rtr = {.send = false, .write = true, .read = true};
  frame.enhanced->ird = ird;
  frame.enhanced->ord = ord;
  return frame;
}
inline Octets request_octets() {
  return frame_octets(mpa_frame(iwarp::MpaKind::request));
}
inline Octets reply_octets() {
  return frame_octets(mpa_frame(iwarp::MpaKind::reply));
}

/// Whole messages.
inline Octets rtr_octets() {
  return message_octets({.opcode = Opcode::write, .stag = 1, .to_bytes = 0}, {});
}
inline Octets send_octets(std::uint32_t msn, Bytes content, Opcode opcode = Opcode::send, std::uint32_t stag = 0) {
  return message_octets({.opcode = opcode, .stag = stag, .msn = msn}, content);
}
inline Octets write_octets(std::uint32_t stag, std::uint64_t to, Bytes content) {
  return message_octets({.opcode = Opcode::write, .stag = stag, .to_bytes = to}, content);
}
inline Octets read_request_octets(std::uint32_t msn, const iwarp::ReadRequestHeader& header) {
  iwarp::test::Wire wire;
  iwarp::TxFramer framer(true, false);
  framer.append_read_request(header, msn, wire.list);
  return wire.octets();
}
inline Octets terminate_octets(TerminateCode code) {
  iwarp::test::Wire wire;
  iwarp::TxFramer framer(true, false);
  framer.append_terminate(iwarp::make_terminate(code), wire.list);
  return wire.octets();
}

/// What came out of the victim until its stream ended.
struct Heard {
  std::optional<TerminateCode> terminate;
  std::vector<Octets> fpdus;  ///< ULPDUs
  bool reset = false;
  bool torn = false;  ///< it ended inside an FPDU
};

/// The raw end of a connection with the victim.
class RawPeer {
 public:
  explicit RawPeer(io::World& world) : world_(world), processor_(world.executor.processor(0)) {}
  ~RawPeer() {
    if (door != nullptr && door->closed_count() == 0) {
      EXPECT_TRUE(door->close());
    }
    if (end != nullptr) {
      EXPECT_TRUE(close(io::ByteStream::CloseKind::abort));
    }
  }

  bool connect(const Address& to) {
    end = io::contract::start_connect_from_any(world_, to, processor_);
    return end != nullptr && end->wait_connected();
  }
  Address listen() {
    door = io::contract::open_door(world_, loopback(), processor_);
    return door->address();
  }
  bool take_connection() {
    end = door->next();
    return end != nullptr;
  }
  /// False: the victim is not there any more, which is for the caller to judge.
  bool send(const Octets& octets) { return end->write_all(octets); }
  bool close(io::ByteStream::CloseKind kind) {
    if (end->is_closed()) return true;
    return end->close(kind);
  }
  /// One MPA frame.
  std::optional<iwarp::MpaFrame> read_frame(iwarp::MpaKind kind) {
    Octets octets = end->read_exactly(iwarp::kMpaHeaderBytes);
    if (octets.size() < iwarp::kMpaHeaderBytes) return std::nullopt;
    const Octets rest = end->read_exactly(std::size_t{octets[18]} << 8 | octets[19]);
    octets.insert(octets.end(), rest.begin(), rest.end());
    const auto frame = iwarp::decode_mpa(octets, kind);
    EXPECT_TRUE(frame.has_value());
    return frame ? std::optional(*frame) : std::nullopt;
  }
  /// One FPDU's ULPDU; empty at the end of the stream.
  Octets read_ulpdu() {
    const Octets length = end->read_exactly(2);
    if (length.size() < 2) return {};
    const std::uint32_t ulpdu_bytes = load_be16(length.data());
    Octets rest = end->read_exactly(iwarp::fpdu_bytes(ulpdu_bytes) - 2);
    if (rest.size() != iwarp::fpdu_bytes(ulpdu_bytes) - 2) return {};
    const std::size_t covered = rest.size() - iwarp::kFpduCrcBytes;
    iwarp::Crc32c crc;
    crc.update(length);
    crc.update(Bytes(rest).first(covered));
    EXPECT_EQ(iwarp::load_crc(rest.data() + covered), crc.value()) << "an FPDU of ours with a bad CRC";
    rest.resize(ulpdu_bytes);
    return rest;
  }
  /// Reads to the end.
  Heard listen_to_the_end(bool first_fpdu) {
    Heard heard;
    for (;;) {
      const Octets length = end->read_exactly(2);
      if (length.size() < 2) {
        heard.torn = length.size() == 1;
        break;
      }
      const std::uint32_t ulpdu_bytes = load_be16(length.data());
      Octets rest = end->read_exactly(iwarp::fpdu_bytes(ulpdu_bytes) - 2);
      if (rest.size() != iwarp::fpdu_bytes(ulpdu_bytes) - 2) {
        heard.torn = true;
        break;
      }
      rest.resize(ulpdu_bytes);
      EXPECT_FALSE(heard.terminate) << "something after a Terminate";
      if (rest.size() >= 18 && (rest[1] & 0x0F) == 7) {
        const auto terminate = iwarp::decode_terminate(Bytes(rest).subspan(18), first_fpdu);
        EXPECT_TRUE(terminate.has_value());
        if (terminate) heard.terminate = terminate->code;
      }
      first_fpdu = false;
      heard.fpdus.push_back(std::move(rest));
    }
    std::uint8_t octet = 0;
    heard.reset = end->read_some({&octet, 1}).status == io::IoResult::Status::failed;
    end->stream->finish_writing();  // a victim that lingers behind its Terminate waits for this
    return heard;
  }

  std::shared_ptr<io::contract::Door> door;
  std::shared_ptr<io::contract::End> end;

 private:
  io::World& world_;
  io::Processor& processor_;
};

/// Timers that a test which is not about them never meets, and an end that does not keep a real clock waiting.
inline Settings patient() {
  Settings settings;
  settings.terminate_timeout_ns = 300 * io::kMillisecond;
  return settings;
}

/// One device of ours, listening, with one passive peer ready to accept, and a raw peer.
struct Scene {
  explicit Scene(io::World& in, const Settings& settings = patient(), const PeerOptions& options = {})
      : world(in), device(make_device(in, settings)), host(in, *device), victim(in, *device, options), raw(in) {
    at = host.listen();
    host.expect(victim);
  }
  ~Scene() {
    host.close();
    victim.close_all();
    EXPECT_EQ(device->counters().active_connections.load(), 0u);
  }
  const rdma::DeviceCounters& counters() { return device->counters(); }

  /// The raw peer connects and the victim accepts; the RTR is still to come.
  bool accept_raw(const Octets& request = request_octets(), rdma::ReadLimits limits = {16, 16}) {
    if (!raw.connect(at) || !raw.send(request) || !host.wait_request()) return false;
    if (victim.start_accept(limits) != CmStatus::pending) return false;
    return raw.read_frame(iwarp::MpaKind::reply).has_value();
  }
  /// Established, the raw peer being the initiator.
  bool establish_raw(rdma::ReadLimits limits = {16, 16}) {
    return accept_raw(request_octets(), limits) && raw.send(rtr_octets()) &&
           victim.wait_established() == CmStatus::success;
  }
  /// Established the other way round: the victim connects, completes, and its RTR has been read.
  bool establish_victim() {
    if (!start_victim(raw.listen())) return false;
    if (!raw.send(reply_octets()) || victim.wait(victim.connect_done) != CmStatus::success) return false;
    if (victim.complete() != CmStatus::success) return false;
    return raw.read_ulpdu().size() == 14;
  }
  /// The victim's Request is read.
  bool start_victim(const Address& to) {
    victim.new_connection();
    victim.connect_done.reset();
    rdma::ConnectParameters parameters;
    parameters.local = to.with_port(0);
    parameters.remote = to;
    parameters.limits = {16, 16};
    if (victim.connection->connect(*victim.qp, parameters) != CmStatus::pending) return false;
    return raw.take_connection() && raw.read_frame(iwarp::MpaKind::request).has_value();
  }

  io::World& world;
  OwnedInterface<Device> device;
  Host host;
  Peer victim;
  RawPeer raw;
  Address at;
};

}  // namespace softndk::rnic::test
