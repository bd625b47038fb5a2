// Who may get at which memory (issue: access control at the sink): each kind of target, one octet inside and outside
// each bound, and all that can be wrong with a token. The peer is raw, so that the Terminate is seen on the wire.
#include <algorithm>

#include "raw_visit.h"
#include "target.h"

namespace softndk::stack {
namespace {

namespace code = iwarp::terminate_code;
using iwarp::TerminateCode;

constexpr std::size_t kBytes = 3 * PAGE_SIZE;

TEST(R_RDMA_01, OneOctetInsideEachBoundIsReachedAndNoOther) {
  struct Inside {
    std::size_t offset, bytes;
  };
  const Inside inside[] = {{0, 1}, {kBytes - 1, 1}, {1, 1}, {0, kBytes}, {PAGE_SIZE - 1, 2}, {kBytes, 0}, {0, 0}};
  for (const Kind kind : {Kind::region, Kind::window, Kind::fast}) {
    SCOPED_TRACE(name_of(kind));
    everywhere(
        [&](Stage& stage) {
          Visit visit(stage);
          ASSERT_TRUE(visit.connected);
          Target target(visit.owner, kind, kBytes);
          std::uint32_t msn = 0;
          for (const Inside& at : inside) {
            SCOPED_TRACE(std::to_string(at.bytes) + " at " + std::to_string(at.offset));
            const auto content = iwarp::test::pattern(at.bytes, 5);
            ASSERT_TRUE(attack(visit, Op::write, target.token, target.address() + at.offset, at.bytes));
            EXPECT_EQ(
                visit.fetch(++msn, target.token, target.address() + at.offset, static_cast<std::uint32_t>(at.bytes)),
                content);
            target.expect_untouched_but(at.offset, at.offset + at.bytes);
            EXPECT_TRUE(std::equal(content.begin(), content.end(), target.data() + at.offset));
            target.note();
          }
        },
        {}, 3);
  }
}

/// What is wrong with an access.
enum class Wrong {
  before,
  before_and_in,
  behind,
  in_and_behind,
  one_too_long,
  far,
  wraps,
  wraps_to_it,
  rights,
  domain,
  unknown,
  key,
  zero,
  closed,
  stale,
  renewed,
};
constexpr Wrong kWrongs[] = {Wrong::before,       Wrong::before_and_in, Wrong::behind,  Wrong::in_and_behind,
                             Wrong::one_too_long, Wrong::far,           Wrong::wraps,   Wrong::wraps_to_it,
                             Wrong::rights,       Wrong::domain,        Wrong::unknown, Wrong::key,
                             Wrong::zero,         Wrong::closed,        Wrong::stale,   Wrong::renewed};

TerminateCode answer_to(Kind kind, Op op, Wrong wrong) {
  const bool write = op == Op::write;
  if (kind == Kind::privileged) return write ? code::kTaggedInvalidStag : code::kReadInvalidStag;  // R-PTK-01
  switch (wrong) {
    case Wrong::before:
    case Wrong::before_and_in:
    case Wrong::behind:
    case Wrong::in_and_behind:
    case Wrong::one_too_long:
    case Wrong::far:
      return write ? code::kTaggedBaseOrBounds : code::kReadBaseOrBounds;
    case Wrong::wraps:
    case Wrong::wraps_to_it:
      return write ? code::kTaggedToWrap : code::kReadToWrap;
    case Wrong::rights:
      return write ? code::kTaggedInvalidStag : code::kReadAccessRights;
    case Wrong::domain:
      return write ? code::kTaggedStagNotAssociated : code::kReadStagNotAssociated;
    case Wrong::renewed:
      // Only a fast-register region's token outlives its validity; the address is another.
      if (kind == Kind::fast) return write ? code::kTaggedBaseOrBounds : code::kReadBaseOrBounds;
      break;
    case Wrong::unknown:
    case Wrong::key:
    case Wrong::zero:
    case Wrong::closed:
    case Wrong::stale:
      break;
  }
  return write ? code::kTaggedInvalidStag : code::kReadInvalidStag;
}

struct Reach {
  UINT32 token;
  UINT64 address;
  std::size_t bytes = 16;
};
/// Makes `target` what it has to be, and says what to ask of it.
Reach reach_for(Target& target, Wrong wrong) {
  Reach reach{target.token, target.address()};
  switch (wrong) {
    case Wrong::before:
      reach.address -= 1;
      reach.bytes = 1;
      break;
    case Wrong::before_and_in:
      reach.address -= 1;
      reach.bytes = 2;
      break;
    case Wrong::behind:
      reach.address += target.bytes;
      reach.bytes = 1;
      break;
    case Wrong::in_and_behind:
      reach.address += target.bytes - 1;
      reach.bytes = 2;
      break;
    case Wrong::one_too_long:
      reach.bytes = target.bytes + 1;
      break;
    case Wrong::far:
      reach.address ^= UINT64{1} << 63;
      break;
    case Wrong::wraps:
      reach.address = UINT64_MAX - 7;
      break;
    case Wrong::wraps_to_it:
      // Round the whole of the address space: its last octet would be inside.
      reach.address = UINT64_MAX;
      reach.bytes = 2;
      break;
    case Wrong::unknown:
      reach.token ^= 0x5A5A00;
      break;
    case Wrong::key:
      reach.token ^= 0x80;
      break;
    case Wrong::zero:
      reach.token = 0;
      break;
    case Wrong::closed:
      target.close();
      break;
    case Wrong::stale:
      EXPECT_EQ(target.invalidate(), STATUS_SUCCESS);
      break;
    case Wrong::renewed:
      target.renew();
      break;
    case Wrong::rights:
    case Wrong::domain:
      break;
  }
  return reach;
}

bool makes_sense(Kind kind, Wrong wrong) {
  if (kind != Kind::privileged) return true;
  return wrong == Wrong::far || wrong == Wrong::rights || wrong == Wrong::domain || wrong == Wrong::stale;
}

Rights rights_without(Op op, Wrong wrong) {
  if (wrong != Wrong::rights) return {};
  return op == Op::write ? Rights{true, false} : Rights{false, true};
}

void for_each_wrong(const std::function<void(Kind, Op, Wrong)>& body) {
  for (const Kind kind : {Kind::region, Kind::window, Kind::fast, Kind::privileged}) {
    for (const Op op : {Op::write, Op::read}) {
      for (const Wrong wrong : kWrongs) {
        SCOPED_TRACE(std::string(op == Op::write ? "Write, " : "Read, ") + name_of(kind) + ", case " +
                     std::to_string(static_cast<int>(wrong)));
        if (makes_sense(kind, wrong)) body(kind, op, wrong);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(R_RDMA_02, EveryOtherAccessHasItsTerminateAndChangesNothing) {
  const auto body = [](Stage& stage) {
    for_each_wrong([&](Kind kind, Op op, Wrong wrong) {
      Visit visit(stage);
      ASSERT_TRUE(visit.connected);
      std::optional<Pair> strangers;
      if (wrong == Wrong::domain) {
        strangers.emplace(stage);
        ASSERT_TRUE(strangers->establish());
      }
      Target target(strangers ? strangers->passive : visit.owner, kind, kBytes, rights_without(op, wrong));
      const Reach reach = reach_for(target, wrong);
      ASSERT_TRUE(attack(visit, op, reach.token, reach.address, reach.bytes));
      visit.expect_terminated(answer_to(kind, op, wrong));
      target.expect_untouched_but();
    });
  };
  everywhere(body, {}, 2);
}

// The same between two consumers: what each of them is told.
TEST(R_RDMA_03, WhatBothConsumersAreToldOfAnAccessThatIsRefused) {
  const auto body = [](Stage& stage) {
    for_each_wrong([&](Kind kind, Op op, Wrong wrong) {
      Pair pair(stage);
      ASSERT_TRUE(pair.establish());
      std::optional<Pair> strangers;
      if (wrong == Wrong::domain) {
        strangers.emplace(stage);
        ASSERT_TRUE(strangers->establish());
      }
      Region inbox(pair.passive.pd.get(), 64);
      ASSERT_EQ(pair.passive.receive(inbox.all(), 31), STATUS_SUCCESS);
      Target target(strangers ? strangers->passive : pair.passive, kind, kBytes, rights_without(op, wrong));
      const Reach reach = reach_for(target, wrong);
      Target desk(pair.active, Kind::region, reach.bytes);
      const NDK_SGE sge = desk.sge(0, reach.bytes);
      ASSERT_EQ(op == Op::write ? pair.active.write(sge, reach.address, reach.token, 21)
                                : pair.active.read(sge, reach.address, reach.token, 21),
                STATUS_SUCCESS);
      ASSERT_EQ(pair.active.receive(sge, 22), STATUS_SUCCESS);
      const TerminateCode answer = answer_to(kind, op, wrong);
      for (int i = 0; i < 2; ++i) {
        const NDK_RESULT_EX result = pair.active.next();
        if (result.RequestContext == reinterpret_cast<PVOID>(22)) {
          EXPECT_EQ(result.Status, STATUS_CANCELLED) << "R-WR-22";
        } else if (op == Op::write) {
          EXPECT_TRUE(result.Status == STATUS_SUCCESS || result.Status == STATUS_CANCELLED) << "spec 3.17";
        } else {
          const bool range = answer == code::kReadBaseOrBounds || answer == code::kReadToWrap;
          EXPECT_EQ(result.Status, range ? STATUS_REMOTE_RESOURCES : STATUS_ACCESS_VIOLATION);
          EXPECT_EQ(result.ProviderErrorCode, answer.packed()) << "R-CQ-21: as the Terminate says";
        }
      }
      EXPECT_TRUE(pair.active.left.wait());
      EXPECT_TRUE(pair.passive.left.wait());
      const NDK_RESULT_EX got = pair.passive.next();
      EXPECT_EQ(got.Status, STATUS_CANCELLED);
      EXPECT_EQ(got.RequestContext, reinterpret_cast<PVOID>(31));
      EXPECT_TRUE(pair.passive.queue.is_empty());
      target.expect_untouched_but();
      desk.expect_untouched_but();
    });
  };
  everywhere(body, {}, 2);
}

// ---- a message whose begin is inside

TEST(R_RDMA_02, OfAWriteThatRunsOutOfItsTargetNothingIsPlacedBehindTheEnd) {
  for (const Kind kind : {Kind::region, Kind::window, Kind::fast}) {
    SCOPED_TRACE(name_of(kind));
    everywhere(
        [kind](Stage& stage) {
          Visit visit(stage);
          ASSERT_TRUE(visit.connected);
          Target target(visit.owner, kind, kBytes);
          const std::size_t offset = kBytes - 2500;
          const auto content = iwarp::test::pattern(2501, 5);
          ASSERT_TRUE(visit.raw.send(iwarp::test::message_octets(
              {.opcode = iwarp::Opcode::write, .stag = target.token, .to_bytes = target.address() + offset}, content,
              1014)));
          visit.expect_terminated(code::kTaggedBaseOrBounds);
          // Its third segment is the one that is refused, whole.
          target.expect_untouched_but(offset, offset + 2000);
          EXPECT_EQ(std::memcmp(target.data() + offset, content.data(), 2000), 0);
        },
        {}, 3);
  }
}

// ---- memory that goes while it is being used

constexpr std::size_t kLarge = 600'000;
enum class End { invalidate, close, by_peer };

bool is_possible(Kind kind, End end) {
  return kind != Kind::region || end != End::by_peer;
}

/// The peer writes all of the target, over and over, until it is told to stop or cannot.
struct Flood {
  Flood(Stage& stage, Kind kind) : pair(stage, "127.0.0.1", shape()), connected(pair.establish()) {
    EXPECT_TRUE(connected);
    target.emplace(pair.passive, kind, kLarge);
    desk.emplace(pair.active.pd.get(), kLarge);
    inbox.emplace(pair.passive.pd.get(), 64);
    desk->memory.fill(99);
  }
  static QpShape shape() { return {.receive_depth = 32, .initiator_depth = 8}; }
  /// Ends the access by the holder, or by the peer's own word.
  void end(End how) {
    switch (how) {
      case End::invalidate:
        EXPECT_TRUE(is_over(target->invalidate()));
        return;
      case End::close:
        target->close();
        return;
      case End::by_peer:
        for (;;) {
          const NDK_RESULT_EX got = pair.passive.next();
          if (got.RequestContext != reinterpret_cast<PVOID>(31)) continue;
          EXPECT_EQ(got.Status, STATUS_SUCCESS);
          EXPECT_EQ(got.TypeSpecificCompletionOutput, target->token);
          return;
        }
    }
  }
  static bool is_over(NTSTATUS status) { return status == STATUS_SUCCESS || status == STATUS_CONNECTION_INVALID; }
  Pair pair;
  bool connected;
  std::optional<Target> target;
  std::optional<Region> desk, inbox;
};

TEST(R_MR_13, NothingIsPlacedAfterTheMemoryIsTheConsumersAgain) {
  for (const Kind kind : {Kind::region, Kind::window, Kind::fast}) {
    for (const End end : {End::invalidate, End::close, End::by_peer}) {
      if (!is_possible(kind, end)) continue;
      SCOPED_TRACE(std::string(name_of(kind)) + ", end " + std::to_string(static_cast<int>(end)));
      unsigned round = 0;
      everywhere(
          [&](Stage& stage) {
            Flood flood(stage, kind);
            ASSERT_TRUE(flood.connected);
            ASSERT_EQ(flood.pair.passive.receive(flood.inbox->all(), 31), STATUS_SUCCESS);
            DriverThread writer([&] {
              Side& side = flood.pair.active;
              unsigned posted = 0;
              for (unsigned i = 0;; ++i) {  // until the connection breaks of it
                const NTSTATUS status =
                    end == End::by_peer && i == 4
                        ? send_and_invalidate(side, flood.desk->sge(0, 8), flood.target->token)
                        : side.write(flood.desk->all(), flood.target->address(), flood.target->token, i);
                if (status == STATUS_CONNECTION_INVALID) break;
                if (status == STATUS_INSUFFICIENT_RESOURCES) {
                  const NTSTATUS done = side.next_status();
                  EXPECT_TRUE(done == STATUS_SUCCESS || done == STATUS_CANCELLED);
                  --posted;
                  --i;
                  continue;
                }
                EXPECT_EQ(status, STATUS_SUCCESS);
                ++posted;
              }
              while (posted-- != 0) {
                const NTSTATUS done = side.next_status();
                EXPECT_TRUE(done == STATUS_SUCCESS || done == STATUS_CANCELLED) << std::hex << unsigned(done);
              }
            });
            LARGE_INTEGER due;
            due.QuadPart = -1000ll * (round++ % 40);
            if (end != End::by_peer) KeDelayExecutionThread(KernelMode, FALSE, &due);
            flood.end(end);
            // Ours alone from here on.
            std::memset(flood.target->data(), 0xA5, kLarge);
            std::vector<std::uint8_t> kept(kLarge, 0xA5);
            writer.join();
            EXPECT_TRUE(flood.pair.active.left.wait());
            EXPECT_TRUE(flood.pair.passive.left.wait());
            EXPECT_EQ(std::memcmp(flood.target->data(), kept.data(), kLarge), 0);
            flood.target->expect_untouched_but(0, kLarge);
          },
          {}, 40);
    }
  }
}

TEST(R_MR_13, NothingIsSentAfterTheMemoryIsTheConsumersAgain) {
  for (const Kind kind : {Kind::region, Kind::window, Kind::fast}) {
    for (const End end : {End::invalidate, End::close}) {
      SCOPED_TRACE(std::string(name_of(kind)) + ", end " + std::to_string(static_cast<int>(end)));
      unsigned round = 0;
      everywhere(
          [&](Stage& stage) {
            Flood flood(stage, kind);
            ASSERT_TRUE(flood.connected);
            std::vector<std::uint8_t> before(flood.target->data(), flood.target->data() + kLarge);
            Side& side = flood.pair.active;
            ASSERT_EQ(side.read(flood.desk->all(), flood.target->address(), flood.target->token), STATUS_SUCCESS);
            LARGE_INTEGER due;
            due.QuadPart = -500ll * (round++ % 40);
            KeDelayExecutionThread(KernelMode, FALSE, &due);
            flood.end(end);
            std::memset(flood.target->data(), 0xA5, kLarge);
            const NDK_RESULT_EX result = side.next();
            if (result.Status == STATUS_SUCCESS) {
              EXPECT_EQ(std::memcmp(flood.desk->memory.data, before.data(), kLarge), 0);
            } else {
              EXPECT_EQ(result.Status, STATUS_ACCESS_VIOLATION);
              EXPECT_EQ(result.ProviderErrorCode, code::kReadInvalidStag.packed());
            }
            flood.target->expect_untouched_but(0, kLarge);
          },
          {}, 40);
    }
  }
}

}  // namespace
}  // namespace softndk::stack
