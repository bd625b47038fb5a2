#include "peer.h"

#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "cycles/process_usage.h"
#include "runtime/stage.h"
#include "talk.h"

namespace softndk::soak {
namespace {

using stack::OpenAdapter;
using stack::Sockaddr;

constexpr unsigned kWorkers = 3;
constexpr int kBeatMs = 300;

/// Connectors that nobody has taken yet.
class Gate {
 public:
  explicit Gate(NET_IFINDEX index) : adapter_(index), listener_(adapter_.listener(&Gate::raised, this)) {}
  USHORT listen() {
    const Sockaddr any("127.0.0.1");
    EXPECT_EQ(stack::ask([&](auto... rest) {
                return listener_.table()->NdkListen(listener_.get(), any.get(), any.bytes, rest...);
              }),
              STATUS_SUCCESS);
    Sockaddr at;
    at.bytes = sizeof(at.value);
    EXPECT_EQ(listener_.table()->NdkGetLocalAddress(listener_.get(), at.room(), &at.bytes), STATUS_SUCCESS);
    return at.port();
  }
  NDK_CONNECTOR* take() {
    MutexLock lock(mutex_);
    if (waiting_.empty()) return nullptr;
    NDK_CONNECTOR* connector = waiting_.front();
    waiting_.pop_front();
    return connector;
  }
  void refuse_all() {
    while (NDK_CONNECTOR* connector = take())
      stack::Object<NDK_CONNECTOR>(connector).close();
  }
  /// Refuses what comes while it closes.
  void close() {
    listener_.table()->NdkControlConnectEvents(listener_.get(), TRUE);
    stack::Request closing;
    const NTSTATUS returned = listener_.begin_close(closing);
    while (returned == STATUS_PENDING && !closing.is_done()) {
      refuse_all();
      arrived.clear();
      static_cast<void>(arrived.wait(-10'000));
    }
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
    adapter_.close();
  }
  stack::Event arrived;

 private:
  static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
    auto* self = static_cast<Gate*>(context);
    {
      MutexLock lock(self->mutex_);
      self->waiting_.push_back(connector);
    }
    self->arrived.set();
  }
  OpenAdapter adapter_;
  stack::Object<NDK_LISTENER> listener_;
  Mutex mutex_;
  std::deque<NDK_CONNECTOR*> waiting_ SOFTNDK_GUARDED_BY(mutex_);
};

class Peer {
 public:
  explicit Peer(const PeerOptions& options) : options_(options), report_(options.reports), seeds_(options.seed) {}
  int run();

 private:
  enum class Mode { quiet, go, quit };
  struct Worker {
    Watch watch;
    std::uint64_t seed = 0;
    std::atomic<bool> is_parked{false};
  };

  void bring_up();
  void work(Worker& worker);
  void one_session(Worker& worker, Random& random, OpenAdapter& adapter);
  void obey(const std::string& command);
  void set_mode(Mode mode);
  void look_after_workers();
  void say_quiet();

