// What the tree of live objects says of a consumer's objects, with and without an interposer between.
#include <algorithm>

#include "ntrt/object_tree.h"
#include "stage.h"

namespace softndk::stack {
namespace {

struct Met {
  ntrt::NodeRecord record;
  std::string state() const { return record.text.state; }
  bool says(const char* words) const { return state().find(words) != std::string::npos; }
};

std::vector<Met> everything_that_lives() {
  std::vector<Met> met;
  ntrt::TreeWalk walk;
  ntrt::NodeRecord record;
  while (walk.next(record))
    met.push_back({record});
  return met;
}

const Met* find(const std::vector<Met>& in, const void* object) {
  const auto found = std::find_if(in.begin(), in.end(), [&](const Met& each) { return each.record.object == object; });
  return found == in.end() ? nullptr : &*found;
}
/// A request of `object`.
const Met* pending_on(const std::vector<Met>& in, const void* object) {
  const Met* owner = find(in, object);
  if (owner == nullptr) return nullptr;
  const auto found = std::find_if(in.begin(), in.end(), [&](const Met& each) {
    return each.record.object == nullptr && each.record.parent == owner->record.id;
  });
  return found == in.end() ? nullptr : &*found;
}

TEST(LiveObjects, StandUnderTheirParentsAsTheConsumerKnowsThem) {
  everywhere([](Stage& stage) {
    {
      Pair pair(stage);
      ASSERT_TRUE(pair.establish());
      Region region(pair.active.pd.get(), 64);
      const std::vector<Met> live = everything_that_lives();
      const auto parent_of = [&](const void* object) -> const void* {
        const Met* met = find(live, object);
        if (met == nullptr) return nullptr;
        for (const Met& each : live)
          if (each.record.id == met->record.parent) return each.record.object;
        return nullptr;
      };
      const NDK_ADAPTER* adapter = stage.adapter->adapter;
      ASSERT_NE(find(live, adapter), nullptr);
      EXPECT_EQ(find(live, adapter)->record.depth, 0u);
      EXPECT_EQ(parent_of(pair.active.pd.get()), adapter);
      EXPECT_EQ(parent_of(pair.active.queue.cq.get()), adapter);
      EXPECT_EQ(parent_of(pair.active.qp.get()), pair.active.pd.get());
      EXPECT_EQ(parent_of(region.mr.get()), pair.active.pd.get());
      EXPECT_EQ(parent_of(pair.active.connector.get()), adapter);
      EXPECT_EQ(parent_of(pair.passive.connector.get()), adapter) << "the one that a listener raised";
      EXPECT_EQ(parent_of(pair.door.listener.get()), adapter);
      for (const Met& each : live)
        EXPECT_EQ(each.record.text.interface_index, stage.loopback_index());
    }
    EXPECT_EQ(everything_that_lives().size(), 1u) << "the adapter alone";
  });
}

TEST(LiveObjects, SayTheirStateAndAddresses) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region region(pair.active.pd.get(), 64);
    const std::vector<Met> live = everything_that_lives();
    const Met* connector = find(live, pair.active.connector.get());
    ASSERT_NE(connector, nullptr);
    EXPECT_TRUE(connector->says("connected")) << connector->state();
    EXPECT_TRUE(connector->says("over qp 0x")) << connector->state();
    ASSERT_TRUE(connector->record.text.local && connector->record.text.peer);
    EXPECT_EQ(connector->record.text.peer->port, pair.at.port());
    const Met* listener = find(live, pair.door.listener.get());
    ASSERT_NE(listener, nullptr);
    EXPECT_TRUE(listener->says("listening")) << listener->state();
    const Met* qp = find(live, pair.active.qp.get());
    ASSERT_NE(qp, nullptr);
    EXPECT_TRUE(qp->says("0 initiator requests")) << qp->state();
    const Met* mr = find(live, region.mr.get());
    ASSERT_NE(mr, nullptr);
    EXPECT_TRUE(mr->says("registered, tokens 0x")) << mr->state();
  });
}

