#pragma once
// A consumer of ours whose peer speaks the wire by hand.
#include "rnic/raw_peer.h"
#include "stage.h"

namespace softndk::stack {

using iwarp::TerminateCode;

/// An end of ours, and a raw peer that has connected to it.
struct Visit {
  explicit Visit(Stage& stage, const QpShape& shape = {})
      : door(*stage.adapter), owner(*stage.adapter, shape), inbox(owner.pd.get(), 64), world(stage.world), raw(world) {
    EXPECT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    for (UINT_PTR i = 1; i <= 2; ++i)
      EXPECT_EQ(owner.receive(inbox.all(), i), STATUS_SUCCESS);
    Address at;
    EXPECT_TRUE(parse_address("127.0.0.1", at));
    if (!raw.connect(at.with_port(door.address().port())) || !raw.send(rnic::test::request_octets())) return;
    owner.connector = door.next();
    Request accepting;
    const NTSTATUS accepted = owner.begin_accept(accepting);
    const bool replied = raw.read_frame(iwarp::MpaKind::reply).has_value();
    connected = replied && raw.send(rnic::test::rtr_octets());
    connected = accepting.finish(accepted) == STATUS_SUCCESS && connected;
  }
  ~Visit() { owner.close(); }
  void expect_terminated(TerminateCode answer) {
    const rnic::test::Heard heard = raw.listen_to_the_end(false);
    EXPECT_EQ(heard.terminate, std::optional(answer))
        << std::hex << (heard.terminate ? heard.terminate->packed() : 0xFFFFFF);
    EXPECT_FALSE(heard.torn);
    EXPECT_TRUE(owner.left.wait());
    for (std::uintptr_t i = 1; i <= 2; ++i) {
      const NDK_RESULT_EX got = owner.next();
      EXPECT_EQ(got.Status, STATUS_CANCELLED) << "R-RDMA-02";
      EXPECT_EQ(got.RequestContext, reinterpret_cast<PVOID>(i));
    }
    EXPECT_TRUE(owner.queue.is_empty());
  }
  /// Octets [address, + bytes) as the peer gets them, by a Read of MSN `msn`.
  iwarp::test::Octets fetch(std::uint32_t msn, UINT32 token, UINT64 address, std::uint32_t bytes) {
    iwarp::test::Octets all;
    EXPECT_TRUE(raw.send(rnic::test::read_request_octets(msn, {7, 0, bytes, token, address})));
    for (bool last = false; !last && all.size() <= bytes;) {
      const iwarp::test::Octets ulpdu = raw.read_ulpdu();
      if (ulpdu.size() < 14) break;
      last = (ulpdu[0] & 0x40) != 0;
      all.insert(all.end(), ulpdu.begin() + 14, ulpdu.end());
    }
    return all;
  }
  Door door;
  Side owner;
  Region inbox;
  io::World world;
  rnic::test::RawPeer raw;
  bool connected = false;
};

enum class Op { write, read };

/// The peer's Write to, or Read of, [address, + bytes).
inline bool attack(Visit& visit, Op op, UINT32 token, UINT64 address, std::size_t bytes) {
  return visit.raw.send(
      op == Op::write ? rnic::test::write_octets(token, address, iwarp::test::pattern(bytes, 5))
                      : rnic::test::read_request_octets(1, {7, 0, static_cast<std::uint32_t>(bytes), token, address}));
}

}  // namespace softndk::stack
