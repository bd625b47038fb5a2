// The fast path, run for callgrind: each path many times over a simulated world in which nothing is left to chance but
// the order of threads, and that order is the seed's. scripts/instructions.py starts it and reads what callgrind wrote:
// one part for each path, of what ran between the two ends of a Counted.
//
// Prints one JSON object: what it was compiled with, and the operations of each path. Without callgrind it does the
// same and counts nothing.
#include <gnu/libc-version.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "channel.h"
#include "fast_region.h"

namespace softndk::stack {
namespace {

constexpr unsigned kRounds = 200;  // of each path
constexpr unsigned kBurst = 16;    // requests that are outstanding at once

/// What runs while one lives is counted.
struct Counted {
  Counted() { CALLGRIND_TOGGLE_COLLECT; }
  ~Counted() { CALLGRIND_TOGGLE_COLLECT; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
};

void say(const char* path, unsigned operations) {
  static bool first = true;
  std::printf("%s\n  \"%s\": %u", std::exchange(first, false) ? "" : ",", path, operations);
}

/// A path: `round` runs a few times uncounted, for what is only paid once, and then kRounds times.
template <class Round>
void measure(const char* path, unsigned operations_a_round, Round round) {
  constexpr unsigned kWarmUp = 40;  // more than a ring's lap
  for (unsigned i = 0; i < kWarmUp; ++i)
    round();
  CALLGRIND_ZERO_STATS;
  for (unsigned i = 0; i < kRounds; ++i)
    round();
  CALLGRIND_DUMP_STATS_AT(path);
  say(path, kRounds * operations_a_round);
}

class Paths {
 public:
  explicit Paths(Stage& stage)
      : world_(stage.world),
        channel_(stage, kShape, kBytes),
        lam_(*stage.adapter, channel_.there.memory),
        adapter_(*stage.adapter) {}

  void run() {
    ASSERT_TRUE(channel_.established);
    settle();
    posts();
    arrivals();
    polls();
    memory();
  }

 private:
  static constexpr std::size_t kBytes = 64 * 1024;
  static constexpr QpShape kShape{
      .receive_depth = 64, .initiator_depth = 64, .sges = 4, .inline_bytes = 256, .cq_depth = 256};

  /// Time passes until everything that is under way has arrived: a window many times as wide as the network's latency.
  void settle() {
    const io::TimeNs until = world_.clock.peek_ns() + 100 * io::kMicrosecond;
    while (world_.executor.park(until)) {
    }
  }
  void drain(Side& side) {
    NDK_RESULT_EX results[kBurst];
    while (const ULONG taken = poll(side, results)) {
      for (ULONG i = 0; i < taken; ++i)
        ASSERT_EQ(results[i].Status, STATUS_SUCCESS);
    }
  }
  static ULONG poll(Side& side, NDK_RESULT_EX (&results)[kBurst]) {
    return side.queue.cq.table()->NdkGetCqResultsEx(side.queue.cq.get(), results, kBurst);
  }
  void clean_up() {
    settle();
    drain(active_);
    drain(passive_);
  }
  void post_receives(unsigned count) {
    const NDK_SGE sge = channel_.there.all();
    for (unsigned i = 0; i < count; ++i)
      ASSERT_EQ(passive_.receive(sge), STATUS_SUCCESS);
  }
  /// Calls `post()`, which must succeed, and counts it.
  template <class Post>
  void counted(Post post) {
    NTSTATUS status;
    {
      const Counted count;
      status = post();
    }
    ASSERT_EQ(status, STATUS_SUCCESS);
  }
  NTSTATUS send(std::size_t bytes, ULONG flags = 0) { return active_.send(here_.sge(0, bytes), 2, flags); }
  NTSTATUS write(std::size_t bytes) {
    return active_.write(here_.sge(0, bytes), channel_.there.address(), remote_token_);
  }
  NTSTATUS read(std::size_t bytes) {
    return active_.read(here_.sge(0, bytes), channel_.there.address(), remote_token_);
  }

