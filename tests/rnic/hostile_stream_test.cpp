// Peers that go wrong on an established connection. Each rule they break has its Terminate (spec/iwarp.md 3.6, 4.3);
// our consumer gets its disconnect event and every request back.
#include "raw_peer.h"

namespace softndk::rnic::test {
namespace {

using Close = io::ByteStream::CloseKind;
using rdma::Operation;
namespace code = iwarp::terminate_code;

constexpr std::uint64_t kBase = 0x100000;

struct Violation {
  const char* name;
  TerminateCode answer;
  /// What the peer sends, with a region of the victim's at hand: 4096 octets from kBase.
  Octets (*octets)(std::uint32_t stag);
  rdma::AccessRights rights = kAllRights;
  bool foreign_domain = false;
  WorkStatus receive = WorkStatus::cancelled;  ///< of the victim's first posted receive
};

/// One FPDU whose ULPDU is that of a good Send, changed.
Octets changed_send(void (*change)(Octets& ulpdu)) {
  Octets ulpdu = iwarp::test::ulpdu_of(send_octets(1, pattern(20)));
  change(ulpdu);
  return iwarp::test::fpdu_of(ulpdu);
}

const Violation kViolations[] = {
    {"a bad CRC", code::kMpaCrc,
     [](std::uint32_t) {
       Octets octets = send_octets(1, pattern(20));
       octets.back() ^= 0x80;
       return octets;
     }},
    {"a bad CRC over a bad STag is a bad CRC", code::kMpaCrc,
     [](std::uint32_t stag) {
       Octets octets = write_octets(stag ^ 0x100, kBase, pattern(20));
       octets.back() ^= 0x80;
       return octets;
     }},
    {"a ULPDU without room for its header", code::kMpaMarkerOrLength,
     [](std::uint32_t) {
       return iwarp::test::fpdu_of(Octets{0x41, 0x43, 0, 0});
     }},
    {"Write, unknown STag", code::kTaggedInvalidStag,
     [](std::uint32_t stag) { return write_octets(stag ^ 0x5500, kBase, pattern(20)); }},
    {"Write, STag 0", code::kTaggedInvalidStag, [](std::uint32_t) { return write_octets(0, kBase, pattern(20)); }},
    {"Write, the right index with another key", code::kTaggedInvalidStag,
     [](std::uint32_t stag) { return write_octets(stag ^ 1, kBase, pattern(20)); }},
    {"Write, one octet too far", code::kTaggedBaseOrBounds,
     [](std::uint32_t stag) { return write_octets(stag, kBase + 4077, pattern(20)); }},
    {"Write, one octet before", code::kTaggedBaseOrBounds,
     [](std::uint32_t stag) { return write_octets(stag, kBase - 1, pattern(20)); }},
    {"Write, wrapping", code::kTaggedToWrap,
     [](std::uint32_t stag) { return write_octets(stag, UINT64_MAX - 10, pattern(20)); }},
    {"Write, another domain", code::kTaggedStagNotAssociated,
     [](std::uint32_t stag) { return write_octets(stag, kBase, pattern(20)); }, kAllRights, true},
    {"Write, without the right", code::kTaggedInvalidStag,
     [](std::uint32_t stag) { return write_octets(stag, kBase, pattern(20)); }, rdma::AccessRights{true, true, false}},
    {"Read, unknown STag", code::kReadInvalidStag,
     [](std::uint32_t stag) {
       return read_request_octets(1, {7, 0, 20, stag ^ 0x5500, kBase});
     }},
    {"Read, too far", code::kReadBaseOrBounds,
     [](std::uint32_t stag) {
       return read_request_octets(1, {7, 0, 4097, stag, kBase});
     }},
    {"Read, wrapping", code::kReadToWrap,
     [](std::uint32_t stag) {
       return read_request_octets(1, {7, 0, 20, stag, UINT64_MAX - 10});
     }},
    {"Read, another domain", code::kReadStagNotAssociated,
     [](std::uint32_t stag) {
       return read_request_octets(1, {7, 0, 20, stag, kBase});
     },
     kAllRights, true},
    {"Read, without the right", code::kReadAccessRights,
     [](std::uint32_t stag) {
       return read_request_octets(1, {7, 0, 20, stag, kBase});
     },
     rdma::AccessRights{true, false, true}},
    {"Read, wrong MSN", code::kUntaggedMsnRange,
     [](std::uint32_t stag) {
       return read_request_octets(2, {7, 0, 20, stag, kBase});
     }},
    {"a Read Response nobody asked for", code::kUnexpectedOpcode,
     [](std::uint32_t stag) {
       return message_octets({.opcode = Opcode::read_response, .stag = stag, .to_bytes = kBase}, pattern(20));
     }},
    {"Send, longer than the receive", code::kUntaggedTooLong, [](std::uint32_t) { return send_octets(1, pattern(65)); },
     kAllRights, false, WorkStatus::receive_too_small},
    {"Send with Invalidate of a region", code::kInvalidateForeignStag,
     [](std::uint32_t stag) { return send_octets(1, pattern(20), Opcode::send_invalidate, stag); }},
    {"Send, wrong MSN", code::kUntaggedMsnRange, [](std::uint32_t) { return send_octets(7, pattern(20)); }},
    {"Send, wrong queue", code::kUntaggedInvalidQueue,
     [](std::uint32_t) { return changed_send([](Octets& ulpdu) { ulpdu[9] = 1; }); }},
    {"Send, unknown queue", code::kUntaggedInvalidQueue,
     [](std::uint32_t) { return changed_send([](Octets& ulpdu) { ulpdu[6] = 0x80; }); }},
    {"Send, wrong offset", code::kUntaggedInvalidOffset,
     [](std::uint32_t) { return changed_send([](Octets& ulpdu) { ulpdu[17] = 4; }); }},
    {"Send, an offset near 2^32", code::kUntaggedInvalidOffset,
     [](std::uint32_t) {
       return changed_send([](Octets& ulpdu) { ulpdu[14] = ulpdu[15] = ulpdu[16] = ulpdu[17] = 0xFF; });
     }},
    {"DDP version", code::kUntaggedInvalidVersion,
     [](std::uint32_t) { return changed_send([](Octets& ulpdu) { ulpdu[0] = 0x42; }); }},
    {"RDMAP version", code::kInvalidRdmapVersion,
     [](std::uint32_t) { return changed_send([](Octets& ulpdu) { ulpdu[1] = 0x83; }); }},
    {"unknown opcode", code::kUnexpectedOpcode,
     [](std::uint32_t) { return changed_send([](Octets& ulpdu) { ulpdu[1] = 0x4F; }); }},
    {"opcode and model disagree", code::kUnexpectedOpcode,
     [](std::uint32_t) { return changed_send([](Octets& ulpdu) { ulpdu[1] = 0x40; }); }},
};

TEST(R_RDMA_02, EachRuleAPeerBreaksHasItsTerminate) {
  for (const Violation& violation : kViolations) {
    SCOPED_TRACE(violation.name);
    in_every_world(
        [&violation](io::World& world) {
          Scene scene(world);
          auto other_domain = std::move(*scene.device->create_pd());
          Buffer target(violation.foreign_domain ? *other_domain : *scene.victim.pd, 4096, violation.rights, kBase);
          target.fill(9);
          const auto before = target.content();
          Buffer landing(*scene.victim.pd, 64, kAllRights, 0x9000);
          ASSERT_TRUE(scene.victim.receive(landing, 0, 64, 1));
          ASSERT_TRUE(scene.victim.receive(landing, 0, 64, 2));
          ASSERT_TRUE(scene.establish_raw());
          ASSERT_TRUE(scene.raw.send(violation.octets(target.region->remote_token())));
          const Heard heard = scene.raw.listen_to_the_end(true);
          EXPECT_EQ(heard.terminate, std::optional(violation.answer))
              << std::hex << (heard.terminate ? heard.terminate->packed() : 0xFFFFFF);
          EXPECT_FALSE(heard.reset) << "a Terminate that a reset overtakes may be lost";
          ASSERT_TRUE(scene.victim.wait_peer_disconnect());
          EXPECT_FALSE(scene.victim.was_graceful);
          EXPECT_EQ(scene.victim.wait_status(), violation.receive);
          EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
          EXPECT_FALSE(scene.victim.post(Operation::send, landing, 0, 8)) << "R-WR-08";
          EXPECT_TRUE(scene.victim.receive(landing, 0, 64)) << "R-WR-09";
          EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
          EXPECT_EQ(scene.counters().connection_errors.load(), 1u);
          EXPECT_EQ(target.content(), before) << "not an octet was changed";
          EXPECT_EQ(scene.victim.disconnect(), CmStatus::aborted) << "R-DISC-14";
          EXPECT_EQ(scene.victim.peer_disconnects.load(), 1) << "R-EVT-04";
        },
        3);
  }
}

TEST(R_RDMA_02, AViolationInTheMiddleOfOurOwnMessage) {
  // The Terminate goes out at an FPDU boundary, though a large message of ours is under way.
  in_every_world([](io::World& world) {
    Scene scene(world);
    Buffer large(*scene.victim.pd, 3 << 20, kAllRights);
    ASSERT_TRUE(scene.establish_raw());
    ASSERT_TRUE(scene.victim.post(Operation::write, large, 0, 3 << 20, 5, 0, 77));
    ASSERT_TRUE(scene.raw.send(write_octets(0x123456, 0, pattern(20))));
    const Heard heard = scene.raw.listen_to_the_end(true);
    EXPECT_EQ(heard.terminate, std::optional(code::kTaggedInvalidStag));
    EXPECT_FALSE(heard.torn);
    const WorkStatus status = scene.victim.wait_status();
    EXPECT_TRUE(status == WorkStatus::success || status == WorkStatus::cancelled);
  });
}

TEST(R_RL_06, MoreReadsThanTheLimitBreakTheConnection) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    Buffer target(*scene.victim.pd, 1 << 20, kAllRights, kBase);
    ASSERT_TRUE(scene.establish_raw({2, 2}));
    Octets all;
    for (std::uint32_t msn = 1; msn <= 12; ++msn) {
      const Octets one = read_request_octets(msn, {7, 0, 1 << 20, target.region->remote_token(), kBase});
      all.insert(all.end(), one.begin(), one.end());
    }
    ASSERT_TRUE(scene.raw.send(all));
    const Heard heard = scene.raw.listen_to_the_end(true);
    EXPECT_EQ(heard.terminate, std::optional(code::kUntaggedNoBuffer));
    ASSERT_TRUE(scene.victim.wait_peer_disconnect());
    scene.victim.close_connection();  // the answers under way let go of the region
  });
}

