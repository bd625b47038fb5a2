// The Terminate that a peer earns for a token that gives it nothing: the privileged one, that of a mapping's row, and
// what its owner has invalidated (spec/ndkpi.md R-PTK-01, R-LAM-12, R-INV). The peer is raw, so that the code is seen.
#include "raw_visit.h"
#include "target.h"

namespace softndk::stack {
namespace {

namespace code = iwarp::terminate_code;

constexpr std::size_t kBytes = 3 * PAGE_SIZE;

/// What a peer does with a token; the third takes it away.
enum class Use { write, read, invalidate };
constexpr Use kUses[] = {Use::write, Use::read, Use::invalidate};

bool use(Visit& visit, Use how, UINT32 token, UINT64 address) {
  if (how == Use::write) return attack(visit, Op::write, token, address, 16);
  if (how == Use::read) return attack(visit, Op::read, token, address, 16);
  return visit.raw.send(rnic::test::send_octets(1, iwarp::test::pattern(16, 5), iwarp::Opcode::send_invalidate, token));
}

/// RFC 5041, 4.1 and RFC 5040, 4.8: a tagged buffer's STag is DDP's affair, a Read's and an invalidation's RDMAP's.
TerminateCode answer_to(Use how) {
  switch (how) {
    case Use::write:
      return code::kTaggedInvalidStag;
    case Use::read:
      return code::kReadInvalidStag;
    case Use::invalidate:
      return code::kInvalidateUnknownStag;
  }
  return {};
}

TEST(R_PTK_01, APeerThatNamesTheTokenOrAMappingsRowIsTerminatedAsForAnInvalidOne) {
  enum class By { token, row };
  for (const By by : {By::token, By::row}) {
    for (const Use how : kUses) {
      everywhere(
          [&](Stage& stage) {
            SCOPED_TRACE(std::to_string(static_cast<int>(by)) + ", " + std::to_string(static_cast<int>(how)));
            Visit visit(stage);
            ASSERT_TRUE(visit.connected);
            Target target(visit.owner, Kind::privileged, kBytes);
            const UINT32 row = static_cast<UINT32>(target.address() >> 32);  // what a logical address is made of
            ASSERT_TRUE(use(visit, how, by == By::token ? target.token : row, target.address()));
            visit.expect_terminated(answer_to(how));
            target.expect_untouched_but();
          },
          {}, 2);
    }
  }
}

TEST(R_INV_01, WhatItsOwnerHasInvalidatedIsAnInvalidTokenForThePeer) {
  for (const Kind kind : {Kind::window, Kind::fast}) {
    for (const Use how : kUses) {
      everywhere(
          [&](Stage& stage) {
            SCOPED_TRACE(std::string(name_of(kind)) + ", " + std::to_string(static_cast<int>(how)));
            Visit visit(stage);
            ASSERT_TRUE(visit.connected);
            Target target(visit.owner, kind, kBytes);
            EXPECT_EQ(visit.fetch(1, target.token, target.address(), 16).size(), 16u) << "it is valid before";
            ASSERT_EQ(target.invalidate(), STATUS_SUCCESS);
            if (how == Use::read) {
              ASSERT_TRUE(
                  visit.raw.send(rnic::test::read_request_octets(2, {7, 0, 16, target.token, target.address()})));
            } else {
              ASSERT_TRUE(use(visit, how, target.token, target.address()));
            }
            visit.expect_terminated(answer_to(how));
            target.expect_untouched_but();
          },
          {}, 2);
    }
  }
}

TEST(R_INV_03, APeerIsToldThatOurSideIsBrokenByItsOwnMistake) {
  for (const Kind kind : {Kind::window, Kind::fast}) {
    everywhere(
        [&](Stage& stage) {
          SCOPED_TRACE(name_of(kind));
          Visit visit(stage);
          ASSERT_TRUE(visit.connected);
          Target target(visit.owner, kind, kBytes);
          ASSERT_EQ(target.invalidate(), STATUS_SUCCESS);
          EXPECT_EQ(target.invalidate(), STATUS_INVALID_DEVICE_REQUEST);
          const rnic::test::Heard heard = visit.raw.listen_to_the_end(false);
          EXPECT_EQ(heard.terminate, std::optional(code::kRdmapLocalCatastrophic));
          EXPECT_TRUE(visit.owner.left.wait());
        },
        {}, 2);
  }
}

TEST(R_INV_04, AnAccessThatIsLateIsTerminatedAndPlacesNothing) {
  for (const Kind kind : {Kind::window, Kind::fast}) {
    everywhere(
        [&](Stage& stage) {
          SCOPED_TRACE(name_of(kind));
          Visit visit(stage);
          ASSERT_TRUE(visit.connected);
          Target target(visit.owner, kind, kBytes);
          // Writes in a row, and the invalidation somewhere between: those that came in time are there whole.
          for (int i = 0; i < 4; ++i)
            ASSERT_TRUE(attack(visit, Op::write, target.token, target.address() + 16 * i, 16));
          ASSERT_EQ(target.invalidate(), STATUS_SUCCESS);
          target.note();
          ASSERT_TRUE(attack(visit, Op::write, target.token, target.address() + 1000, 16));
          visit.expect_terminated(code::kTaggedInvalidStag);
          target.expect_untouched_but();
        },
        {}, 4);
  }
}

}  // namespace
}  // namespace softndk::stack
