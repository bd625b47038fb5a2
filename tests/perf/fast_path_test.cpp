// No allocation and no lock where requests are posted, arrive and are polled (ARCHITECTURE.md, flows 1 and 3).
#include "call_counters.h"
#include "channel.h"
#include "fast_region.h"

namespace softndk::stack {
namespace {

using perf::Calls;

constexpr std::size_t kBytes = 64 * 1024;
constexpr QpShape kShape{.receive_depth = 64, .initiator_depth = 64, .sges = 4, .inline_bytes = 256, .cq_depth = 256};

/// The library's own allocations, by its hook: in a simulation, whose network allocates like any program, the C
/// library's count would say nothing.
class LibraryAllocations {
 public:
  LibraryAllocations() {
    set_fault_hook(
        [](void* self, const char* what) noexcept {
          const std::string_view call(what);
          if (call == "allocate" || call == "map") static_cast<LibraryAllocations*>(self)->count_.fetch_add(1);
          return false;
        },
        this);
  }
  ~LibraryAllocations() { set_fault_hook(nullptr, nullptr); }
  std::uint64_t count() const { return count_.load(); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

/// Two connected ends, both worked by this thread, and each request that there is, by name.
class Ends {
 public:
  explicit Ends(Stage& stage)
      : world_(stage.world), channel_(stage, kShape, kBytes), lam_(*stage.adapter, channel_.there.memory) {}
  bool established() const { return channel_.established; }

  NTSTATUS post_receive() { return passive_.receive(there_); }
  NTSTATUS post_send() { return active_.send(small_); }
  NTSTATUS post_inline() { return active_.send(small_, 2, NDK_OP_FLAG_INLINE); }
  NTSTATUS post_write() { return active_.write(here_, remote_address_, remote_token_); }
  NTSTATUS post_small_write() { return active_.write(small_, remote_address_, remote_token_); }
  NTSTATUS post_read() { return active_.read(here_, remote_address_, remote_token_); }
  NTSTATUS post_fast_register_and_invalidate() {
    const NTSTATUS registered = post_fast_register();
    return registered == STATUS_SUCCESS ? post_invalidate() : registered;
  }
  NTSTATUS post_fast_register() { return region_.enlist(passive_, lam_, kBytes, 0x7000'0000'0000, kFastAll); }
  NTSTATUS post_invalidate() { return region_.invalidate(passive_); }

  Side& active() { return active_; }
  Side& passive() { return passive_; }

  /// Until a result has come, without a wait of the kernel's, which has locks of its own.
  bool finish(Side& side) {
    NDK_RESULT_EX result;
    const io::TimeNs patience = world_.clock.now_ns() + 60 * io::kSecond;
    while (!side.queue.poll(result)) {
      if (world_.clock.now_ns() > patience) return false;
      world_.executor.yield();
    }
    return result.Status == STATUS_SUCCESS;
  }
  bool notified(Side& side) { return side.queue.next_status() == STATUS_SUCCESS; }

  /// One of each; `sleeps`: waits to be notified, in place of polling.
  void round(bool sleeps) {
    const auto over = [&](Side& side) { return sleeps ? notified(side) : finish(side); };
    for (auto post : {&Ends::post_send, &Ends::post_inline}) {
      ASSERT_EQ(post_receive(), STATUS_SUCCESS);
      ASSERT_EQ((this->*post)(), STATUS_SUCCESS);
      ASSERT_TRUE(over(active_) && over(passive_));
    }
    for (auto post : {&Ends::post_write, &Ends::post_small_write, &Ends::post_read}) {
      ASSERT_EQ((this->*post)(), STATUS_SUCCESS);
      ASSERT_TRUE(over(active_));
    }
    for (auto post : {&Ends::post_fast_register, &Ends::post_invalidate}) {
      ASSERT_EQ((this->*post)(), STATUS_SUCCESS);
      ASSERT_TRUE(over(passive_));
    }
  }

 private:
  io::World world_;
  Channel channel_;
  Side& active_ = channel_.active;
  Side& passive_ = channel_.passive;
  const NDK_SGE here_ = channel_.here.all();
  const NDK_SGE small_ = channel_.here.sge(0, 64);
  const NDK_SGE there_ = channel_.there.all();
  const UINT64 remote_address_ = channel_.there.address();
  const UINT32 remote_token_ = channel_.there.token();
  Lam lam_;
  FastRegion region_{passive_.pd.get(), lam_.page_count()};
};

constexpr unsigned kWarmUp = 150;  // more than a lap of each ring
constexpr unsigned kRounds = 300;

void run_rounds(Ends& ends, unsigned count) {
  for (unsigned i = 0; i < count && !testing::Test::HasFatalFailure(); ++i)
    ends.round(i % 2 == 0);
}

template <class Body>
void on_linux(Body body, const std::vector<Setting>& settings = {}) {
  auto world = net::World::create();
  ASSERT_TRUE(world);
  Stage stage((*world)->view(), setting_values("default", settings));
  body(stage);
}

TEST(FastPath, AllocatesNothingOverRealSockets) {
  on_linux([](Stage& stage) {
    Ends ends(stage);
    ASSERT_TRUE(ends.established());
    run_rounds(ends, kWarmUp);
    const Calls before = perf::calls_of_all_threads();
    run_rounds(ends, kRounds);
    EXPECT_EQ((perf::calls_of_all_threads() - before).allocations, 0U);
  });
}

TEST(FastPath, AllocatesNothingInSimulation) {
  in_simulation(12, [](Stage& stage) {
    Ends ends(stage);
    ASSERT_TRUE(ends.established());
    run_rounds(ends, kWarmUp);
    const LibraryAllocations allocations;
    run_rounds(ends, kRounds / 10);
    EXPECT_EQ(allocations.count(), 0U);
  });
}

TEST(FastPath, AnAllocationOnItWouldBeSeen) {
  on_linux([](Stage& stage) {
    const Memory memory(kBytes);
    const Calls before = perf::calls_of_all_threads();
    const LibraryAllocations allocations;
    const Lam lam(*stage.adapter, memory);
    EXPECT_GE((perf::calls_of_all_threads() - before).allocations, 1U);
    EXPECT_GE(allocations.count(), 1U);
  });
}

/// How many locks the calling thread takes in `calls` of `call()`; after each `finish()`, which does not count.
template <class Call, class Finish>
std::uint64_t locks_in(Call call, Finish finish, unsigned calls = 200) {
  std::uint64_t locks = 0;
  for (unsigned i = 0; i < calls && !testing::Test::HasFatalFailure(); ++i) {
    const Calls before = perf::calls_of_this_thread();
    call();
    locks += (perf::calls_of_this_thread() - before).locks;
    finish();
  }
  return locks;
}

TEST(FastPath, PostingTakesNoLock) {
  on_linux([](Stage& stage) {
    Ends ends(stage);
    ASSERT_TRUE(ends.established());
    run_rounds(ends, kWarmUp);
    struct Case {
      const char* name;
      NTSTATUS (Ends::*post)();
      bool to_receive;
    };
    const Case cases[] = {
        {"Send", &Ends::post_send, true},
        {"Send inline", &Ends::post_inline, true},
        {"Write", &Ends::post_small_write, false},
        {"Read", &Ends::post_read, false},
    };
    for (const Case& each : cases) {
      const auto post = [&] {
        if (each.to_receive) {
          ASSERT_EQ(ends.post_receive(), STATUS_SUCCESS);
        }
        ASSERT_EQ((ends.*each.post)(), STATUS_SUCCESS);
      };
      const auto finish = [&] {
        ASSERT_TRUE(ends.finish(ends.active()));
        if (each.to_receive) {
          ASSERT_TRUE(ends.finish(ends.passive()));
        }
      };
      EXPECT_EQ(locks_in(post, finish), 0U) << each.name;
    }
    // Not yet: these take the lock of their own region, which nobody else wants but who takes its token away.
    const auto post_both = [&] { ASSERT_EQ(ends.post_fast_register_and_invalidate(), STATUS_SUCCESS); };
    const auto finish_both = [&] { ASSERT_TRUE(ends.finish(ends.passive()) && ends.finish(ends.passive())); };
    RecordProperty("locks_of_200_fast_registers_and_invalidates",
                   std::to_string(locks_in(post_both, finish_both)).c_str());
  });
}

TEST(FastPath, PollingAndArmingTakeNoLock) {
  on_linux(
      [](Stage& stage) {
        Ends ends(stage);
        ASSERT_TRUE(ends.established());
        run_rounds(ends, kWarmUp);
        NDK_RESULT_EX result;
        Queue& queue = ends.active().queue;
        EXPECT_EQ(locks_in([&] { ASSERT_FALSE(queue.poll(result)); }, [] {}), 0U) << "of an empty queue";
        const auto read = [&] { ASSERT_EQ(ends.post_read(), STATUS_SUCCESS); };
        read();
        EXPECT_EQ(locks_in([&] { ASSERT_TRUE(ends.finish(ends.active())); }, read), 0U) << "until its result is there";
        EXPECT_EQ(locks_in([&] { queue.cq.table()->NdkArmCq(queue.cq.get(), NDK_CQ_NOTIFY_ANY); }, [] {}), 0U);
      },
      {{"poll_reads", "off"}});
}

TEST(FastPath, PollsThatReadSocketsTakeLocksOnlyWhereTheyBeginAndEnd) {
  on_linux([](Stage& stage) {
    Ends ends(stage);
    ASSERT_TRUE(ends.established());
    run_rounds(ends, kWarmUp);
    NDK_RESULT_EX result;
    Queue& queue = ends.active().queue;
    // A machine that gives us no time ends a stint, and the next begins: a few locks for some sixty polls or more.
    constexpr unsigned kPolls = 20'000;
    EXPECT_LT(locks_in([&] { ASSERT_FALSE(queue.poll(result)); }, [] {}, kPolls), kPolls / 10);
  });
}

TEST(FastPath, ALockOnItWouldBeSeen) {
  Mutex mutex;
  EXPECT_EQ(locks_in([&] { const MutexLock lock(mutex); }, [] {}), 200U);
}

}  // namespace
}  // namespace softndk::stack