TEST(R_EVT_06, EndsAtEveryOctetOfAConversation) {
  for (const bool reset : {false, true}) {
    SCOPED_TRACE(reset ? "RST" : "FIN");
    in_every_world(
        [reset](io::World& world) {
          const Octets first = rtr_octets();
          const Octets second = send_octets(1, pattern(33));
          std::size_t step = 1;
          for (std::size_t cut = 0; cut <= first.size() + second.size() + 52; cut += step) {
            SCOPED_TRACE(cut);
            step = 5;
            Scene scene(world);
            Buffer target(*scene.victim.pd, 4096, kAllRights, kBase);
            ASSERT_TRUE(scene.victim.receive(target, 0, 100, 1));
            ASSERT_TRUE(scene.victim.receive(target, 0, 100, 2));
            ASSERT_TRUE(scene.accept_raw());
            const Octets all =
                concat({first, second, read_request_octets(1, {7, 0, 20, target.region->remote_token(), kBase})});
            ASSERT_TRUE(scene.raw.send({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(cut)}));
            if (reset) {
              ASSERT_TRUE(scene.raw.close(Close::abort));
            } else {
              scene.raw.end->stream->finish_writing();
            }
            const CmStatus status = scene.victim.wait_established();
            if (cut < first.size()) {
              EXPECT_EQ(status, CmStatus::aborted);
              continue;
            }
            const bool between = cut == first.size() || cut == first.size() + second.size() || cut == all.size();
            if (between && !reset) {
              EXPECT_EQ(status, CmStatus::success);
            }
            // An end inside a message that comes with the RTR may come before the accept is reported (R-EVT-07).
            if (status != CmStatus::success) {
              EXPECT_EQ(status, CmStatus::aborted);
              continue;
            }
            ASSERT_TRUE(scene.victim.wait_peer_disconnect());
            EXPECT_EQ(scene.victim.was_graceful.load(), between && !reset);
            const bool send_is_whole = cut >= first.size() + second.size();
            if (!reset && send_is_whole) {
              EXPECT_EQ(scene.victim.wait_status(), WorkStatus::success);
            }
            if (!between && !reset) {
              EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
            }
          }
        },
        2);
  }
}

