#pragma once
// A connection whose passive end lends a window to the active one, which gives it back by a Send.
#include "stage.h"
#include "target.h"

namespace softndk::stack {

constexpr std::size_t kLeaseBytes = 4096;

struct Lease {
  explicit Lease(Stage& stage, std::size_t bytes = kLeaseBytes, const QpShape& shape = {})
      : pair(stage, "127.0.0.1", shape),
        land(pair.passive.pd.get(), bytes),
        inbox(pair.passive.pd.get(), kLeaseBytes),
        desk(pair.active.pd.get(), bytes),
        window(pair.passive.pd.get()) {
    connected = pair.establish();
    EXPECT_TRUE(connected);
    land.memory.fill(3);
    desk.memory.fill(50);
  }
  UINT32 lend() {
    EXPECT_EQ(window.bind_all(owner, land, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(owner.next_status(), STATUS_SUCCESS);
    return window.token();
  }
  NTSTATUS give_back(UINT32 token, std::size_t bytes = 40, ULONG flags = 0) {
    return send_and_invalidate(peer, desk.sge(0, bytes), token, 7, flags);
  }
  NTSTATUS read(UINT32 token, std::size_t bytes = 64) {
    const NTSTATUS posted = peer.read(desk.sge(0, bytes), land.address(), token);
    return posted == STATUS_SUCCESS ? peer.next_status() : posted;
  }
  /// Both consumers learn that the connection broke.
  void expect_broken() {
    EXPECT_TRUE(owner.left.wait());
    EXPECT_TRUE(peer.left.wait());
  }
  Pair pair;
  Side& owner = pair.passive;
  Side& peer = pair.active;
  Region land, inbox, desk;
  MemoryWindow window;
  bool connected = false;
};

inline bool is_done_or_cancelled(NTSTATUS status) {
  return status == STATUS_SUCCESS || status == STATUS_CANCELLED;
}

}  // namespace softndk::stack
