#include "sim/world.h"

#include "base/alloc.h"
#include "base/interleave.h"

namespace softndk::sim {

io::TimeNs Clock::now_ns() noexcept {
  HiddenFromTsan hidden;
  constexpr io::TimeNs kLookCostsNs = 10;
  return core_.now_ns += kLookCostsNs;
}

std::uint64_t Clock::wall_100ns() noexcept {
  constexpr std::uint64_t kFirstDay100ns = 133'485'408'000'000'000;  // 2024-01-01 since 1601-01-01
  return kFirstDay100ns + now_ns() / 100;
}

World::World(std::uint64_t seed, Options options)
    : core_(seed, std::move(options)), rng_(seed), executor_(core_), network_(core_) {}

World::~World() = default;

bool World::fails(void* context, const char*) noexcept {
  HiddenFromTsan hidden;
  auto& world = *static_cast<World*>(context);
  if (world.failures_suspended_) return false;
  const Options& options = world.core_.options;
  const std::uint64_t call = ++world.fallible_calls_;
  if (call != options.fail_nth_call && !world.core_.failures.happens(options.fail_call)) return false;
  world.core_.note(TraceKind::call_fails, 0, call);
  return true;
}

Result World::run(void (*entry)(void*), void* argument) {
  const bool wants_failures = core_.options.fail_nth_call != 0 || core_.options.fail_call.per_million != 0;
  if (wants_failures) set_fault_hook(&World::fails, this);
  set_interleave_hook(
      [](void* executor, bool blocked) noexcept { static_cast<Executor*>(executor)->interleave(blocked); }, &executor_);
  const Result result = executor_.run(entry, argument);
  set_interleave_hook(nullptr, nullptr);
  if (wants_failures) set_fault_hook(nullptr, nullptr);
  return result;
}

}  // namespace softndk::sim
