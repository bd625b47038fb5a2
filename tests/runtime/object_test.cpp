// Objects as memory that the consumer and the operating system share with the provider (spec/ndkpi.md 1.2), and their
// close in all orders.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <random>

#include "stage.h"

namespace softndk::stack {
namespace {

/// One established connection and whatever else there is.
struct Everything {
  explicit Everything(Stage& stage)
      : pair(stage),
        here(pair.active.pd.get(), 64),
        there(pair.passive.pd.get(), 64),
        idle(stage.adapter->connector()) {
    EXPECT_TRUE(pair.establish());
  }
  std::vector<NDK_OBJECT_HEADER*> headers() {
    return {&pair.active.queue.cq->Header,
            &pair.active.pd->Header,
            &pair.active.qp->Header,
            &pair.active.connector->Header,
            &pair.passive.connector->Header,
            &pair.door.listener->Header,
            &here.mr->Header,
            &idle->Header};
  }
  /// The connection works.
  void use() {
    here.memory.fill(9);
    ASSERT_EQ(pair.active.write(here.all(), there.address(), there.token()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(here.memory.same(there.memory, 64));
  }
  void leave() {
    Request leaving;
    const NTSTATUS returned = pair.active.begin_disconnect(leaving);
    ASSERT_TRUE(pair.passive.left.wait());
    EXPECT_EQ(pair.passive.disconnect(), STATUS_SUCCESS);
    EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
  }
  Pair pair;
  Region here, there;
  Object<NDK_CONNECTOR> idle;
};

TEST(R_OBJ_02, EveryObjectCarriesTheVersionOfItsAdapter) {
  everywhere([](Stage& stage) {
    for (const NDK_VERSION version : {NDK_VERSION{1, 1}, NDK_VERSION{1, 2}, NDK_VERSION{2, 0}, NDK_VERSION{2, 1}}) {
      OpenAdapter adapter(stage.loopback_index(), version);
      ASSERT_EQ(adapter.status, STATUS_SUCCESS);
      const NDK_VERSION reported = adapter.info.Version;
      EXPECT_EQ(reported.Major, version.Major) << "so that they are not all alike";
      Side active(adapter), passive(adapter);
      Region region(active.pd.get(), 64);
      Door door(adapter);
      ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
      Request connecting;
      const NTSTATUS returned = active.begin_connect(connecting, Sockaddr("127.0.0.1"), door.address());
      passive.connector = door.next();  // an object that an event brings
      ASSERT_TRUE(passive.connector);
      for (const NDK_OBJECT_HEADER* header :
           {&adapter.adapter->Header, &active.queue.cq->Header, &active.pd->Header, &active.qp->Header,
            &active.connector->Header, &passive.connector->Header, &door.listener->Header, &region.mr->Header}) {
        EXPECT_EQ(header->Version.Major, reported.Major);
        EXPECT_EQ(header->Version.Minor, reported.Minor);
      }
      EXPECT_EQ(passive.reject(), STATUS_SUCCESS);
      EXPECT_EQ(connecting.finish(returned), STATUS_CONNECTION_REFUSED);
      passive.close();
    }
  });
}

TEST(R_OBJ_04, TheReservedWordsAreZeroAtFirstAndNeverWrittenAgain) {
  // Zero when handed over: take_over() of reserved_words.h looks at each object of every test, and then fills them.
  everywhere([](Stage& stage) {
    Everything all(stage);
    all.use();
    all.leave();
    for (const NDK_OBJECT_HEADER* header : all.headers())
      EXPECT_TRUE(reserved_is(*header, kReservedWord)) << "type " << header->ObjectType;
    for (const PVOID word : stage.adapter->adapter->Header.NdkReserved.rf)
      EXPECT_EQ(word, nullptr);
  });
}

TEST(R_OBJ_05, WhateverTheReservedWordsHoldNothingDependsOnIt) {
  everywhere([](Stage& stage) {
    for (const std::uintptr_t word : {std::uintptr_t{0}, ~std::uintptr_t{0}, std::uintptr_t{16}}) {
      Everything all(stage);
      const auto fill = [&](std::uintptr_t with) {
        for (NDK_OBJECT_HEADER* header : all.headers())
          for (PVOID& each : header->NdkReserved.rf)
            each = reinterpret_cast<PVOID>(with);
        for (PVOID& each : stage.adapter->adapter->Header.NdkReserved.rf)
          each = reinterpret_cast<PVOID>(with);
      };
      fill(word);
      all.use();
      fill(~word);
      all.leave();
      fill(kReservedWord);  // what the destructors look for
    }
  });
}

TEST(R_OBJ_07, EverythingEndsWithNoTableInAnyObject) {
  everywhere([](Stage& stage) {
    OpenAdapter adapter(stage.loopback_index());
    ASSERT_EQ(adapter.status, STATUS_SUCCESS);
    Side active(adapter), passive(adapter);
    Door door(adapter);
    ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    const Sockaddr from("127.0.0.1"), at = door.address();
    Request connecting, accepting;
    const NTSTATUS connect_returned = active.begin_connect(connecting, from, at);
    passive.connector = door.next();
    ASSERT_TRUE(passive.connector);
    const NTSTATUS accept_returned = passive.begin_accept(accepting);
    ASSERT_EQ(connecting.finish(connect_returned), STATUS_SUCCESS);
    ASSERT_EQ(active.complete(), STATUS_SUCCESS);
    ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
    Region region(active.pd.get(), 64);
    ASSERT_EQ(active.receive(region.all()), STATUS_SUCCESS);
    Side late(adapter);  // its request is never answered
    Request unanswered;
    const NTSTATUS unanswered_returned = late.begin_connect(unanswered, from, at);
    Object<NDK_CONNECTOR> waiting = door.next();
    ASSERT_TRUE(waiting);

    // Every object's close function is kept and its table taken away: a read of one would fault.
    struct Closing {
      NDK_OBJECT_HEADER* header = nullptr;
      NDK_FN_CLOSE_OBJECT close = nullptr;
      Request request;
      NTSTATUS returned = STATUS_UNSUCCESSFUL;
    };
    std::deque<Closing> closings;
    const auto take_table = [&](auto& object) {
      auto* raw = object.release();
      Closing& closing = closings.emplace_back();
      closing.header = &raw->Header;
      closing.close = closer(raw);
      raw->Dispatch = nullptr;
    };
    take_table(door.listener);
    take_table(waiting);
    for (Side* side : {&active, &passive, &late}) {
      take_table(side->connector);
      take_table(side->qp);
      take_table(side->queue.cq);
    }
    take_table(region.mr);
    for (Side* side : {&active, &passive, &late})
      take_table(side->pd);
    const NDK_ADAPTER_DISPATCH* adapter_table = std::exchange(adapter.adapter->Dispatch, nullptr);
    ASSERT_NE(adapter_table, nullptr);
    for (Closing& each : closings)
      each.returned = each.close(each.header, &Request::closed, &each.request);
    for (Closing& each : closings)
      EXPECT_EQ(each.request.finish(each.returned), STATUS_SUCCESS);
    const NTSTATUS status = unanswered.finish(unanswered_returned);
    EXPECT_TRUE(status == STATUS_CANCELLED || status == STATUS_CONNECTION_REFUSED);
    adapter.close();
  });
}

/// Whether the memory at `address` cannot be written.
bool is_read_only(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::FILE* maps = std::fopen("/proc/self/maps", "r");
  if (maps == nullptr) return false;
  bool answer = false;
  char line[512];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    std::uintptr_t from = 0, to = 0;
    char rights[5] = {};
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) != 3) continue;
    if (wanted >= from && wanted < to) answer = rights[0] == 'r' && rights[1] == '-';
  }
  std::fclose(maps);
  return answer;
}

TEST(R_OBJ_09, TablesLieInReadOnlyMemoryAndAreTheSameForEveryObjectOfAType) {
  everywhere([](Stage& stage) {
    Everything all(stage);
    Side& a = all.pair.active;
    Side& b = all.pair.passive;
    const void* const tables[] = {
        stage.adapter->adapter->Dispatch, a.queue.cq->Dispatch, a.pd->Dispatch, a.qp->Dispatch, a.connector->Dispatch,
        all.pair.door.listener->Dispatch, all.here.mr->Dispatch};
    for (const void* table : tables)
      EXPECT_TRUE(is_read_only(table));
    EXPECT_EQ(a.queue.cq->Dispatch, b.queue.cq->Dispatch);
    EXPECT_EQ(a.pd->Dispatch, b.pd->Dispatch);
    EXPECT_EQ(a.qp->Dispatch, b.qp->Dispatch);
    EXPECT_EQ(a.connector->Dispatch, b.connector->Dispatch);
    EXPECT_EQ(all.here.mr->Dispatch, all.there.mr->Dispatch);
  });
}

TEST(R_OBJ_10, TheHeadersAddressIsTheObjectsAndAllThatACallNeeds) {
  // One type's function gets another object of its type and works on that one: there is nothing else to go by.
  everywhere([](Stage& stage) {
    Everything all(stage);
    Side& a = all.pair.active;
    Side& b = all.pair.passive;
    EXPECT_EQ(static_cast<void*>(&a.qp->Header), static_cast<void*>(a.qp.get()));
    EXPECT_EQ(static_cast<void*>(&a.connector->Header), static_cast<void*>(a.connector.get()));
    const auto extension = a.qp->Dispatch->NdkQueryExtension;
    GUID id{};
    NDK_EXTENSION_INTERFACE interface { nullptr };
    EXPECT_EQ(extension(reinterpret_cast<NDK_OBJECT_HEADER*>(b.qp.get()), &id, {1, 0}, &interface),
              STATUS_NOT_SUPPORTED);
    EXPECT_NE(all.here.mr->Dispatch->NdkGetRemoteTokenFromMr(all.there.mr.get()), all.here.token());
    const auto close_connector = a.connector->Dispatch->NdkCloseConnector;
    Request request;
    NTSTATUS returned = STATUS_UNSUCCESSFUL;
    void* address = b.connector.release();
    DriverThread elsewhere(
        [&] { returned = close_connector(static_cast<NDK_OBJECT_HEADER*>(address), &Request::closed, &request); });
    elsewhere.join();
    EXPECT_EQ(request.finish(returned), STATUS_SUCCESS);
    EXPECT_TRUE(a.left.wait()) << "the peer's was closed, and not ours";
    EXPECT_EQ(a.disconnect(), STATUS_CONNECTION_ABORTED);
  });
}

TEST(R_CLS_06, EverythingAtOnceInAnyOrder) {
  // An established connection in use, one that waits for its answer, regions, a listener: closed in an order that the
  // seed draws, none waited for, the adapter right behind.
  std::uint64_t round = 0;
  everywhere(
      [&round](Stage& stage) {
        OpenAdapter adapter(stage.loopback_index());
        ASSERT_EQ(adapter.status, STATUS_SUCCESS);
        Side active(adapter), passive(adapter), late(adapter);
        Door door(adapter);
        ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
        const Sockaddr from("127.0.0.1"), at = door.address();
        Request connecting, accepting, unanswered;
        const NTSTATUS connect_returned = active.begin_connect(connecting, from, at);
        passive.connector = door.next();
        ASSERT_TRUE(passive.connector);
        const NTSTATUS accept_returned = passive.begin_accept(accepting);
        ASSERT_EQ(connecting.finish(connect_returned), STATUS_SUCCESS);
        ASSERT_EQ(active.complete(), STATUS_SUCCESS);
        ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
        const NTSTATUS late_returned = late.begin_connect(unanswered, from, at);
        Object<NDK_CONNECTOR> waiting = door.next();
        ASSERT_TRUE(waiting);
        Region here(active.pd.get(), 20'000), there(passive.pd.get(), 20'000);
        for (int i = 0; i < 4; ++i) {
          ASSERT_EQ(passive.receive(there.all()), STATUS_SUCCESS);
          ASSERT_EQ(active.send(here.all()), STATUS_SUCCESS);
          ASSERT_EQ(active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
        }
        std::deque<Request> requests(15);
        std::vector<NTSTATUS> returned(requests.size(), STATUS_UNSUCCESSFUL);
        std::vector<std::function<NTSTATUS(Request&)>> closes;
        const auto later_close = [&](auto& object) {
          closes.push_back([&object](Request& request) { return object.begin_close(request); });
        };
        later_close(door.listener);
        later_close(waiting);
        for (Side* side : {&active, &passive, &late}) {
          later_close(side->connector);
          later_close(side->qp);
          later_close(side->queue.cq);
          later_close(side->pd);
        }
        later_close(here.mr);
        // The other region stays open for longer, and its domain with it.
        std::mt19937_64 random(++round);
        std::shuffle(closes.begin(), closes.end(), random);
        ASSERT_EQ(closes.size(), requests.size());
        for (std::size_t i = 0; i < closes.size(); ++i)
          returned[i] = closes[i](requests[i]);
        there.mr.close();
        adapter.close();
        for (std::size_t i = 0; i < closes.size(); ++i) {
          EXPECT_TRUE(returned[i] != STATUS_PENDING || requests[i].is_done()) << "the adapter's close waits for it";
          EXPECT_EQ(requests[i].finish(returned[i]), STATUS_SUCCESS);
        }
        const NTSTATUS status = unanswered.finish(late_returned);
        EXPECT_TRUE(status == STATUS_CANCELLED || status == STATUS_CONNECTION_REFUSED);
      },
      {}, 120);
}

TEST(R_CLS_22, UnreadCompletionsGoWithTheirQueue) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    {
      Region here(pair.active.pd.get(), 64), there(pair.passive.pd.get(), 64);
      for (int i = 0; i < 8; ++i) {
        ASSERT_EQ(pair.active.receive(here.all()), STATUS_SUCCESS);
        ASSERT_EQ(pair.active.write(here.all(), there.address(), there.token()), STATUS_SUCCESS);
      }
      ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);  // there are some, of both kinds
    }
    pair.active.connector.close();  // flushes the receives
    pair.active.qp.close();
    Request closing;
    const NTSTATUS returned = pair.active.queue.cq.begin_close(closing);
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS) << "nothing waits for their being read";
  });
}

TEST(R_CLS_14_DeathTest, TheAdaptersCloseInsideACallbackNamesTheCall) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto close_inside = [] {
    in_simulation(1,
                  [](Stage& stage) {
                    struct Unloader {
                      OpenAdapter& adapter;
                      Event done;
                      static VOID created(PVOID context, NTSTATUS, NDK_OBJECT_HEADER*) {
                        auto* self = static_cast<Unloader*>(context);
                        self->adapter.close();
                        self->done.set();
                      }
                    } unloader{*stage.adapter, {}};
                    NDK_ADAPTER* adapter = stage.adapter->adapter;
                    NDK_PD* pd = nullptr;
                    adapter->Dispatch->NdkCreatePd(adapter, &Unloader::created, &unloader, &pd);
                    static_cast<void>(unloader.done.wait());
                  },
                  {{"policy", "later"}});
  };
  EXPECT_DEATH(close_inside(), "WskCloseNdkAdapter called at DISPATCH_LEVEL .*allowed: PASSIVE_LEVEL");
}

}  // namespace
}  // namespace softndk::stack
