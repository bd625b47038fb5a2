// Peers that send with Invalidate what they should not, or at the worst of times (spec/iwarp.md 4.5, spec/ndkpi.md
// 3.14). The victim lends a window.
#include "base/interleave.h"
#include "lent_window.h"

namespace softndk::rnic::test {
namespace {

namespace code = iwarp::terminate_code;

constexpr std::uint64_t kBase = 0x100000;

/// The raw peer holds the token of a window over a region of the victim's.
struct Loan {
  explicit Loan(io::World& in, std::size_t bytes = 4096, const Settings& settings = patient())
      : world(in),
        scene(in, settings),
        land(*scene.victim.pd, bytes, kAllRights, kBase),
        inbox(*scene.victim.pd, 256, kAllRights, 0x9000),
        lent(in, scene.victim) {
    land.fill(9);
    established = scene.establish_raw();
    EXPECT_TRUE(established);
    if (established) token = lent.bind(land, bytes);
  }
  /// Posts that the connection ended unasked, with `answer` to the peer.
  void expect_broken(TerminateCode answer) {
    const Heard heard = scene.raw.listen_to_the_end(true);
    EXPECT_EQ(heard.terminate, std::optional(answer))
        << std::hex << (heard.terminate ? heard.terminate->packed() : 0xFFFFFF);
    EXPECT_TRUE(scene.victim.wait_peer_disconnect());
    EXPECT_FALSE(scene.victim.was_graceful);
  }
  void expect_invalidated(std::uint32_t bytes, rdma::Token what) {
    const auto got = scene.victim.wait_completion();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->status, WorkStatus::success);
    EXPECT_EQ(got->operation, Operation::receive_invalidate);
    EXPECT_EQ(got->bytes, bytes);
    EXPECT_EQ(got->invalidated_token, what);
  }
  io::World& world;
  Scene scene;
  Buffer land, inbox;
  Lent lent;
  bool established = false;
  rdma::Token token = 0;
};

Octets invalidate_octets(std::uint32_t msn, std::uint32_t stag, std::size_t bytes = 20, bool solicited = false) {
  return send_octets(msn, pattern(bytes, msn), iwarp::send_opcode(solicited, true), stag);
}
/// One FPDU of a message in parts.
Octets part_octets(std::uint32_t msn, std::uint32_t stag, std::uint32_t offset, std::size_t bytes, bool last) {
  Octets ulpdu = iwarp::test::ulpdu_of(invalidate_octets(msn, stag, bytes));
  if (!last) ulpdu[0] &= 0xBF;
  store_be32(ulpdu.data() + 14, offset);
  return iwarp::test::fpdu_of(ulpdu);
}

struct BadInvalidate {
  const char* name;
  TerminateCode answer;
  /// What the peer names, of: its token, the region's, that of a window of another domain, that of a region of another
  /// domain.
  std::uint32_t (*stag)(rdma::Token own, rdma::Token region, rdma::Token foreign, rdma::Token foreign_region);
  std::size_t bytes = 20;
};

const BadInvalidate kBadInvalidates[] = {
    {"unknown", code::kInvalidateUnknownStag,
     [](rdma::Token own, rdma::Token, rdma::Token, rdma::Token) { return own ^ 0x5500; }},
    {"STag 0", code::kInvalidateUnknownStag, [](rdma::Token, rdma::Token, rdma::Token, rdma::Token) { return 0u; }},
    {"all ones", code::kInvalidateUnknownStag,
     [](rdma::Token, rdma::Token, rdma::Token, rdma::Token) { return 0xFFFFFFFFu; }},
    {"index 0 with a key", code::kInvalidateUnknownStag,
     [](rdma::Token own, rdma::Token, rdma::Token, rdma::Token) { return own & 0xFF; }},
    {"another key", code::kInvalidateUnknownStag,
     [](rdma::Token own, rdma::Token, rdma::Token, rdma::Token) { return own ^ 1; }},
    {"a region", code::kInvalidateForeignStag,
     [](rdma::Token, rdma::Token region, rdma::Token, rdma::Token) { return region; }},
    {"a window of another domain", code::kInvalidateForeignStag,
     [](rdma::Token, rdma::Token, rdma::Token foreign, rdma::Token) { return foreign; }},
    {"a region of another domain", code::kInvalidateForeignStag,
     [](rdma::Token, rdma::Token, rdma::Token, rdma::Token foreign_region) { return foreign_region; }},
    {"unknown, without a payload", code::kInvalidateUnknownStag,
     [](rdma::Token own, rdma::Token, rdma::Token, rdma::Token) { return own ^ 0x5500; }, 0},
};

TEST(R_SINV_02, WhatCannotBeInvalidatedHasItsTerminate) {
  for (const BadInvalidate& bad : kBadInvalidates) {
    SCOPED_TRACE(bad.name);
    in_every_world(
        [&bad](io::World& world) {
          Loan loan(world);
          ASSERT_TRUE(loan.established);
          Peer stranger(world, *loan.scene.device);
          Peer companion(world, *loan.scene.device);
          Host host(world, *loan.scene.device);
          establish(host, companion, stranger, host.listen());
          Buffer elsewhere(*stranger.pd, 4096, kAllRights, kBase);
          Lent foreign(world, stranger);
          const rdma::Token foreign_token = foreign.bind(elsewhere, 4096);
          const auto before = loan.land.content();
          ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
          ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 64, 64, 2));
          const std::uint32_t stag =
              bad.stag(loan.token, loan.land.region->remote_token(), foreign_token, elsewhere.region->remote_token());
          // Nothing behind it counts: neither a Write that would be right, nor a Send.
          ASSERT_TRUE(loan.scene.raw.send(
              concat({invalidate_octets(1, stag, bad.bytes), write_octets(loan.token, kBase, pattern(100)),
                      invalidate_octets(2, loan.token)})));
          loan.expect_broken(bad.answer);
          for (std::uintptr_t i = 1; i <= 2; ++i) {
            const auto got = loan.scene.victim.wait_completion();
            ASSERT_TRUE(got);
            EXPECT_EQ(got->status, WorkStatus::cancelled) << "R-SINV-04";
            EXPECT_EQ(got->operation, Operation::receive);
            EXPECT_EQ(got->request_context, reinterpret_cast<void*>(i));
            EXPECT_EQ(got->bytes, 0u);
          }
          EXPECT_EQ(loan.land.content(), before);
          EXPECT_TRUE(loan.lent.is_bound());
          EXPECT_TRUE(foreign.is_bound());
          host.close();
          companion.close_all();
          stranger.close_all();
        },
        3);
  }
}