  NTSTATUS post_send(const NDK_SGE& sge) { return active_.send(sge); }
  NTSTATUS post_inline_send(const NDK_SGE& sge) { return active_.send(sge, 2, NDK_OP_FLAG_INLINE); }
  NTSTATUS post_write(const NDK_SGE& sge) { return active_.write(sge, remote_address_, remote_token_); }
  NTSTATUS post_read(const NDK_SGE& sge) { return active_.read(sge, remote_address_, remote_token_); }
  using Post = NTSTATUS (Paths::*)(const NDK_SGE&);

  /// One request at a time; it finds a receive if it `needs_receive`.
  void measure_post(const char* path, bool needs_receive, Post post, std::size_t bytes) {
    const NDK_SGE sge = here_.sge(0, bytes);
    measure(path, 1, [&] {
      if (needs_receive) post_receives(1);
      counted([&] { return (this->*post)(sge); });
      clean_up();
    });
  }
  void measure_arrival(const char* path, bool needs_receive, Post post, std::size_t bytes) {
    const NDK_SGE sge = here_.sge(0, bytes);
    measure(path, 1, [&] {
      if (needs_receive) post_receives(1);
      ASSERT_EQ((this->*post)(sge), STATUS_SUCCESS);
      {
        const Counted count;
        settle();
      }
      clean_up();
    });
  }

  /// What a post costs its caller: to the handing over of the octets to TCP, and the completion if that was all.
  void posts() {
    measure_post("post Send, 64 B", true, &Paths::post_send, 64);
    measure_post("post Send, 64 B, inline", true, &Paths::post_inline_send, 64);
    measure_post("post Send, 4 KiB", true, &Paths::post_send, 4096);
    measure_post("post Write, 64 B", false, &Paths::post_write, 64);
    measure_post("post Write, 64 KiB", false, &Paths::post_write, kBytes);
    measure_post("post Read, 64 B", false, &Paths::post_read, 64);
    measure("post Receive", kBurst, [&] {
      const NDK_SGE sge = channel_.there.all();
      for (unsigned i = 0; i < kBurst; ++i)
        counted([&] { return passive_.receive(sge); });
      for (unsigned i = 0; i < kBurst; ++i)
        ASSERT_EQ(send(8), STATUS_SUCCESS);
      clean_up();
    });
    measure("post 16 Writes of 64 B, all but the last deferred, each", kBurst, [&] {
      const NDK_SGE sge = here_.sge(0, 64);
      for (unsigned i = 0; i < kBurst; ++i) {
        const ULONG flags = i + 1 < kBurst ? NDK_OP_FLAG_DEFER : 0;
        counted([&] { return active_.write(sge, remote_address_, remote_token_, 3, flags); });
      }
      clean_up();
    });
  }

  /// From the readable socket to the completion; both ends' work where a Read goes both ways.
  void arrivals() {
    measure_arrival("arrival of a Send, 64 B", true, &Paths::post_send, 64);
    measure_arrival("arrival of a Send, 4 KiB", true, &Paths::post_send, 4096);
    measure_arrival("arrival of a Write, 64 B", false, &Paths::post_write, 64);
    measure_arrival("arrival of a Write, 64 KiB", false, &Paths::post_write, kBytes);
    measure_arrival("arrival of a Read and its answer, 64 B", false, &Paths::post_read, 64);
    measure_arrival("arrival of a Read and its answer, 64 KiB", false, &Paths::post_read, kBytes);
    measure("arrival of 16 Sends of 64 B at once, each", kBurst, [&] {
      post_receives(kBurst);
      for (unsigned i = 0; i < kBurst; ++i)
        ASSERT_EQ(send(64, i + 1 < kBurst ? NDK_OP_FLAG_DEFER : 0), STATUS_SUCCESS);
      {
        const Counted count;
        settle();
      }
      clean_up();
    });
  }

