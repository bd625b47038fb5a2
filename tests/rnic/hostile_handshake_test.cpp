// Peers that go wrong before the connection is established: nothing of ours leaks or hangs, the consumer gets the
// documented status, and where there is a Terminate for it the peer gets that.
#include "raw_peer.h"

namespace softndk::rnic::test {
namespace {

using Close = io::ByteStream::CloseKind;
namespace code = iwarp::terminate_code;

/// The raw end reads until we have ended the stream.
void expect_end(RawPeer& raw) {
  const Heard heard = raw.listen_to_the_end(true);
  EXPECT_TRUE(heard.fpdus.empty()) << "nothing may follow a handshake that failed so";
}

TEST(Handshake, GarbageInPlaceOfTheRequest) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.raw.connect(scene.at));
    ASSERT_TRUE(scene.raw.send(pattern(2000)));
    expect_end(scene.raw);
    EXPECT_TRUE(eventually(world, [&] { return scene.counters().connect_failures.load() == 1; }));
    EXPECT_EQ(scene.host.requests.load(), 0) << "nobody hears of it (R-EVT-01)";
  });
}

TEST(Handshake, AReplyInPlaceOfTheRequestIsGarbageToo) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.raw.connect(scene.at));
    ASSERT_TRUE(scene.raw.send(reply_octets()));
    expect_end(scene.raw);
    EXPECT_EQ(scene.host.requests.load(), 0);
  });
}

TEST(Handshake, RequestCutAtEveryOctet) {
  for (const auto how : {Close::orderly, Close::abort}) {
    SCOPED_TRACE(how == Close::orderly ? "FIN" : "RST");
    in_every_world(
        [how](io::World& world) {
          const Octets request = request_octets();
          Scene scene(world);
          for (std::size_t cut = 0; cut < request.size(); ++cut) {
            RawPeer raw(world);
            ASSERT_TRUE(raw.connect(scene.at));
            ASSERT_TRUE(raw.send({request.begin(), request.begin() + static_cast<std::ptrdiff_t>(cut)}));
            ASSERT_TRUE(raw.close(how));
          }
          EXPECT_EQ(scene.host.requests.load(), 0);
        },
        3);
  }
}

TEST(Handshake, RequestCutAndHalfClosed) {
  in_every_world(
      [](io::World& world) {
        const Octets request = request_octets();
        Scene scene(world);
        for (std::size_t cut = 0; cut < request.size(); cut += 5) {
          RawPeer raw(world);
          ASSERT_TRUE(raw.connect(scene.at));
          ASSERT_TRUE(raw.send({request.begin(), request.begin() + static_cast<std::ptrdiff_t>(cut)}));
          raw.end->stream->finish_writing();
          expect_end(raw);
        }
        EXPECT_EQ(scene.host.requests.load(), 0);
      },
      4);
}

TEST(Handshake, ARequestThatNeverEndsIsGivenUpAfterT1) {
  in_every_world(
      [](io::World& world) {
        Settings settings = patient();
        settings.request_timeout_ns = 20 * io::kMillisecond;
        Scene scene(world, settings);
        const Octets request = request_octets();
        for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, request.size() - 1}) {
          RawPeer raw(world);
          ASSERT_TRUE(raw.connect(scene.at));
          raw.send({request.begin(), request.begin() + static_cast<std::ptrdiff_t>(cut)});
          expect_end(raw);  // nobody but our timer ends this
        }
        EXPECT_EQ(scene.host.requests.load(), 0);
      },
      4);
}

TEST(Handshake, OctetsBehindTheRequestEndIt) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.raw.connect(scene.at));
    ASSERT_TRUE(scene.raw.send(concat({request_octets(), rtr_octets()})));
    // Seen with the Request, nobody hears of it; seen later, the connection is taken back before it is answered.
    expect_end(scene.raw);
    EXPECT_TRUE(eventually(world, [&] { return scene.counters().connect_failures.load() != 0; }));
    if (scene.victim.connection != nullptr) {
      EXPECT_TRUE(scene.victim.bell.wait([&] { return scene.victim.abandoned.load(); }));
      EXPECT_EQ(scene.victim.start_accept(), CmStatus::aborted);
      EXPECT_EQ(scene.victim.connection->reject({}), CmStatus::aborted);
    }
  });
}