TEST(R_SINV_02, ASecondInvalidationOfTheSameTokenIsOfAnUnknownOne) {
  in_every_world([](io::World& world) {
    Loan loan(world);
    ASSERT_TRUE(loan.established);
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 64, 64, 2));
    ASSERT_TRUE(loan.scene.raw.send(concat({invalidate_octets(1, loan.token), invalidate_octets(2, loan.token)})));
    loan.expect_invalidated(20, loan.token);
    EXPECT_EQ(loan.scene.victim.wait_status(), WorkStatus::cancelled);
    loan.expect_broken(code::kInvalidateUnknownStag);
    EXPECT_FALSE(loan.lent.is_bound());
  });
}

TEST(R_SINV_02, TheTokenOfABindWhoseTurnHasNotComeIsUnknown) {
  in_every_world([](io::World& world) {
    Loan loan(world);
    ASSERT_TRUE(loan.established);
    // Rotated, and still bound as before: the new token is known to the consumer, and to who guesses it.
    loan.lent.post(Operation::invalidate, nullptr, 0, {.defer = true});
    loan.lent.post(Operation::bind, &loan.land, 4096, {.defer = true});
    const rdma::Token next = loan.lent.window->remote_token();
    ASSERT_NE(next, loan.token);
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
    ASSERT_TRUE(loan.scene.raw.send(invalidate_octets(1, next)));
    loan.expect_broken(code::kInvalidateUnknownStag);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(loan.scene.victim.wait_status(), WorkStatus::cancelled);
  });
}

TEST(R_SINV_01, WhatFollowsThroughTheTokenIsRefused) {
  struct Behind {
    Octets (*octets)(std::uint32_t stag);
    TerminateCode answer;
  };
  const Behind behind[] = {
      {[](std::uint32_t stag) { return write_octets(stag, kBase, pattern(100)); }, code::kTaggedInvalidStag},
      {[](std::uint32_t stag) {
         return read_request_octets(1, {7, 0, 20, stag, kBase});
       },
       code::kReadInvalidStag},
  };
  for (const Behind& one : behind) {
    in_every_world([&one](io::World& world) {
      Loan loan(world);
      ASSERT_TRUE(loan.established);
      const auto before = loan.land.content();
      ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
      ASSERT_TRUE(loan.scene.raw.send(concat({invalidate_octets(1, loan.token, 0), one.octets(loan.token)})));
      loan.expect_invalidated(0, loan.token);
      loan.expect_broken(one.answer);
      EXPECT_EQ(loan.land.content(), before);
    });
  }
}