TEST(R_DISC_06, AfterAPeersFinNothingIsFlushedAndOurFinWaitsForUs) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    Buffer buffer(*scene.victim.pd, 64, kAllRights);
    ASSERT_TRUE(scene.victim.receive(buffer, 0, 64));
    ASSERT_TRUE(scene.establish_raw());
    scene.raw.end->stream->finish_writing();
    ASSERT_TRUE(scene.victim.wait_peer_disconnect());
    EXPECT_TRUE(scene.victim.was_graceful);
    EXPECT_EQ(scene.raw.end->stream->peek(), io::IoResult::Status::would_block);
    Completion none;
    EXPECT_EQ(scene.victim.cq->poll({&none, 1}), 0u);
    const auto refused = scene.victim.post(Operation::send, buffer, 0, 8);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), rdma::PostError::not_connected) << "R-WR-11";
    scene.victim.close_connection();  // answers it (R-CLS-20)
    const Heard heard = scene.raw.listen_to_the_end(true);
    EXPECT_TRUE(heard.fpdus.empty());
    EXPECT_FALSE(heard.reset);
    EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
    EXPECT_EQ(scene.counters().connection_errors.load(), 0u) << "R-CTR-04";
  });
}

TEST(R_DISC_02, ADisconnectThatThePeerNeverAnswersTimesOut) {
  in_every_world(
      [](io::World& world) {
        Settings settings = patient();
        settings.disconnect_timeout_ns = 20 * io::kMillisecond;
        Scene scene(world, settings);
        Buffer buffer(*scene.victim.pd, 64, kAllRights);
        ASSERT_TRUE(scene.victim.receive(buffer, 0, 64));
        ASSERT_TRUE(scene.establish_raw());
        EXPECT_EQ(scene.victim.disconnect(), CmStatus::timed_out);
        Completion one;
        ASSERT_EQ(scene.victim.cq->poll({&one, 1}), 1u) << "flushed before it is told (R-DISC-05)";
        EXPECT_EQ(one.status, WorkStatus::cancelled);
      },
      6);
}