TEST(Handshake, HalfOpenConnectionsAreBounded) {
  in_every_world(
      [](io::World& world) {
        Settings settings = patient();
        settings.half_open_max = 3;
        Scene scene(world, settings);
        std::vector<std::unique_ptr<RawPeer>> silent;
        for (int i = 0; i < 6; ++i) {
          silent.push_back(std::make_unique<RawPeer>(world));
          ASSERT_TRUE(silent.back()->connect(scene.at) || i >= 3);
        }
        // Three of them are refused by RST, sooner or later.
        int refused = 0;
        for (int i = 3; i < 6; ++i) {
          if (silent[i]->end->connected_count() == 0 || silent[i]->end->read_exactly(1).empty()) ++refused;
        }
        EXPECT_EQ(refused, 3);
        scene.host.close();  // the other three are refused at once
        for (int i = 0; i < 3; ++i)
          EXPECT_TRUE(silent[i]->end->read_exactly(1).empty());
      },
      4);
}

TEST(R_CNCT_10, ARequestNobodyAnswersIsGivenUpAfterT2) {
  in_every_world(
      [](io::World& world) {
        Settings settings = patient();
        settings.connect_timeout_ns = 20 * io::kMillisecond;
        Scene scene(world, settings);
        ASSERT_TRUE(scene.raw.connect(scene.at));
        ASSERT_TRUE(scene.raw.send(request_octets()));
        ASSERT_TRUE(scene.host.wait_request());
        EXPECT_TRUE(scene.victim.bell.wait([&] { return scene.victim.abandoned.load(); }));
        expect_end(scene.raw);
        EXPECT_EQ(scene.victim.start_accept(), CmStatus::aborted);
      },
      4);
}

// Seed 8: the timer had given the request up, but not said so yet, when accept() came; its result never did.
TEST(R_CNCT_10, AcceptAtTheVeryEndOfT2IsInTimeOrRefused) {
  for (io::TimeNs early_ns = 0; early_ns < 40 * io::kMicrosecond; early_ns += 250) {
    sim::for_each_seed(10, [early_ns](std::uint64_t seed) {
      sim::World simulation(seed);
      const sim::Result result = simulation.run([&] {
        io::World world = simulation.view();
        Settings settings = patient();
        settings.connect_timeout_ns = io::kMillisecond;
        settings.rtr_timeout_ns = io::kMillisecond;
        Scene scene(world, settings);
        ASSERT_TRUE(scene.raw.connect(scene.at));
        ASSERT_TRUE(scene.raw.send(request_octets()));
        ASSERT_TRUE(scene.host.wait_request());
        const io::TimeNs due_ns = world.clock.now_ns() + settings.connect_timeout_ns - early_ns;
        while (world.clock.now_ns() < due_ns)
          world.executor.park(due_ns);
        // Taken means answered: the Reply goes out, and T3 is what runs from here on.
        if (scene.victim.start_accept() == CmStatus::pending) {
          EXPECT_TRUE(scene.raw.read_frame(iwarp::MpaKind::reply));
          EXPECT_EQ(scene.victim.wait_established(), CmStatus::timed_out);
        } else {
          EXPECT_TRUE(scene.victim.bell.wait([&] { return scene.victim.abandoned.load(); }));
        }
      });
      ASSERT_EQ(result, sim::Result::completed) << simulation.report();
    });
  }
}