TEST(R_SINV_01, OfSegmentsThatDisagreeTheLastOneCounts) {
  in_every_world([](io::World& world) {
    Loan loan(world);
    ASSERT_TRUE(loan.established);
    Buffer other_land(*loan.scene.victim.pd, 4096, kAllRights, 2 * kBase);
    Lent other(world, loan.scene.victim);
    const rdma::Token other_token = other.bind(other_land, 4096);
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
    ASSERT_TRUE(loan.scene.raw.send(concat({part_octets(1, other_token, 0, 8, false), part_octets(1, 0, 8, 8, false),
                                            part_octets(1, loan.token, 16, 4, true)})));
    loan.expect_invalidated(20, loan.token);
    EXPECT_FALSE(loan.lent.is_bound());
    EXPECT_TRUE(other.is_bound());
    const Octets content = pattern(50);
    ASSERT_TRUE(loan.scene.raw.send(concat(
        {write_octets(other_token, 2 * kBase, content), read_request_octets(1, {7, 0, 1, other_token, 2 * kBase})})));
    EXPECT_EQ(loan.scene.raw.read_ulpdu().size(), 15u) << "that one still works";
    auto written = other_land.content();
    written.resize(50);
    EXPECT_EQ(written, content);
    loan.scene.victim.close_connection();
  });
}

TEST(R_SINV_01, ASegmentOfAnotherKindInsideTheMessageEndsIt) {
  in_every_world([](io::World& world) {
    Loan loan(world);
    ASSERT_TRUE(loan.established);
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
    Octets plain = iwarp::test::ulpdu_of(send_octets(1, pattern(8)));
    plain[17] = 8;
    ASSERT_TRUE(loan.scene.raw.send(concat(
        {part_octets(1, loan.token, 0, 8, false), iwarp::test::fpdu_of(plain), invalidate_octets(2, loan.token)})));
    loan.expect_broken(code::kUnexpectedOpcode);
    EXPECT_EQ(loan.scene.victim.wait_status(), WorkStatus::cancelled);
    EXPECT_TRUE(loan.lent.is_bound()) << "the message never came whole";
  });
}

TEST(R_SEND_02, ASendWithInvalidateThatIsTooLongInvalidatesNothing) {
  for (const bool parked : {false, true}) {
    SCOPED_TRACE(parked ? "before its receive" : "after its receive");
    in_every_world([parked](io::World& world) {
      Loan loan(world);
      ASSERT_TRUE(loan.established);
      if (!parked) {
        ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
      }
      ASSERT_TRUE(loan.scene.raw.send(invalidate_octets(1, loan.token, 65)));
      if (parked) {
        ASSERT_TRUE(loan.scene.raw.send(read_request_octets(1, {7, 0, 1, loan.token, kBase})));
        EXPECT_EQ(loan.scene.raw.read_ulpdu().size(), 15u);
        ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
      }
      const auto got = loan.scene.victim.wait_completion();
      ASSERT_TRUE(got);
      EXPECT_EQ(got->status, WorkStatus::receive_too_small);
      EXPECT_EQ(got->operation, Operation::receive);
      EXPECT_EQ(got->invalidated_token, 0u);
      loan.expect_broken(code::kUntaggedTooLong);
      EXPECT_TRUE(loan.lent.is_bound());
    });
  }
}

TEST(R_CNCT_20, AParkedSendInvalidatesWhenItIsDelivered) {
  in_every_world([](io::World& world) {
    Loan loan(world);
    ASSERT_TRUE(loan.established);
    ASSERT_TRUE(loan.scene.raw.send(concat({part_octets(1, 0, 0, 8, false), part_octets(1, loan.token, 8, 8, true),
                                            send_octets(2, pattern(3)), write_octets(loan.token, kBase, pattern(100)),
                                            read_request_octets(1, {7, 0, 100, loan.token, kBase})})));
    EXPECT_EQ(loan.scene.raw.read_ulpdu().size(), 114u) << "nobody was told yet: the token works";
    EXPECT_TRUE(loan.lent.is_bound());
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 64, 64, 2));
    loan.expect_invalidated(16, loan.token);
    EXPECT_FALSE(loan.lent.is_bound());
    EXPECT_EQ(loan.scene.victim.wait_status(), WorkStatus::success);
    ASSERT_TRUE(loan.scene.raw.send(write_octets(loan.token, kBase, pattern(100))));
    loan.expect_broken(code::kTaggedInvalidStag);
  });
}