  void polls() {
    NDK_RESULT_EX results[kBurst];
    measure("poll, empty", 1, [&] {
      const Counted count;
      poll(active_, results);
    });
    measure("poll of 16 entries, each", kBurst, [&] {
      post_receives(kBurst);
      for (unsigned i = 0; i < kBurst; ++i)
        ASSERT_EQ(send(8), STATUS_SUCCESS);
      settle();
      ULONG taken;
      {
        const Counted count;
        taken = poll(passive_, results);
      }
      ASSERT_EQ(taken, kBurst);
      drain(active_);
    });
    measure("arm, nothing there", 1, [&] {
      const Counted count;
      active_.queue.cq.table()->NdkArmCq(active_.queue.cq.get(), NDK_CQ_NOTIFY_ANY);
    });
  }

  void memory() {
    FastRegion region(passive_.pd.get(), lam_.page_count());
    measure("post fast-register of 17 pages, and invalidate", 1, [&] {
      counted([&] { return region.enlist(passive_, lam_, kBytes, 0x7000'0000'0000, kFastAll); });
      counted([&] { return region.invalidate(passive_); });
      clean_up();
    });
    Lam lam(adapter_);
    ULONG bytes = 0;
    MDL* mdl = here_.memory.mdl;
    ASSERT_EQ(lam.build_into(nullptr, bytes, mdl, kBytes), STATUS_BUFFER_TOO_SMALL);
    std::vector<std::uint64_t> room((bytes + 7) / 8);
    auto* mapping = reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room.data());
    measure("build and release a LAM of 64 KiB", 1, [&] {
      NDK_ADAPTER* adapter = adapter_.adapter;
      ULONG size = bytes, first_byte = 0;
      counted([&] {
        return adapter->Dispatch->NdkBuildLAM(adapter, mdl, kBytes, nullptr, nullptr, mapping, &size, &first_byte);
      });
      const Counted count;
      adapter->Dispatch->NdkReleaseLAM(adapter, mapping);
    });
  }

  io::World world_;
  Channel channel_;
  Side& active_ = channel_.active;
  Side& passive_ = channel_.passive;
  Region& here_ = channel_.here;
  const UINT32 remote_token_ = channel_.there.token();
  const UINT64 remote_address_ = channel_.there.address();
  Lam lam_;
  OpenAdapter& adapter_;
};

/// Nothing is short, nothing is split, nobody is woken for no reason.
sim::Options plain_options() {
  sim::Options options;
  options.steps_max = 50'000'000;
  options.interleave = sim::Chance::never();
  options.spurious_wake = sim::Chance::never();
  options.short_read = options.short_write = sim::Chance::never();
  options.in_pieces = false;
  options.latency_ns = {io::kMicrosecond, io::kMicrosecond};
  options.accept_delay_ns = {};
  options.send_buffer_bytes = options.receive_buffer_bytes = 1024 * 1024;
  options.same_host = true;
  return options;
}

#if defined(__clang__)
constexpr const char* kCompiler = "clang";
constexpr int kCompilerMajor = __clang_major__;
#else
constexpr const char* kCompiler = "gcc";
constexpr int kCompilerMajor = __GNUC__;
#endif

int run() {
  std::printf("{\"compiler\": \"%s-%d\", \"libc\": \"%s\", \"operations\": {", kCompiler, kCompilerMajor,
              gnu_get_libc_version());
  sim::World world(1, plain_options());
  const sim::Result result = world.run([&] {
    // As on Linux: no other fiber comes between within a call, and nobody asks.
    set_interleave_hook(nullptr, nullptr);
    Stage stage(world.view(), setting_values("default", {}));
    Paths(stage).run();
    stage.adapter.reset();
    stage.runtime.reset();
  });
  std::printf("}}\n");
  return result == sim::Result::completed && !testing::Test::HasFailure() ? 0 : 1;
}

}  // namespace
}  // namespace softndk::stack

int main() {
  return softndk::stack::run();
}