TEST(R_FLU_03, APeerThatNeverReadsKeepsNothingOfOurs) {
  in_every_world(
      [](io::World& world) {
        for (const bool by_flush : {true, false}) {
          Scene scene(world);
          Buffer large(*scene.victim.pd, 2 << 20, kAllRights);
          ASSERT_TRUE(scene.establish_raw());
          int posted = 0;
          while (posted < 64 && scene.victim.post(Operation::write, large, 0, 2 << 20, 5, 0, 77))
            ++posted;
          const auto full = scene.victim.post(Operation::write, large, 0, 2 << 20, 5, 0, 77);
          if (!full) {
            EXPECT_EQ(full.error(), rdma::PostError::queue_full);
          } else {
            ++posted;
          }
          if (by_flush) {
            scene.victim.qp->flush();
            for (int i = 0; i < posted; ++i) {
              const WorkStatus status = scene.victim.wait_status();
              ASSERT_TRUE(status == WorkStatus::success || status == WorkStatus::cancelled);
            }
          }
          scene.victim.close_connection();
          if (!by_flush) {
            for (int i = 0; i < posted; ++i) {
              const WorkStatus status = scene.victim.wait_status();
              ASSERT_TRUE(status == WorkStatus::success || status == WorkStatus::cancelled);
            }
          }
          // The memory is the consumer's again: ~Buffer checks that nothing holds it.
        }
      },
      5);
}