TEST(R_CNCT_11, NoRtrTimesOutAndATerminateOrAnEndInItsPlaceAborts) {
  enum class Instead { nothing, terminate, fin, reset, bad_crc, short_ulpdu };
  for (const auto instead :
       {Instead::nothing, Instead::terminate, Instead::fin, Instead::reset, Instead::bad_crc, Instead::short_ulpdu}) {
    SCOPED_TRACE(static_cast<int>(instead));
    in_every_world(
        [instead](io::World& world) {
          Settings settings = patient();
          if (instead == Instead::nothing) settings.rtr_timeout_ns = 20 * io::kMillisecond;
          Scene scene(world, settings);
          ASSERT_TRUE(scene.accept_raw());
          CmStatus expected = CmStatus::aborted;
          std::optional<TerminateCode> answer;
          switch (instead) {
            case Instead::nothing:
              expected = CmStatus::timed_out;
              break;
            case Instead::terminate:
              ASSERT_TRUE(scene.raw.send(terminate_octets(code::kMpaLocalCatastrophic)));
              break;
            case Instead::fin:
              scene.raw.end->stream->finish_writing();
              break;
            case Instead::reset:
              ASSERT_TRUE(scene.raw.close(Close::abort));
              break;
            case Instead::bad_crc: {
              Octets rtr = rtr_octets();
              rtr.back() ^= 1;
              ASSERT_TRUE(scene.raw.send(rtr));
              answer = code::kMpaCrc;
              break;
            }
            case Instead::short_ulpdu:
              ASSERT_TRUE(scene.raw.send(iwarp::test::fpdu_of(Octets{0x41})));
              answer = code::kMpaMarkerOrLength;
              break;
          }
          EXPECT_EQ(scene.victim.wait_established(), expected);
          if (instead != Instead::reset) {
            EXPECT_EQ(scene.raw.listen_to_the_end(true).terminate, answer);
          }
          EXPECT_EQ(scene.victim.peer_disconnects.load(), 0) << "R-EVT-07";
          EXPECT_EQ(scene.counters().connect_failures.load(), 1u);
          EXPECT_EQ(scene.counters().accepts.load(), 0u);
          Buffer buffer(*scene.victim.pd, 16, kAllRights);
          EXPECT_FALSE(scene.victim.post(rdma::Operation::send, buffer, 0, 16));
        },
        5);
  }
}

TEST(R_CNCT_02, WithoutAnAgreedRtrAcceptEndsWithTheReply) {
  in_every_world([](io::World& world) {
    for (const std::uint8_t revision : {1, 2}) {
      iwarp::MpaFrame request = mpa_frame(iwarp::MpaKind::request);
      request.revision = revision;
      if (revision == 1) request.enhanced.reset();
      if (revision == 2) request.enhanced->peer_to_peer = false;
      Scene scene(world);
      ASSERT_TRUE(scene.accept_raw(frame_octets(request)));
      EXPECT_EQ(scene.victim.wait_established(), CmStatus::success);
      // R-CNCT-19: our FPDUs wait behind the gate for the peer's first.
      Buffer buffer(*scene.victim.pd, 100, kAllRights);
      buffer.fill(3);
      ASSERT_TRUE(scene.victim.receive(buffer, 0, 10));
      ASSERT_TRUE(scene.victim.post(rdma::Operation::send, buffer, 0, 100));
      Completion none;
      EXPECT_EQ(scene.victim.cq->poll({&none, 1}), 0u);
      ASSERT_TRUE(scene.raw.send(send_octets(1, pattern(5))));
      EXPECT_EQ(scene.raw.read_ulpdu().size(), 118u);
      EXPECT_EQ(scene.victim.wait_status(), WorkStatus::success);
      EXPECT_EQ(scene.victim.wait_status(), WorkStatus::success);
    }
  });
}

TEST(R_CNCT_04, AConnectThatIsClosedOrRejectedInPlaceOfTheReplyIsRefused) {
  enum class Instead { fin, reset, reject };
  for (const auto instead : {Instead::fin, Instead::reset, Instead::reject}) {
    SCOPED_TRACE(static_cast<int>(instead));
    in_every_world(
        [instead](io::World& world) {
          Scene scene(world);
          ASSERT_TRUE(scene.start_victim(scene.raw.listen()));
          iwarp::MpaFrame reject = mpa_frame(iwarp::MpaKind::reply);
          reject.reject = true;
          reject.private_data = iwarp::PrivateData(pattern(508));
          if (instead == Instead::fin) {
            ASSERT_TRUE(scene.raw.close(Close::orderly));
          }
          if (instead == Instead::reset) {
            ASSERT_TRUE(scene.raw.close(Close::abort));
          }
          if (instead == Instead::reject) {
            ASSERT_TRUE(scene.raw.send(frame_octets(reject)));
          }
          EXPECT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::refused);
          EXPECT_EQ(scene.counters().connect_failures.load(), 1u);
          Octets data(600);
          const auto sent = scene.victim.connection->private_data(data);
          if (instead == Instead::reject) {
            EXPECT_EQ(sent, std::optional<std::size_t>(508));  // R-GCD-07, R-GCD-03
          } else {
            EXPECT_FALSE(sent);
          }
          // Retryable (R-CONN-24): the same connection and queue pair connect now.
          RawPeer second(world);
          scene.victim.connect_done.reset();
          const Address to = second.listen();
          rdma::ConnectParameters parameters;
          parameters.local = to.with_port(0);
          parameters.remote = to;
          ASSERT_EQ(scene.victim.connection->connect(*scene.victim.qp, parameters), CmStatus::pending);
          ASSERT_TRUE(second.take_connection());
          ASSERT_TRUE(second.read_frame(iwarp::MpaKind::request));
          ASSERT_TRUE(second.send(reply_octets()));
          EXPECT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::success);
          EXPECT_EQ(scene.victim.complete(), CmStatus::success);
        },
        5);
  }
}