TEST(R_CNCT_20, AParkedSendThatCannotInvalidateBreaksTheConnectionWhenItIsDelivered) {
  in_every_world([](io::World& world) {
    Loan loan(world);
    ASSERT_TRUE(loan.established);
    ASSERT_TRUE(loan.scene.raw.send(concat({invalidate_octets(1, 0x777), send_octets(2, pattern(3)),
                                            read_request_octets(1, {7, 0, 1, loan.token, kBase})})));
    EXPECT_EQ(loan.scene.raw.read_ulpdu().size(), 15u);
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 0, 64, 1));
    ASSERT_TRUE(loan.scene.victim.receive(loan.inbox, 64, 64, 2));
    EXPECT_EQ(loan.scene.victim.wait_status(), WorkStatus::cancelled);
    EXPECT_EQ(loan.scene.victim.wait_status(), WorkStatus::cancelled);
    loan.expect_broken(code::kInvalidateUnknownStag);
  });
}

/// Posts two receives at the n-th point at which another thread may come between, or when told to.
class Intruder {
 public:
  Intruder(Scene& scene, const Buffer& inbox, int nth) : scene_(scene), inbox_(inbox), left_(nth) { current_ = this; }
  ~Intruder() { current_ = nullptr; }
  static void hook(void*, bool) noexcept {
    Intruder* self = current_.load();
    if (self != nullptr && self->left_.fetch_sub(1) == 1) self->post();
  }
  void post() noexcept {
    if (posted_.exchange(true)) return;
    for (std::uintptr_t i = 1; i <= 2; ++i)
      EXPECT_TRUE(scene_.victim.receive(inbox_, 64 * i, 64, i));
  }

 private:
  static std::atomic<Intruder*> current_;
  Scene& scene_;
  const Buffer& inbox_;
  std::atomic<int> left_;
  std::atomic<bool> posted_{false};
};
std::atomic<Intruder*> Intruder::current_{nullptr};

// A receive that is posted in the very moment makes a parked Send fail inside the stream, with octets behind it at
// hand: those were taken for good, and delivered.
TEST(R_WR_21, NothingBehindAParkedSendThatFailedIsDelivered) {
  for (const bool by_token : {true, false}) {
    SCOPED_TRACE(by_token ? "its token" : "its length");
    for (int nth = 1; nth <= 24; ++nth) {
      SCOPED_TRACE(nth);
      set_interleave_hook(&Intruder::hook, nullptr);
      {
        auto owned = net::World::create();
        ASSERT_TRUE(owned);
        io::World world = (*owned)->view();
        Scene scene(world);
        Buffer inbox(*scene.victim.pd, 256, kAllRights, 0x9000);
        // No ready-to-receive message: the bad Send is the first FPDU, which has such points in its midst.
        iwarp::MpaFrame request = mpa_frame(iwarp::MpaKind::request);
        request.enhanced->peer_to_peer = false;
        request.enhanced->rtr = {};
        ASSERT_TRUE(scene.accept_raw(frame_octets(request)));
        ASSERT_EQ(scene.victim.wait_established(), CmStatus::success);
        Intruder intruder(scene, inbox, nth);
        const Octets bad = by_token ? invalidate_octets(1, 0x777) : send_octets(1, pattern(65));
        ASSERT_TRUE(scene.raw.send(concat({bad, send_octets(2, pattern(20)), send_octets(3, pattern(20))})));
        ASSERT_TRUE(eventually(world, [&] { return scene.counters().in_octets.load() != 0; }));
        intruder.post();
        EXPECT_EQ(scene.victim.wait_status(), by_token ? WorkStatus::cancelled : WorkStatus::receive_too_small);
        EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
        EXPECT_EQ(scene.raw.listen_to_the_end(true).terminate,
                  std::optional(by_token ? code::kInvalidateUnknownStag : code::kUntaggedTooLong));
        EXPECT_TRUE(scene.victim.wait_peer_disconnect());
      }
      set_interleave_hook(nullptr, nullptr);
    }
  }
}

// ---- while an answer through the token is on its way to a peer that does not read it

constexpr std::uint32_t kLarge = 8u << 20;

