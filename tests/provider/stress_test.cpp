// The same contracts on real threads, for ThreadSanitizer: many threads create and close in every order at once.
#include <memory>
#include <random>

#include "net/world.h"
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

/// Creates a small tree of objects and closes it in an order of its own, antecedents before successors too.
void one_round(Rig& rig, std::mt19937& random) {
  NDK_PD* pd = rig.pd();
  NDK_CQ* cq = rig.cq();
  NDK_QP* qp = rig.qp(pd, cq, cq);
  NDK_MR* mr = rig.mr(pd);
  NDK_CONNECTOR* connector = rig.connector();
  std::vector<std::pair<NDK_OBJECT_HEADER*, NDK_FN_CLOSE_OBJECT>> objects = {
      {&pd->Header, pd->Dispatch->NdkClosePd},
      {&cq->Header, cq->Dispatch->NdkCloseCq},
      {&qp->Header, qp->Dispatch->NdkCloseQp},
      {&mr->Header, mr->Dispatch->NdkCloseMr},
      {&connector->Header, connector->Dispatch->NdkCloseConnector}};
  std::shuffle(objects.begin(), objects.end(), random);
  std::deque<Seen> closes(objects.size());
  std::vector<bool> pending;
  for (std::size_t i = 0; i < objects.size(); ++i)
    pending.push_back(objects[i].second(objects[i].first, Seen::closed, &closes[i]) == STATUS_PENDING);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (pending[i]) closes[i].wait();
    EXPECT_EQ(closes[i].calls, pending[i] ? 1 : 0);
  }
}

/// Every mode, and with order and latency between.
std::vector<Settings> all_policies() {
  std::vector<Settings> all;
  for (CompletionMode mode : kAllModes)
    all.push_back(policy(mode));
  for (std::uint64_t latency_ns : {0, 50'000}) {
    Settings& held = all.emplace_back(policy(CompletionMode::mixed));
    held.order_seed = 7;
    held.latency_ns = latency_ns;
  }
  return all;
}

TEST(R_CONN_20, ThreadsCreateAndCloseAtOnceInEveryMode) {
  for (const Settings& settings : all_policies()) {
    net::Options two_processors;
    two_processors.processors = 2;
    const auto world = net::World::create(two_processors);
    ASSERT_TRUE(world);
    ntrt::Kernel running;
    ASSERT_TRUE(running.start((*world)->view()));
    {
      Rig rig(settings);
      struct Worker {
        Rig* rig = nullptr;
        unsigned seed = 0;
        ntrt::SystemThread thread;
      } workers[3];
      for (Worker& worker : workers) {
        worker.rig = &rig;
        worker.seed = static_cast<unsigned>(&worker - workers);
        ASSERT_TRUE(worker.thread.start(
            "worker",
            [](void* context) noexcept {
              Worker& self = *static_cast<Worker*>(context);
              std::mt19937 random(self.seed);
              for (int round = 0; round < 50; ++round)
                one_round(*self.rig, random);
            },
            &worker));
      }
      for (Worker& worker : workers)
        worker.thread.join();
    }
    running.stop();
  }
}

TEST(R_CLS_13, AdapterCloseRacesWithTheLastCompletions) {
  for (const Settings& settings : all_policies()) {
    net::Options two_processors;
    two_processors.processors = 2;
    const auto world = net::World::create(two_processors);
    ASSERT_TRUE(world);
    ntrt::Kernel running;
    ASSERT_TRUE(running.start((*world)->view()));
    for (int round = 0; round < 50; ++round) {
      Rig rig(settings);
      NDK_PD* pd = rig.pd();
      NDK_MR* mr = rig.mr(pd);
      Seen pd_closed, mr_closed;
      const NTSTATUS pd_status = begin_close(pd, pd->Dispatch->NdkClosePd, pd_closed);
      const NTSTATUS mr_status = begin_close(mr, mr->Dispatch->NdkCloseMr, mr_closed);
      rig.close_adapter();
      EXPECT_EQ(pd_closed.returned, pd_status == STATUS_PENDING);
      EXPECT_EQ(mr_closed.returned, mr_status == STATUS_PENDING);
    }
    running.stop();
  }
}

}  // namespace
}  // namespace softndk::provider