TEST(R_FLU_09, AfterAFlushTheHalfSentFpduIsFinishedAndNoMoreFollows) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    Buffer large(*scene.victim.pd, 4 << 20, kAllRights);
    ASSERT_TRUE(scene.establish_raw());
    ASSERT_TRUE(scene.victim.post(Operation::write, large, 0, 4 << 20, 5, 0, 77));
    scene.victim.qp->flush();
    scene.victim.wait_status();
    scene.victim.close_connection();
    const Heard heard = scene.raw.listen_to_the_end(true);
    if (heard.terminate) {
      EXPECT_FALSE(heard.torn);
    }
  });
}

TEST(R_SEND_03, OneOctetAtATimeInBothDirections) {
  in_every_world(
      [](io::World& world) {
        Scene scene(world);
        Buffer buffer(*scene.victim.pd, 4096, kAllRights, kBase);
        buffer.fill(1);
        ASSERT_TRUE(scene.victim.receive(buffer, 0, 300, 1));
        ASSERT_TRUE(scene.accept_raw());
        const Octets all = concat({rtr_octets(), send_octets(1, pattern(211)),
                                   write_octets(buffer.region->remote_token(), kBase + 600, pattern(100)),
                                   read_request_octets(1, {7, 5, 300, buffer.region->remote_token(), kBase + 600})});
        for (const std::uint8_t octet : all)
          ASSERT_TRUE(scene.raw.send({octet}));
        ASSERT_EQ(scene.victim.wait_established(), CmStatus::success);
        const auto got = scene.victim.wait_completion();
        ASSERT_TRUE(got);
        EXPECT_EQ(got->bytes, 211u);
        Octets response;
        for (int i = 0; i < 2 + 14 + 300; ++i) {
          const Octets octet = scene.raw.end->read_exactly(1);
          ASSERT_EQ(octet.size(), 1u);
          response.push_back(octet[0]);
        }
        const auto content = buffer.content();
        EXPECT_TRUE(std::equal(response.begin() + 16, response.end(), content.begin() + 600));
      },
      5);
}

// ---- the victim is the one that connected, and has Reads out

struct ReadAnswer {
  const char* name;
  WorkStatus expected;
  std::optional<TerminateCode> answer;
  /// What the peer sends when it has read the victim's request.
  Octets (*octets)(const iwarp::ReadRequestHeader& request);
};

Octets response_octets(std::uint32_t stag, std::uint64_t to, std::size_t bytes) {
  return message_octets({.opcode = Opcode::read_response, .stag = stag, .to_bytes = to}, pattern(bytes));
}
Octets named_terminate(TerminateCode why, const iwarp::ReadRequestHeader& request) {
  iwarp::test::Wire wire;
  iwarp::TxFramer framer(true, false);
  framer.append_terminate(iwarp::make_terminate(why, iwarp::ReadRequest{1, request}, 0), wire.list);
  return wire.octets();
}

const ReadAnswer kReadAnswers[] = {
    {"as asked", WorkStatus::success, std::nullopt,
     [](const iwarp::ReadRequestHeader& request) {
       return response_octets(request.sink_stag, request.sink_to_bytes, request.length_bytes);
     }},
    {"too short", WorkStatus::cancelled, code::kTaggedBaseOrBounds,
     [](const iwarp::ReadRequestHeader& request) {
       return response_octets(request.sink_stag, request.sink_to_bytes, request.length_bytes - 1);
     }},
    {"too long", WorkStatus::cancelled, code::kTaggedBaseOrBounds,
     [](const iwarp::ReadRequestHeader& request) {
       return response_octets(request.sink_stag, request.sink_to_bytes, request.length_bytes + 1);
     }},
    {"somewhere else", WorkStatus::cancelled, code::kTaggedBaseOrBounds,
     [](const iwarp::ReadRequestHeader& request) {
       return response_octets(request.sink_stag, request.sink_to_bytes + 1, request.length_bytes);
     }},
    {"another STag", WorkStatus::cancelled, code::kTaggedInvalidStag,
     [](const iwarp::ReadRequestHeader& request) {
       return response_octets(request.sink_stag ^ 0x100, request.sink_to_bytes, request.length_bytes);
     }},
    {"refused: access", WorkStatus::remote_access, std::nullopt,
     [](const iwarp::ReadRequestHeader& request) { return named_terminate(code::kReadAccessRights, request); }},
    {"refused: STag", WorkStatus::remote_access, std::nullopt,
     [](const iwarp::ReadRequestHeader& request) { return named_terminate(code::kReadInvalidStag, request); }},
    {"refused: bounds", WorkStatus::remote_resources, std::nullopt,
     [](const iwarp::ReadRequestHeader& request) { return named_terminate(code::kReadBaseOrBounds, request); }},
    {"refused: wrap", WorkStatus::remote_resources, std::nullopt,
     [](const iwarp::ReadRequestHeader& request) { return named_terminate(code::kReadToWrap, request); }},
    {"a Terminate that names nothing", WorkStatus::cancelled, std::nullopt,
     [](const iwarp::ReadRequestHeader&) { return terminate_octets(code::kRdmapLocalCatastrophic); }},
};