/// As far as the Read's answer has filled TCP, and the Send with Invalidate has come.
struct Hoard : Loan {
  explicit Hoard(io::World& in, const Settings& settings = patient()) : Loan(in, kLarge, settings) {
    if (!established) return;
    EXPECT_TRUE(scene.victim.receive(inbox, 0, 64, 1));
    EXPECT_TRUE(scene.raw.send(read_request_octets(1, {7, 0, kLarge, token, kBase})));
    const std::uint64_t before = scene.counters().in_frames.load();
    EXPECT_TRUE(eventually(in, [&] { return scene.counters().out_octets.load() > 100'000; }));
    EXPECT_TRUE(scene.raw.send(concat({invalidate_octets(1, token), send_octets(2, pattern(5))})));
    EXPECT_TRUE(eventually(in, [&] { return scene.counters().in_frames.load() >= before + 2; }));
  }
  /// The whole answer.
  void expect_answer() {
    const auto content = land.content();
    std::uint32_t at = 0;
    while (at < kLarge) {
      const Octets ulpdu = scene.raw.read_ulpdu();
      ASSERT_GT(ulpdu.size(), 14u);
      ASSERT_EQ(std::memcmp(ulpdu.data() + 14, content.data() + at, ulpdu.size() - 14), 0);
      at += static_cast<std::uint32_t>(ulpdu.size() - 14);
    }
    EXPECT_EQ(at, kLarge);
  }
};

TEST(R_INV_04, TheReceiveIsNotReportedWhileAnAnswerThroughTheTokenIsOnItsWay) {
  in_every_world(
      [](io::World& world) {
        Hoard hoard(world);
        ASSERT_TRUE(hoard.established);
        // All else goes on meanwhile: a Write, and Sends that wait their turn although receives are there.
        Buffer other(*hoard.scene.victim.pd, 64, kAllRights, 0x7000);
        ASSERT_TRUE(hoard.scene.victim.receive(hoard.inbox, 64, 64, 2));
        ASSERT_TRUE(hoard.scene.raw.send(write_octets(other.region->remote_token(), 0x7000, pattern(64))));
        ASSERT_TRUE(eventually(world, [&] {
          for (std::size_t i = 0; i < 64; ++i)
            if (other.glimpse(i) != pattern(64)[i]) return false;
          return true;
        }));
        Completion none;
        EXPECT_EQ(hoard.scene.victim.cq->poll({&none, 1}), 0u);
        EXPECT_TRUE(hoard.lent.is_bound());
        hoard.expect_answer();
        hoard.expect_invalidated(20, hoard.token);
        EXPECT_FALSE(hoard.lent.is_bound());
        const auto second = hoard.scene.victim.wait_completion();
        ASSERT_TRUE(second);
        EXPECT_EQ(second->status, WorkStatus::success);
        EXPECT_EQ(second->operation, Operation::receive);
        EXPECT_EQ(second->bytes, 5u);
        hoard.scene.victim.close_connection();
      },
      4);
}

TEST(R_FLU_02, AReceiveWhoseTokenIsStillInUseIsFlushed) {
  in_every_world(
      [](io::World& world) {
        Hoard hoard(world);
        ASSERT_TRUE(hoard.established);
        hoard.scene.victim.qp->flush();
        const auto got = hoard.scene.victim.wait_completion();
        ASSERT_TRUE(got);
        EXPECT_EQ(got->status, WorkStatus::cancelled);
        EXPECT_EQ(got->operation, Operation::receive);
        hoard.expect_answer();
        EXPECT_TRUE(hoard.lent.bell.wait([&] { return !hoard.lent.is_bound(); })) << "the token stays dead";
        hoard.scene.victim.close_connection();
      },
      4);
}

TEST(R_CLS_20, ClosingWhileTheTokenIsStillInUseGivesEverythingBack) {
  for (const bool window_first : {false, true}) {
    in_every_world(
        [window_first](io::World& world) {
          Hoard hoard(world);
          ASSERT_TRUE(hoard.established);
          std::optional<io::contract::Worker> closer;
          if (window_first) closer.emplace(world, [&] { hoard.lent.close(); });
          hoard.scene.victim.close_connection();
          EXPECT_EQ(hoard.scene.victim.wait_status(), WorkStatus::cancelled);
          if (closer) closer->join();
          hoard.lent.close();
          EXPECT_FALSE(hoard.lent.is_bound());
          // ~Buffer: no access is in progress.
        },
        4);
  }
}

TEST(R_CNCT_20, APeerThatNeverReadsTheAnswerDoesNotHoldTheSendBehindItForEver) {
  in_every_world(
      [](io::World& world) {
        Settings settings = patient();
        settings.no_receive_timeout_ns = 20 * io::kMillisecond;
        Hoard hoard(world, settings);
        ASSERT_TRUE(hoard.established);
        ASSERT_TRUE(hoard.scene.victim.wait_peer_disconnect());
        EXPECT_EQ(hoard.scene.victim.wait_status(), WorkStatus::cancelled);
        hoard.scene.victim.close_connection();
      },
      3);
}

}  // namespace
}  // namespace softndk::rnic::test