TEST(R_CNCT_09, NoReplyTimesOutAndMayBeTriedAgain) {
  in_every_world(
      [](io::World& world) {
        Settings settings = patient();
        settings.connect_timeout_ns = 20 * io::kMillisecond;
        Scene scene(world, settings);
        for (int attempt = 0; attempt < 3; ++attempt) {
          RawPeer raw(world);
          if (scene.victim.connection == nullptr) scene.victim.new_connection();
          scene.victim.connect_done.reset();
          const Address to = raw.listen();
          rdma::ConnectParameters parameters;
          parameters.local = to.with_port(0);
          parameters.remote = to;
          ASSERT_EQ(scene.victim.connection->connect(*scene.victim.qp, parameters), CmStatus::pending);
          ASSERT_TRUE(raw.take_connection());
          EXPECT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::timed_out);
          EXPECT_FALSE(scene.victim.connection->local_address());
        }
      },
      5);
}

TEST(Handshake, RepliesThatCannotBe) {
  struct Case {
    const char* name;
    Octets reply;
    std::optional<TerminateCode> answer;
  };
  std::vector<Case> cases;
  cases.push_back({"garbage", pattern(300), std::nullopt});
  cases.push_back({"a Request", request_octets(), std::nullopt});
  iwarp::MpaFrame plain = mpa_frame(iwarp::MpaKind::reply);
  plain.revision = 1;
  plain.enhanced.reset();
  cases.push_back({"revision 1 for an enhanced Request", frame_octets(plain), std::nullopt});
  cases.push_back({"more ORD than our adapter has IRD", frame_octets(mpa_frame(iwarp::MpaKind::reply, 16, 500)),
                   code::kMpaInsufficientIrd});
  iwarp::MpaFrame no_rtr = mpa_frame(iwarp::MpaKind::reply);
  no_rtr.enhanced->rtr = {.send = true, .write = false, .read = false};
  cases.push_back({"an RTR that we did not offer", frame_octets(no_rtr), code::kMpaNoMatchingRtr});
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    in_every_world(
        [&one](io::World& world) {
          Scene scene(world);
          ASSERT_TRUE(scene.start_victim(scene.raw.listen()));
          ASSERT_TRUE(scene.raw.send(one.reply));
          EXPECT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::aborted);
          EXPECT_EQ(scene.raw.listen_to_the_end(true).terminate, one.answer);
          EXPECT_EQ(scene.counters().connect_failures.load(), 1u);
        },
        4);
  }
}

TEST(Handshake, ReplyCutAtEveryOctet) {
  in_every_world(
      [](io::World& world) {
        const Octets reply = reply_octets();
        for (std::size_t cut = 0; cut < reply.size(); cut += 3) {
          Scene scene(world);
          ASSERT_TRUE(scene.start_victim(scene.raw.listen()));
          ASSERT_TRUE(scene.raw.send({reply.begin(), reply.begin() + static_cast<std::ptrdiff_t>(cut)}));
          ASSERT_TRUE(scene.raw.close(Close::orderly));
          EXPECT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::refused);
        }
      },
      4);
}