TEST(LiveObjects, APostedReceiveIsCountedUntilItIsOver) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region region(pair.passive.pd.get(), 64), from(pair.active.pd.get(), 64);
    const auto says = [&](const char* words) {
      const std::vector<Met> live = everything_that_lives();
      const Met* qp = find(live, pair.passive.qp.get());
      return qp != nullptr && qp->says(words);
    };
    ASSERT_EQ(pair.passive.receive(region.all()), STATUS_SUCCESS);
    EXPECT_TRUE(says("1 receives outstanding"));
    ASSERT_EQ(pair.active.send(from.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(says("0 receives outstanding"));
  });
}

TEST(LiveObjects, APendingRequestIsNamedWithWhoCanCompleteIt) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Request connecting;
    const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at, {}, {});
    ASSERT_EQ(returned, STATUS_PENDING);
    pair.passive.connector = pair.door.next();
    ASSERT_TRUE(pair.passive.connector);
    {
      const std::vector<Met> live = everything_that_lives();
      const Met* request = pending_on(live, pair.active.connector.get());
      ASSERT_NE(request, nullptr);
      EXPECT_TRUE(request->says("NdkConnect, pending for")) << request->state();
      EXPECT_TRUE(request->says("completes when the peer answers")) << request->state();
      EXPECT_TRUE(find(live, pair.active.connector.get())->says("held by 1 request"));
      EXPECT_TRUE(find(live, pair.active.connector.get())->says("connecting"));
    }
    pair.accept_returned = pair.passive.begin_accept(pair.accepting, {}, {});
    EXPECT_EQ(connecting.finish(returned), STATUS_SUCCESS);
    {
      const std::vector<Met> live = everything_that_lives();
      EXPECT_EQ(pending_on(live, pair.active.connector.get()), nullptr);
      const Met* request = pending_on(live, pair.passive.connector.get());
      ASSERT_NE(request, nullptr);
      EXPECT_TRUE(request->says("NdkAccept, pending for")) << request->state();
    }
    EXPECT_EQ(pair.active.complete(), STATUS_SUCCESS);
    EXPECT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_SUCCESS);
    EXPECT_EQ(pending_on(everything_that_lives(), pair.passive.connector.get()), nullptr);
  });
}

TEST(LiveObjects, AClosedObjectThatIsStillHeldSaysSo) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    {
      const NDK_PD* known = pd.get();
      Object<NDK_MR> mr;
      ASSERT_EQ(create(mr, [&](auto... rest) { return known->Dispatch->NdkCreateMr(pd.get(), FALSE, rest...); }),
                STATUS_SUCCESS);
      Request closing;
      ASSERT_EQ(pd.begin_close(closing), STATUS_PENDING);
      const std::vector<Met> live = everything_that_lives();
      const Met* met = find(live, known);
      ASSERT_NE(met, nullptr);
      EXPECT_TRUE(met->says("closing for")) << met->state();
      EXPECT_TRUE(met->says("held by 1 successor")) << met->state();
      mr.close();
      EXPECT_EQ(closing.finish(STATUS_PENDING), STATUS_SUCCESS);
    }
    // It is there until its completion has returned, which comes a moment after what that told us.
    for (int i = 0; everything_that_lives().size() != 1 && i < 1000; ++i)
      pass_ms(1);
    EXPECT_EQ(everything_that_lives().size(), 1u);
  });
}

TEST(LiveObjects, KnowTheirCreatorAlsoThroughAnInterposer) {
  everywhere(
      [](Stage& stage) {
        Object<NDK_PD> pd = stage.adapter->pd();
        const std::vector<Met> live = everything_that_lives();
        const Met* met = find(live, pd.get());
        ASSERT_NE(met, nullptr);
        ASSERT_NE(met->record.stack, nullptr);
        // The stack begins at the consumer's own frame, which called the table; nothing of the library is before it.
        EXPECT_EQ(met->record.stack->frames[0], met->record.created_by);
      },
      {{"object_stacks", "on"}}, 2);
}

}  // namespace
}  // namespace softndk::stack
