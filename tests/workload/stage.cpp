#include "workload/stage.h"

#include "base/alloc.h"
#include "ntrt/ndis.h"
#include "ntrt/pool.h"
#include "sim/world.h"
#include "workload/verdict.h"

namespace softndk::workload {
namespace {
/// Virtual seconds: what a run without faults never needs, and what closes need with all timers run out.
constexpr LONGLONG kPatienceSeconds = 20;
constexpr LONGLONG kClosingSeconds = 60;
}  // namespace

Session::Session(Stage& the_stage, const SessionPlan& the_plan)
    : plan(the_plan), stage(the_stage), active(*this, true, the_plan.active), passive(*this, false, the_plan.passive) {}

Stage::Stage(const Plan& the_plan, sim::World& simulation) : plan(the_plan), simulation_(simulation) {}

stack::Sockaddr Stage::local_address(unsigned adapter, bool ipv6) const {
  constexpr const char* kIpv4[] = {"127.0.0.1", "10.0.0.1", "10.0.0.2"};
  constexpr const char* kIpv6[] = {"::1", "fd00::1", "fd00::2"};
  return stack::Sockaddr((ipv6 ? kIpv6 : kIpv4)[plan.interface_of[adapter]]);
}

template <class Condition>
bool Stage::wait_until(Condition condition, LONGLONG seconds) {
  const io::TimeNs until_ns = ntrt::kernel().clock().now_ns() + static_cast<io::TimeNs>(seconds) * io::kSecond;
  while (!condition()) {
    progress.clear();
    if (condition()) return true;
    const io::TimeNs now_ns = ntrt::kernel().clock().now_ns();
    if (now_ns >= until_ns) return false;
    static_cast<void>(progress.wait(-static_cast<LONGLONG>((until_ns - now_ns) / 100 + 1)));
  }
  return true;
}

bool Stage::set_up(const io::World& world) {
  runtime::SettingValues values;
  for (const auto& [name, value] : plan.settings)
    if (!values.set(name, value)) fail("the setting %s=%s is not taken", name.c_str(), value.c_str());
  runtime::Configuration configuration;
  values.configure(configuration);
  auto started = runtime::Runtime::start(world, configuration);
  if (!started) {
    if (!is_faulty()) fail("the runtime does not start: %s", name_of(started.error()));
    return false;
  }
  runtime_ = std::move(*started);
  for (const unsigned number : plan.interface_of) {
    constexpr const char* kNames[] = {"lo", "sim0", "sim1"};
    NET_IFINDEX index = 0;
    for (const auto& each : runtime_->adapters())
      if (std::string_view(each.interface.name) == kNames[number]) index = each.interface.index;
    auto& adapter = adapters.emplace_back(std::make_unique<stack::OpenAdapter>(index));
    interfaces_.push_back(index);
    if (adapter->adapter == nullptr) {
      if (!is_faulty()) fail("adapter %s does not open: %s", kNames[number], name_of(adapter->status));
      return false;
    }
  }
  for (unsigned i = 0; i < plan.adapters; ++i) {
    const SidePlan& like = i % 2 == 0 ? plan.sessions.front().active : plan.sessions.front().passive;
    shared.push_back(std::make_unique<Shared>(900 + i, like, *this));
    if (shared.back()->pump.is_polled()) polled.push_back(&shared.back()->pump);
  }
  for (unsigned i = 0; i < plan.listeners.size(); ++i)
    doors.push_back(std::make_unique<Door>(*this, i, plan.listeners[i]));
  for (const SessionPlan& session : plan.sessions)
    sessions.push_back(std::make_unique<Session>(*this, session));
  simulation_.suspend_failures(true);  // the consumers' own memory and threads are not what is tested
  for (const auto& session : sessions) {
    session->active.lay_out();
    session->passive.lay_out();
  }
  simulation_.suspend_failures(false);
  for (unsigned i = 0; i < plan.adapters; ++i) {
    NDK_ADAPTER* adapter = adapters[i]->adapter;
    shared[i]->pump.owner = this;
    shared[i]->pd.make([&](auto... rest) { return adapter->Dispatch->NdkCreatePd(adapter, rest...); });
    constexpr ULONG kDepth = 256;  // for all that may share it
    shared[i]->pump.create(adapter, kDepth);
    for (const bool ipv6 : {false, true}) {
      const stack::Sockaddr at = local_address(i, ipv6);
      shared[i]->endpoints[ipv6].make([&](auto... rest) {
        return adapter->Dispatch->NdkCreateSharedEndpoint(adapter, at.get(), at.bytes, rest...);
      });
    }
  }
  wait_until(
      [&] {
        for (const auto& each : shared)
          if (!each->pd.creation.is_done() || !each->pump.cq.creation.is_done() ||
              !each->endpoints[0].creation.is_done() || !each->endpoints[1].creation.is_done())
            return false;
        return true;
      },
      kClosingSeconds);
  for (const auto& door : doors)
    if (!door->open() && !is_faulty()) fail("a listener cannot listen in a world without faults");
  return true;
}

/// What happens by the clock, in a thread of its own: polled queues, listeners that pause and close.
void Stage::attend() {
  io::Clock& clock = ntrt::kernel().clock();
  constexpr LONGLONG kShortest = 20, kLongest = 5000;  // microseconds
  LONGLONG pause_us = kShortest;
  std::vector<int> stages(doors.size(), 0);
  std::uint64_t seen = 0;
  while (!over_.load()) {
    LARGE_INTEGER interval;
    interval.QuadPart = -10 * pause_us;
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
    for (Pump* pump : polled)
      pump->kick_strand();
    const std::uint64_t elapsed_ns = clock.now_ns() - began_ns_;
    for (std::size_t i = 0; i < doors.size(); ++i) {
      const ListenerPlan& timing = doors[i]->plan;
      if (timing.pause_at_ns != 0 && stages[i] == 0 && elapsed_ns >= timing.pause_at_ns) {
        doors[i]->pause(true);
        stages[i] = 1;
      }
      if (stages[i] == 1 && elapsed_ns >= timing.pause_at_ns + timing.pause_ns) {
        doors[i]->pause(false);
        stages[i] = 2;
      }
      if (timing.close_at_ns != 0 && elapsed_ns >= timing.close_at_ns) doors[i]->close();
    }
    close_shared(false);
    // Slower while nothing happens, for the virtual time of a silent peer is long.
    const std::uint64_t now = connects.load() + accepts.load();
    pause_us = now != seen || elapsed_ns < 5 * io::kMillisecond ? kShortest : std::min(pause_us * 2, kLongest);
    seen = now;
  }
}

/// Shared antecedents go as soon as the rules let their consumer call the close: long before their successors do.
void Stage::close_shared(bool all) {
  for (const auto& each : shared) {
    bool in_use = false;
    for (const Side* side : each->pd_users)
      in_use = in_use || !side->is_done_with_pd();
    if ((!in_use || all) && each->pd.is_live()) each->pd.close(each->pd.get()->Dispatch->NdkClosePd);
    if (all && !each->pump.cq.node.is_gone()) each->pump.close();
    bool connecting = false;
    for (const Side* side : each->endpoint_users)
      connecting = connecting || !(side->is_established() || side->is_ending());
    for (Slot<NDK_SHARED_ENDPOINT>& endpoint : each->endpoints)
      if ((!connecting || all) && endpoint.is_live()) endpoint.close(endpoint.get()->Dispatch->NdkCloseSharedEndpoint);
  }
}

bool Stage::all_gone() const {
  for (const auto& each : shared)
    if (!each->pd.node.is_gone() || !each->pump.cq.node.is_gone() || !each->endpoints[0].node.is_gone() ||
        !each->endpoints[1].node.is_gone())
      return false;
  for (const auto& door : doors)
    if (!door->is_gone()) return false;
  return true;
}

void Stage::play() {
  const auto finished = [&] {
    for (const auto& session : sessions)
      if (!session->active.is_finished() || !session->passive.is_finished()) return false;
    return true;
  };
  const auto explain = [&](const char* what) {
    std::string text = what;
    for (const auto& session : sessions) {
      for (const Side* side : {&session->active, &session->passive})
        if (!side->is_finished()) text += "\n    " + side->describe();
    }
    for (const auto& each : shared) {
      for (const Node* node : {&each->pd.node, &each->pump.cq.node, &each->endpoints[0].node, &each->endpoints[1].node})
        if (!node->is_gone())
          text += std::string("\n    shared ") + node->kind() + " " + std::to_string(node->number()) + " " +
                  node->state_name();
    }
    for (const auto& door : doors)
      if (!door->is_gone()) text += std::string("\n    listener ") + door->listener.node.state_name();
    fail("%s", text.c_str());
  };
  simulation_.suspend_failures(true);
  for (const auto& session : sessions) {
    session->active.start_thread();
    session->passive.start_thread();
  }
  stack::DriverThread attendant([this] { attend(); });
  simulation_.suspend_failures(false);
  for (const auto& session : sessions) {
    session->active.start();
    session->passive.start();
  }
  if (!wait_until(finished, kPatienceSeconds)) {
    if (!is_faulty()) explain("stuck, in a world without faults:");
    for (const auto& session : sessions) {
      session->active.hurry();
      session->passive.hurry();
    }
    if (!wait_until(finished, kClosingSeconds)) explain("closes that never complete:");
  }
  over_ = true;
  attendant.join();
  for (const auto& session : sessions) {
    session->active.stop_thread();
    session->passive.stop_thread();
  }
  for (const auto& door : doors)
    door->close();
  close_shared(true);
  if (!plan.closes_adapters_early && !wait_until([&] { return all_gone(); }, kClosingSeconds))
    explain("shared objects or listeners whose closes never complete:");
}

void Stage::check_counters() {
  if (is_faulty()) return;
  std::uint64_t sum_connects = 0, sum_accepts = 0, in_octets = 0, out_octets = 0;
  std::vector<NET_IFINDEX> counted;
  for (const NET_IFINDEX index : interfaces_) {
    if (std::find(counted.begin(), counted.end(), index) != counted.end()) continue;
    counted.push_back(index);
    NDIS_NDK_STATISTICS_INFO info{};
    const auto result = ntrt::ndis_oid_query(index, OID_NDK_STATISTICS, &info, sizeof(info));
    if (result.status != NDIS_STATUS_SUCCESS) fail("OID_NDK_STATISTICS fails");
    const NDIS_NDK_PERFORMANCE_COUNTERS& counters = info.CounterSet;
    if (counters.ActiveConnection != 0)
      fail("interface %u counts %llu active connections, and everything is closed (R-CTR-01)", index,
           static_cast<unsigned long long>(counters.ActiveConnection));
    if (counters.CQError != 0) fail("interface %u counts errors of completion queues", index);
    sum_connects += counters.Connect;
    sum_accepts += counters.Accept;
    in_octets += counters.RDMAInOctets;
    out_octets += counters.RDMAOutOctets;
  }
  const auto differs = [&](std::uint64_t counted_ones, std::uint64_t seen) {
    // One that a close overtook may have been counted before (R-CNCT-18).
    return counted_ones < seen || counted_ones > seen + cancelled.load();
  };
  if (differs(sum_connects, connects.load()) || differs(sum_accepts, accepts.load()))
    fail("%llu connects and %llu accepts are counted, %llu and %llu succeeded, %llu were cancelled (R-CTR-03)",
         static_cast<unsigned long long>(sum_connects), static_cast<unsigned long long>(sum_accepts),
         static_cast<unsigned long long>(connects.load()), static_cast<unsigned long long>(accepts.load()),
         static_cast<unsigned long long>(cancelled.load()));
  if (in_octets > out_octets)
    fail("%llu octets came in and only %llu went out", static_cast<unsigned long long>(in_octets),
         static_cast<unsigned long long>(out_octets));
}

void Stage::close_adapters() {
  check_counters();
  for (const auto& adapter : adapters)
    adapter->close();
  // R-CLS-13, R-CLS-15: nothing of it runs any more.
  if (!all_gone()) fail("an adapter's close has returned, and an object of it is not closed (R-CLS-13, R-CLS-15)");
}

void Stage::check_after() {
  for (const auto& session : sessions) {
    session->active.check_memory();
    session->passive.check_memory();
  }
  if (::testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed()) fail("see above");
}

void Stage::run(const io::World& world) {
  const std::int64_t alive_before = allocations_alive();
  if (set_up(world)) {
    began_ns_ = ntrt::kernel().clock().now_ns();
    play();
    close_adapters();
  } else {
    adapters.clear();
  }
  check_after();
  if (runtime_ != nullptr) runtime_.reset();
  if (const std::int64_t left = allocations_alive() - alive_before; left != 0)
    fail("the runtime has ended, and %lld of its allocations are left", static_cast<long long>(left));
}

Tally Stage::tally() const {
  Tally sum;
  sum.connections = connects.load() + accepts.load();
  for (const auto& session : sessions)
    for (const Side* side : {&session->active, &session->passive})
      side->add_to(sum);
  return sum;
}

Outcome run_plan(const Plan& plan, std::FILE* trace) {
  sim::Options options = plan.world;
  options.trace_records_max = trace != nullptr ? 1'000'000 : 0;
  sim::World world(plan.seed, options);
  set_current_run(&world, trace);
  Outcome outcome;
  const sim::Result result = world.run([&] {
    Stage stage(plan, world);
    stage.run(world.view());
    outcome.tally = stage.tally();
  });
  if (trace != nullptr) world.print_trace(trace);
  if (result != sim::Result::completed) fail("the run ended as %s", sim::to_string(result));
  set_current_run(nullptr, nullptr);
  outcome.trace_hash = world.trace_hash();
  outcome.tally.steps = world.steps();
  return outcome;
}

}  // namespace softndk::workload