TEST(Handshake, AReplyToARequestThatHasNotLeftUsIsNone) {
  // The peer takes a few octets of the Request and answers. What is left of it must not outlive the handshake.
  sim::Options options;
  options.send_buffer_bytes = options.receive_buffer_bytes = 8;
  sim::for_each_seed(20, [&options](std::uint64_t seed) {
    sim::World simulation(seed, options);
    const sim::Result result = simulation.run([&] {
      io::World world = simulation.view();
      Scene scene(world);
      const Address to = scene.raw.listen();
      scene.victim.new_connection();
      rdma::ConnectParameters parameters;
      parameters.local = to.with_port(0);
      parameters.remote = to;
      ASSERT_EQ(scene.victim.connection->connect(*scene.victim.qp, parameters), CmStatus::pending);
      ASSERT_TRUE(scene.raw.take_connection());
      ASSERT_TRUE(scene.raw.send(reply_octets()));
      EXPECT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::aborted);
    });
    ASSERT_EQ(result, sim::Result::completed) << simulation.report();
  });
}

TEST(Handshake, AConnectionThatIsAnnouncedAndNeverHandedOverGivesItsPlaceBack) {
  // Memory runs out at each step in turn; later a second peer finds the one place free again.
  bool met_all = false;
  for (std::uint64_t nth = 1; nth < 200 && !met_all; ++nth) {
    SCOPED_TRACE("fallible call " + std::to_string(nth));
    sim::World simulation(nth);
    std::uint64_t calls = 0;
    const sim::Result result = simulation.run([&] {
      io::World world = simulation.view();
      Settings settings = patient();
      settings.half_open_max = 1;
      settings.request_timeout_ns = 20 * io::kMillisecond;
      Scene scene(world, settings);
      {
        RawPeer first(world);
        std::optional<Shortage> shortage(std::in_place, nth);
        const Address local = loopback(50'000);
        auto end = io::contract::start_connect(world, local, scene.at, world.executor.processor(0));
        if (end) {
          first.end = *end;
          first.end->wait_connected();
          const io::TimeNs until_ns = world.clock.now_ns() + 5 * io::kMillisecond;
          while (world.clock.now_ns() < until_ns)
            world.executor.park(until_ns);
        }
        calls = shortage->calls();
        shortage.reset();
        const io::TimeNs until_ns = world.clock.now_ns() + 200 * io::kMillisecond;  // T1 is over
        while (world.clock.now_ns() < until_ns)
          world.executor.park(until_ns);
      }
      ASSERT_TRUE(scene.raw.connect(scene.at));
      ASSERT_TRUE(scene.raw.send(request_octets()));
      EXPECT_TRUE(scene.host.wait_request()) << "the place is still taken";
    });
    ASSERT_EQ(result, sim::Result::completed) << simulation.report();
    met_all = calls < nth;
  }
  EXPECT_TRUE(met_all);
}

TEST(R_CNCT_13, CompleteFailsWhenThePeersEndHasArrived) {
  enum class Instead { fin, reset, terminate };
  for (const auto instead : {Instead::fin, Instead::reset, Instead::terminate}) {
    SCOPED_TRACE(static_cast<int>(instead));
    in_every_world(
        [instead](io::World& world) {
          Scene scene(world);
          ASSERT_TRUE(scene.start_victim(scene.raw.listen()));
          ASSERT_TRUE(scene.raw.send(reply_octets()));
          ASSERT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::success);
          if (instead == Instead::terminate) {
            ASSERT_TRUE(scene.raw.send(terminate_octets(code::kMpaLocalCatastrophic)));
          }
          ASSERT_TRUE(scene.raw.close(instead == Instead::reset ? Close::abort : Close::orderly));
          // It may still be on its way when complete_connect looks: then it ends the connection a moment later.
          const CmStatus status = scene.victim.complete();
          if (status == CmStatus::success) {
            EXPECT_TRUE(scene.victim.wait_peer_disconnect());
          } else {
            EXPECT_EQ(status, CmStatus::aborted);
            EXPECT_EQ(scene.victim.peer_disconnects.load(), 0);
          }
        },
        8);
  }
}

