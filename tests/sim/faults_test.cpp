#include "base/alloc.h"
#include "sim/program.h"
#include "sim/seed_loop.h"

namespace softndk::sim {
namespace {

struct Outcome {
  int calls = 0;
  int failed = 0;
  std::uint64_t counted = 0;
};
/// One of each kind of fallible call; none may crash, and a failure is what it says.
Outcome call_everything(std::uint64_t seed, Options options) {
  World world(seed, std::move(options));
  io::World view = world.view();
  Outcome outcome;
  const auto note = [&outcome](bool succeeded) {
    ++outcome.calls;
    outcome.failed += !succeeded;
  };
  struct Sink final : io::StreamSink {
    void on_connected() noexcept override {}
    void on_connect_failed(io::IoError) noexcept override {}
    void on_ready(io::Interest) noexcept override {}
    void on_closed() noexcept override { closed = true; }
    std::atomic<bool> closed{false};
  } sink;
  struct Door final : io::AcceptSink {
    Choice choose_sink(const Address&, const Address&) noexcept override { return {}; }
    void on_accept(OwnedInterface<io::ByteStream>, io::StreamSink&) noexcept override {}
    void on_acceptor_closed() noexcept override { closed = true; }
    std::atomic<bool> closed{false};
  } door;
  const Result result = world.run([&] {
    io::Processor& processor = view.executor.processor(0);
    const auto must_be_resources = [&](const auto& call) {
      note(call.has_value());
      if (!call) {
        EXPECT_EQ(call.error(), io::IoError::no_resources);
      }
    };
    auto memory = try_make<int>(1);
    note(memory != nullptr);
    auto reservation = view.network.reserve(address("10.0.0.1:50000"));
    must_be_resources(reservation);
    auto acceptor = view.network.listen(address("10.0.0.1:445"), 1, door, processor);
    must_be_resources(acceptor);
    if (acceptor) must_be_resources((*acceptor)->resume());
    auto stream = view.network.connect(address("10.0.0.2:50001"), address("10.0.0.1:445"), {}, sink, processor);
    must_be_resources(stream);
    auto thread = view.executor.spawn(
        "short", [](void*) {}, nullptr);
    must_be_resources(thread);
    if (thread) view.executor.join(*thread);
    if (stream) (*stream)->close(io::ByteStream::CloseKind::abort);
    if (acceptor) (*acceptor)->close();
    while ((stream && !sink.closed) || (acceptor && !door.closed))
      view.executor.park(view.clock.now_ns() + io::kMillisecond);
    // What failed left nothing behind.
    if (!reservation) {
      if (auto again = view.network.reserve(address("10.0.0.1:50000")); !again) {
        EXPECT_EQ(again.error(), io::IoError::no_resources);
      }
    }
  });
  EXPECT_EQ(result, Result::completed);
  outcome.counted = world.fallible_calls();
  return outcome;
}

TEST(NthCallFails, EachInTurnUntilNoneIsLeft) {
  std::uint64_t nth = 1;
  for (; nth < 100; ++nth) {
    Options options;
    options.fail_nth_call = nth;
    const Outcome outcome = call_everything(1, options);
    if (outcome.counted < nth) {
      EXPECT_EQ(outcome.failed, 0);
      break;
    }
    EXPECT_EQ(outcome.failed, 1) << nth;
  }
  EXPECT_GT(nth, 8U) << "memory, reserve and its object, listen and its object, resume, connect and its object, spawn";
  EXPECT_LT(nth, 100U);
}

TEST(AnyCallMayFail, BySeed) {
  Options options;
  options.fail_call = Chance::one_in(3);
  int failed = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed)
    failed += call_everything(seed, options).failed;
  EXPECT_GT(failed, 30);
}

TEST(FaultHook, IsGoneAfterTheRun) {
  Options options;
  options.fail_call = Chance::always();
  World world(1, options);
  world.run([] { EXPECT_EQ(try_allocate(16), nullptr); });
  void* memory = try_allocate(16);
  EXPECT_NE(memory, nullptr);
  deallocate(memory);
}

}  // namespace
}  // namespace softndk::sim