TEST(R_RDMA_03, WhatAPeerMayAnswerToARead) {
  for (const ReadAnswer& answer : kReadAnswers) {
    SCOPED_TRACE(answer.name);
    in_every_world(
        [&answer](io::World& world) {
          Scene scene(world);
          Buffer sink(*scene.victim.pd, 1000, kAllRights);
          ASSERT_TRUE(scene.establish_victim());
          ASSERT_TRUE(scene.victim.post(Operation::read, sink, 0, 1000, 1, 0x5000, 0x1234));
          ASSERT_TRUE(scene.victim.post(Operation::read, sink, 0, 500, 2, 0x5000, 0x1234));
          const Octets ulpdu = scene.raw.read_ulpdu();
          ASSERT_EQ(ulpdu.size(), 46u);
          ByteReader in(Bytes(ulpdu).subspan(18));
          const auto request = iwarp::decode_read_request(in);
          ASSERT_TRUE(request);
          EXPECT_EQ(request->length_bytes, 1000u);
          EXPECT_EQ(scene.raw.read_ulpdu().size(), 46u);
          ASSERT_TRUE(scene.raw.send(answer.octets(*request)));
          const auto first = scene.victim.wait_completion();
          ASSERT_TRUE(first);
          EXPECT_EQ(first->request_context, reinterpret_cast<void*>(1));
          EXPECT_EQ(first->status, answer.expected);
          if (answer.expected == WorkStatus::success) {
            EXPECT_EQ(sink.content(), pattern(1000));
            return;
          }
          EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled) << "R-WR-22";
          ASSERT_TRUE(scene.victim.wait_peer_disconnect());
          EXPECT_FALSE(scene.victim.was_graceful);
          EXPECT_EQ(scene.raw.listen_to_the_end(false).terminate, answer.answer);
        },
        4);
  }
}

TEST(R_DISC_15, AResetFlushesEverything) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    Buffer sink(*scene.victim.pd, 1000, kAllRights);
    ASSERT_TRUE(scene.establish_victim());
    ASSERT_TRUE(scene.victim.post(Operation::read, sink, 0, 1000, 1, 0x5000, 0x1234));
    ASSERT_TRUE(scene.victim.receive(sink, 0, 100, 2));
    ASSERT_TRUE(scene.raw.close(Close::abort));
    EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
    EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
    ASSERT_TRUE(scene.victim.wait_peer_disconnect());
    EXPECT_EQ(scene.counters().connection_errors.load(), 1u);
  });
}

TEST(R_DISC_01, AReadThatIsNotAnsweredDoesNotHoldTheDisconnectForEver) {
  in_every_world(
      [](io::World& world) {
        Settings settings = patient();
        settings.disconnect_timeout_ns = 20 * io::kMillisecond;
        Scene scene(world, settings);
        Buffer sink(*scene.victim.pd, 1000, kAllRights);
        ASSERT_TRUE(scene.establish_victim());
        ASSERT_TRUE(scene.victim.post(Operation::read, sink, 0, 1000, 1, 0x5000, 0x1234));
        scene.raw.end->stream->finish_writing();
        const CmStatus status = scene.victim.disconnect();
        EXPECT_TRUE(status == CmStatus::success || status == CmStatus::timed_out) << static_cast<int>(status);
        EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
      },
      6);
}

}  // namespace
}  // namespace softndk::rnic::test