TEST(R_CNCT_12, GivingUpAfterTheReplySendsATerminateAndThePoliteWayAnRtr) {
  for (const auto policy : {AbandonPolicy::abort, AbandonPolicy::polite}) {
    for (const bool by_reject : {false, true}) {
      in_every_world(
          [&](io::World& world) {
            Settings settings = patient();
            settings.abandon = policy;
            Scene scene(world, settings);
            ASSERT_TRUE(scene.start_victim(scene.raw.listen()));
            ASSERT_TRUE(scene.raw.send(reply_octets()));
            ASSERT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::success);
            if (by_reject) {
              EXPECT_EQ(scene.victim.connection->reject(pattern(10)), CmStatus::success);
            } else {
              scene.victim.connection->close();
            }
            const Heard heard = scene.raw.listen_to_the_end(true);
            if (policy == AbandonPolicy::abort) {
              EXPECT_EQ(heard.terminate, std::optional(code::kMpaLocalCatastrophic));
            } else {
              ASSERT_EQ(heard.fpdus.size(), 1u);
              EXPECT_EQ(heard.fpdus[0].size(), 14u);
              EXPECT_FALSE(heard.terminate);
            }
            if (!by_reject) {
              EXPECT_TRUE(scene.victim.bell.wait([&] { return scene.victim.closed.load(); }));
              scene.victim.connection = nullptr;
              scene.victim.closed = false;
            }
            EXPECT_EQ(scene.counters().connect_failures.load(), 1u);
          },
          4);
    }
  }
}

TEST(R_REJ_01, RejectAfterThePeerLeftSaysSo) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.raw.connect(scene.at));
    ASSERT_TRUE(scene.raw.send(request_octets()));
    ASSERT_TRUE(scene.host.wait_request());
    ASSERT_TRUE(scene.raw.close(Close::orderly));
    ASSERT_TRUE(scene.victim.bell.wait([&] { return scene.victim.abandoned.load(); }));
    EXPECT_EQ(scene.victim.connection->reject({}), CmStatus::aborted);
  });
}

TEST(R_REJ_04, ARejectIsAReplyWithItsPrivateData) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.raw.connect(scene.at));
    ASSERT_TRUE(scene.raw.send(request_octets()));
    ASSERT_TRUE(scene.host.wait_request());
    const Octets data = pattern(252);
    ASSERT_EQ(scene.victim.connection->reject(data), CmStatus::success);
    const auto frame = scene.raw.read_frame(iwarp::MpaKind::reply);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(frame->reject);
    EXPECT_TRUE(std::ranges::equal(frame->private_data.bytes(), data));
    expect_end(scene.raw);
    // Dead: only close is legal (R-REJ-03).
    EXPECT_EQ(scene.victim.connection->reject({}), CmStatus::wrong_state);
    EXPECT_EQ(scene.victim.start_accept(), CmStatus::wrong_state);
  });
}

/// Closes its listener inside the connect event that hands over a connection.
class ClosingHost final : public rdma::ListenerSink {
 public:
  ClosingHost(Peer& taker, io::World& world) : taker_(taker), world_(world) {}
  ~ClosingHost() { visits_.wait(world_.executor); }
  void on_connect_request(Incoming& incoming) noexcept override {
    const Visits::Visit visit(visits_);
    taker_.connection = incoming.take(taker_);
    listener->close();
    taken = true;
    taker_.bell.ring();
  }
  void on_listener_closed() noexcept override {
    const Visits::Visit visit(visits_);
    closed = true;
    taker_.bell.ring();
  }
  OwnedInterface<rdma::Listener> listener;
  std::atomic<bool> taken{false}, closed{false};

 private:
  Peer& taker_;
  io::World& world_;
  Visits visits_;
};

TEST(R_CLS_08, AConnectionTakenWhileItsListenerClosesIsNotTakenBack) {
  in_every_world([](io::World& world) {
    auto device = make_device(world, patient());
    Peer taker(world, *device);
    ClosingHost host(taker, world);
    host.listener = std::move(*device->create_listener(host));
    const Address at = *host.listener->listen(loopback());
    RawPeer raw(world);
    ASSERT_TRUE(raw.connect(at));
    ASSERT_TRUE(raw.send(request_octets()));
    ASSERT_TRUE(taker.bell.wait([&] { return host.taken.load() && host.closed.load(); }));
    ASSERT_EQ(taker.start_accept(), CmStatus::pending);
    ASSERT_TRUE(raw.read_frame(iwarp::MpaKind::reply));
    ASSERT_TRUE(raw.send(rtr_octets()));
    EXPECT_EQ(taker.wait_established(), CmStatus::success);
    taker.close_all();
  });
}

}  // namespace
}  // namespace softndk::rnic::test