  const PeerOptions options_;
  Report report_;
  Random seeds_;
  Tally tally_;
  Owned<net::World> world_;
  runtime::Configuration configuration_;
  Owned<runtime::Runtime> runtime_;
  NET_IFINDEX index_ = 0;
  std::unique_ptr<Gate> gate_;
  std::atomic<USHORT> port_{0};
  std::atomic<Mode> mode_{Mode::quiet};
  stack::Event resume_;
  Worker workers_[kWorkers];
  bool quiet_is_asked_ = false;
};

void Peer::bring_up() {
  const char* policy = stack::kPolicies[seeds_.below(std::size(stack::kPolicies))];
  stack::setting_values(policy, {{"processors", "2"}}).configure(configuration_);
  auto world = net::World::create(configuration_.net);
  if (!world) std::abort();
  world_ = std::move(*world);
  auto started = runtime::Runtime::start(world_->view(), configuration_);
  if (!started) std::abort();
  runtime_ = std::move(*started);
  for (const auto& each : runtime_->adapters()) {
    if (each.interface.loopback) index_ = each.interface.index;
  }
  if (options_.role == Role::connects) return;
  gate_ = std::make_unique<Gate>(index_);
  report_.say("port %u", gate_->listen());
}

void Peer::one_session(Worker& worker, Random& random, OpenAdapter& adapter) {
  const Workplace place{report_, tally_, worker.watch, random};
  if (options_.role == Role::connects) {
    run_client(place, adapter, Sockaddr("127.0.0.1", port_.load()));
    worker.watch.rest();
    // The listening side may be dead, or just not there yet. And TIME_WAIT takes a port for a minute: of 16,384 that
    // there are to connect from, not all shall be ours.
    LARGE_INTEGER short_while;
    short_while.QuadPart = -static_cast<LONGLONG>(random.below(160'000));
    KeDelayExecutionThread(KernelMode, FALSE, &short_while);
  } else if (NDK_CONNECTOR* connector = gate_->take()) {
    run_server(place, adapter, connector);
    worker.watch.rest();
  } else {
    gate_->arrived.clear();
    if (NDK_CONNECTOR* late = gate_->take()) {
      run_server(place, adapter, late);
      worker.watch.rest();
    } else {
      static_cast<void>(gate_->arrived.wait(-200'000));
    }
  }
}

void Peer::work(Worker& worker) {
  Random random(worker.seed);
  while (mode_.load() != Mode::quit) {
    if (mode_.load() == Mode::go) {
      OpenAdapter adapter(index_);
      if (adapter.status != STATUS_SUCCESS) report_.complain("an adapter cannot be opened");
      while (mode_.load() == Mode::go && adapter.status == STATUS_SUCCESS)
        one_session(worker, random, adapter);
      worker.watch.step("close of an adapter");
      adapter.close();
      worker.watch.rest();
    }
    worker.is_parked = true;
    while (mode_.load() == Mode::quiet)
      static_cast<void>(resume_.wait());
    worker.is_parked = false;
  }
}

void Peer::set_mode(Mode mode) {
  if (mode == Mode::quiet) resume_.clear();
  mode_.store(mode);
  if (mode != Mode::quiet) resume_.set();
  if (gate_ != nullptr) gate_->arrived.set();
}

void Peer::look_after_workers() {
  bool all_parked = true;
  for (Worker& worker : workers_) {
    if (const char* doing = worker.watch.hangs_in()) report_.say("hung in %s", doing);
    if (!worker.is_parked) all_parked = false;
  }
  if (quiet_is_asked_ && all_parked) say_quiet();
}

void Peer::say_quiet() {
  quiet_is_asked_ = false;
  if (gate_ != nullptr) gate_->refuse_all();
  NDIS_NDK_STATISTICS_INFO statistics{};
  static_cast<void>(ntrt::ndis_oid_query(index_, OID_NDK_STATISTICS, &statistics, sizeof statistics));
  const ProcessUsage usage = ProcessUsage::now();
  report_.say(
      "quiet sessions=%llu established=%llu refused=%llu left=%llu lost=%llu cancelled=%llu checked=%llu active=%llu "
      "resident=%zu heap=%zu descriptors=%zu",
      static_cast<unsigned long long>(tally_.sessions.load()),
      static_cast<unsigned long long>(tally_.established.load()),
      static_cast<unsigned long long>(tally_.refused.load()), static_cast<unsigned long long>(tally_.left.load()),
      static_cast<unsigned long long>(tally_.lost.load()), static_cast<unsigned long long>(tally_.cancelled.load()),
      static_cast<unsigned long long>(tally_.checked_bytes.load()),
      static_cast<unsigned long long>(statistics.CounterSet.ActiveConnection), usage.resident_bytes, usage.heap_bytes,
      usage.descriptors);
}

void Peer::obey(const std::string& command) {
  if (command.starts_with("go")) {
    if (command.size() > 3) port_ = static_cast<USHORT>(std::atoi(command.c_str() + 3));
    set_mode(Mode::go);
  } else if (command == "quiet") {
    quiet_is_asked_ = true;
    set_mode(Mode::quiet);
  } else {
    set_mode(Mode::quit);
  }
}

int Peer::run() {
  bring_up();
  std::vector<std::unique_ptr<stack::DriverThread>> threads;
  for (Worker& worker : workers_) {
    worker.seed = seeds_.next();
    threads.push_back(std::make_unique<stack::DriverThread>([this, &worker] { work(worker); }));
  }
  std::string input;
  while (mode_.load() != Mode::quit) {
    pollfd commands{options_.commands, POLLIN, 0};
    // Workers say nothing when they park: look often while that is waited for.
    if (::poll(&commands, 1, quiet_is_asked_ ? 1 : kBeatMs) > 0) {
      char room[256];
      const ssize_t bytes = ::read(options_.commands, room, sizeof room);
      if (bytes <= 0) break;  // the parent is gone
      input.append(room, static_cast<std::size_t>(bytes));
      for (std::size_t end = 0; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1))
        obey(input.substr(0, end));
    } else if (!quiet_is_asked_) {
      report_.say("beat");
    }
    look_after_workers();
  }
  set_mode(Mode::quit);
  threads.clear();
  if (gate_ != nullptr) gate_->close();
  gate_ = nullptr;
  runtime_ = nullptr;
  world_ = nullptr;
  return report_.complaints() == 0 && !testing::UnitTest::GetInstance()->Failed() ? 0 : 1;
}

}  // namespace

int run_peer(const PeerOptions& options) {
  return Peer(options).run();
}

}  // namespace softndk::soak
