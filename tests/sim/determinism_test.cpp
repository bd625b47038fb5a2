#include <atomic>
#include <set>
#include <string>

#include "io/world_fixture.h"
#include "sim/program.h"
#include "sim/seed_loop.h"

namespace softndk::sim {
namespace {

/// A program with threads, time, randomness, and traffic whose shape depends on all three.
void busy_program(io::World& world) {
  io::contract::Pair pair = io::contract::connect_pair(world, address("10.0.0.1"));
  ASSERT_TRUE(pair.ok());
  Fibers fibers(world);
  constexpr std::size_t kOctets = 40'000;
  fibers.start("writer", [&] {
    for (std::size_t sent = 0; sent < kOctets;) {
      const std::size_t piece = std::min<std::size_t>(kOctets - sent, 1 + world.rng.below(3000));
      if (!pair.client->write_all(io::contract::octets(piece, 1, sent))) return;
      sent += piece;
      if (world.rng.below(3) == 0) world.executor.park(world.clock.now_ns() + 50 * io::kMicrosecond);
    }
    pair.client->stream->finish_writing();
  });
  fibers.start("reader", [&] { pair.server->read_exactly(kOctets); });
  fibers.join_all();
  pair.close();
}

struct Outcome {
  std::uint64_t hash;
  std::vector<TraceRecord> records;
  std::uint64_t steps;
  std::uint64_t wall_100ns;
};
Outcome run_busy_program(std::uint64_t seed, Options options = {}) {
  World world(seed, std::move(options));
  io::World view = world.view();
  EXPECT_EQ(world.run([&] { busy_program(view); }), Result::completed);
  return {world.trace_hash(), world.trace(), world.steps(), view.clock.wall_100ns()};
}

TEST(Determinism, OneSeedGivesOneRun) {
  for_each_seed(40, [](std::uint64_t seed) {
    const Outcome first = run_busy_program(seed);
    const Outcome second = run_busy_program(seed);
    EXPECT_EQ(first.hash, second.hash);
    EXPECT_EQ(first.records, second.records);
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_EQ(first.wall_100ns, second.wall_100ns);
    EXPECT_GT(first.records.size(), 100U);
  });
}

TEST(Determinism, ARunWithFaultsRepeatsToo) {
  for_each_seed(40, [](std::uint64_t seed) {
    Options options;
    options.stall = Chance::one_in(20);
    options.reset = Chance::one_in(2);
    options.segment_bytes_later = 9000;
    EXPECT_EQ(run_busy_program(seed, options).hash, run_busy_program(seed, options).hash);
  });
}

TEST(Determinism, SeedsGiveDifferentRuns) {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    hashes.insert(run_busy_program(seed).hash);
  EXPECT_EQ(hashes.size(), 20U);
}

TEST(Determinism, SeedsGiveEveryOrderOfThreeThreads) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    World world(seed);
    io::World view = world.view();
    std::string order;
    Mutex mutex;
    world.run([&] {
      Fibers fibers(view);
      for (const char* name : {"a", "b", "c"})
        fibers.start(name, [&, name] {
          MutexLock lock(mutex);
          order += name;
        });
      fibers.join_all();
    });
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 6U);
}

TEST(Determinism, TheProgramsDrawsDoNotDependOnTheOptions) {
  const auto draws = [](Options options) {
    World world(7, std::move(options));
    std::vector<std::uint64_t> drawn;
    io::World view = world.view();
    world.run([&] {
      for (int i = 0; i < 50; ++i) {
        drawn.push_back(view.rng.next());
        view.executor.yield();
      }
    });
    return drawn;
  };
  Options other;
  other.stall = Chance::one_in(3);
  other.spurious_wake = Chance::always();
  other.latency_ns = {5, 5000};
  EXPECT_EQ(draws({}), draws(other));
}

TEST(Determinism, TheTraceCanBePrinted) {
  World world(3);
  io::World view = world.view();
  world.run([&] { view.executor.yield(); });
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file = open_memstream(&text, &size);
  world.print_trace(file);
  std::fclose(file);
  const std::string printed(text, size);
  std::free(text);
  EXPECT_EQ(static_cast<std::size_t>(std::count(printed.begin(), printed.end(), '\n')), world.trace().size());
  EXPECT_NE(printed.find("spawn"), std::string::npos);
}

TEST(Determinism, TheHashCoversWhatIsNotKept) {
  Options options;
  options.trace_records_max = 10;
  const Outcome few = run_busy_program(5, options);
  EXPECT_EQ(few.records.size(), 10U);
  EXPECT_EQ(few.hash, run_busy_program(5).hash);
}

}  // namespace
}  // namespace softndk::sim
