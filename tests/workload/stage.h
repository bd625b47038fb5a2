#pragma once
// The whole of one run: the runtime under simulation, its adapters, what consumers share, listeners, sessions.
#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "runtime/runtime.h"
#include "sim/world.h"
#include "workload/plan.h"
#include "workload/side.h"
#include "workload/tally.h"

namespace softndk::workload {

/// Two sides that are to find each other.
class Session {
 public:
  Session(Stage& stage, const SessionPlan& plan);
  const SessionPlan& plan;
  Stage& stage;
  std::atomic<bool> ends{false};     ///< one of the two has begun to end: failures are right from here on
  std::atomic<bool> roughly{false};  ///< and not by an NdkDisconnect with nothing on its way (R-DISC-06)
  Side active, passive;
};

/// A listener and the connectors that nobody wanted.
class Door final : public Caller {
 public:
  Door(Stage& stage, unsigned number, const ListenerPlan& plan);
  /// Waits; false: it could not be had.
  bool open();
  void pause(bool paused);
  void close();
  bool is_gone() const;
  void inside(Call&) override {}
  void kick() override;

  const ListenerPlan& plan;
  stack::Sockaddr address;
  Slot<NDK_LISTENER> listener;
  std::atomic<bool> is_open{false};

 private:
  static VOID raised(PVOID context, NDK_CONNECTOR* connector);
  void turn_away(NDK_CONNECTOR* connector, bool rejects);
  Stage& stage_;
  Call listen_;
  static constexpr std::size_t kStraysMax = 64;
  std::deque<Slot<NDK_CONNECTOR>> strays_;
  std::atomic<std::size_t> strays_count_{0};
};

/// What several sides use: a protection domain, a completion queue, an endpoint of each family.
struct Shared {
  Shared(unsigned number, const SidePlan& plan, Caller& caller)
      : pd("PD", "NdkCreatePd", "NdkClosePd", number, caller), pump(number, plan) {
    for (unsigned family = 0; family < 2; ++family)
      endpoints.emplace_back("shared endpoint", "NdkCreateSharedEndpoint", "NdkCloseSharedEndpoint",
                             number * 10 + family, caller);
  }
  Slot<NDK_PD> pd;
  Pump pump;
  std::deque<Slot<NDK_SHARED_ENDPOINT>> endpoints;  ///< IPv4, IPv6
  std::vector<const Side*> pd_users, endpoint_users;
};

struct Stage final : Caller {
  Stage(const Plan& plan, sim::World& simulation);
  /// On a fiber of `world`. Returns when everything is over and was checked.
  void run(const io::World& world);

  void inside(Call&) override {}
  void kick() override { progress.set(); }
  /// False: no STATUS of a failed call is right.
  bool is_faulty() const { return plan.faulty; }
  stack::Sockaddr local_address(unsigned adapter, bool ipv6) const;

  /// For what has to come.
  template <class Condition>
  void wait_for(Condition condition) {
    while (!condition()) {
      progress.clear();
      if (!condition()) static_cast<void>(progress.wait());
    }
  }

  const Plan& plan;
  std::vector<std::unique_ptr<stack::OpenAdapter>> adapters;
  std::vector<std::unique_ptr<Shared>> shared;  ///< one for each adapter
  std::vector<std::unique_ptr<Door>> doors;
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<Pump*> polled;
  stack::Event progress;
  std::atomic<std::uint64_t> connects{0}, accepts{0};  ///< that succeeded
  std::atomic<std::uint64_t> cancelled{0};             ///< of both, overtaken by a close
  Tally tally() const;

 private:
  bool set_up(const io::World& world);
  void play();
  void attend();
  void close_shared(bool all);
  bool all_gone() const;
  void close_adapters();
  void check_counters();
  void check_after();
  template <class Condition>
  bool wait_until(Condition condition, LONGLONG seconds);

  sim::World& simulation_;
  Owned<runtime::Runtime> runtime_;
  std::vector<NET_IFINDEX> interfaces_;
  std::atomic<bool> over_{false};
  std::uint64_t began_ns_ = 0;
};

/// One run of one plan, in this process. What is wrong ends the process (verdict.h).
struct Outcome {
  std::uint64_t trace_hash = 0;
  Tally tally;
};
Outcome run_plan(const Plan& plan, std::FILE* trace);

}  // namespace softndk::workload
