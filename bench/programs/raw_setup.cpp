// How fast connections come and go: connect and close, the same with what an MPA handshake exchanges, and what idle
// ones weigh.
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <vector>

#include "programs/measure.h"
#include "programs/raw_plan.h"
#include "programs/ready.h"

namespace softndk::bench {
namespace {

constexpr std::array<std::byte, kExchangeBytes> kGreeting{};

bool exchanges(const RawPlan& plan) {
  return plan.kind == "exchange";
}

/// One after the other.
void connect_serially(const RawPlan& plan, const std::string& address, std::uint16_t port, tools::Histogram& setup_ns) {
  std::array<std::byte, kExchangeBytes> in;
  while (setup_ns.count() < plan.iterations) {
    const auto start = Clock::now();
    Socket socket = connect_to(address, port, plan.congestion);
    if (exchanges(plan)) {
      send_all(socket, kGreeting, plan.waiting());
      if (!receive_all(socket, in, plan.waiting())) die("the server refused");
    }
    setup_ns.record(static_cast<std::uint64_t>((Clock::now() - start).count()));
  }
}

/// `plan.connections` at a time, each on its own way through connecting, asking and closing.
class ConnectMany {
 public:
  ConnectMany(const RawPlan& plan, const std::string& address, std::uint16_t port, tools::Histogram& setup_ns)
      : plan_(plan), address_(address), port_(port), setup_ns_(setup_ns), ready_(plan.waiting()) {}

  void run() {
    slots_.resize(plan_.connections);
    for (std::size_t i = 0; i < slots_.size(); ++i)
      begin(i);
    while (open_ > 0)
      for (const epoll_event& event : ready_.next())
        advance(event.data.u64);
  }

 private:
  struct Slot {
    Socket socket;
    Clock::time_point start;
    bool asked = false;
  };

  void begin(std::size_t index) {
    if (begun_ == plan_.iterations) return;
    ++begun_;
    ++open_;
    slots_[index] = {begin_connect(address_, port_, plan_.congestion), Clock::now(), false};
    ready_.watch(slots_[index].socket, EPOLLOUT, index);
  }

  void advance(std::size_t index) {
    Slot& slot = slots_[index];
    if (exchanges(plan_) && !slot.asked) {
      slot.asked = true;
      send_all(slot.socket, kGreeting, Wait::spin);
      ready_.change(slot.socket, EPOLLIN, index);
      return;
    }
    std::array<std::byte, kExchangeBytes> in;
    int error = 0;
    socklen_t bytes = sizeof(error);
    check(getsockopt(slot.socket.fd(), SOL_SOCKET, SO_ERROR, &error, &bytes), "SO_ERROR");
    errno = error;
    if (error != 0 || (exchanges(plan_) && !receive_all(slot.socket, in, Wait::spin))) die("a connect");
    setup_ns_.record(static_cast<std::uint64_t>((Clock::now() - slot.start).count()));
    slot.socket.close();
    --open_;
    begin(index);
  }

  const RawPlan& plan_;
  const std::string& address_;
  const std::uint16_t port_;
  tools::Histogram& setup_ns_;
  Ready ready_;
  std::vector<Slot> slots_;
  std::uint64_t begun_ = 0;
  std::size_t open_ = 0;
};

}  // namespace

nlohmann::json run_setup_client(const RawPlan& plan, const std::string& address, std::uint16_t port, Control& control) {
  if (plan.kind == "idle") {
    const std::uint64_t before_kib = resident_kib();
    std::vector<Socket> sockets;
    while (sockets.size() < plan.connections)
      sockets.push_back(connect_to(address, port, plan.congestion));
    const auto told = control.answer();
    return {{"connections", plan.connections}, {"resident_growth_kib", resident_kib() - before_kib}, {"server", told}};
  }
  const Usage usage;
  tools::Histogram setup_ns;
  const auto start = Clock::now();
  if (plan.connections == 1)
    connect_serially(plan, address, port, setup_ns);
  else
    ConnectMany(plan, address, port, setup_ns).run();
  const double elapsed_s = seconds_since(start);
  nlohmann::json line = latency_json(setup_ns);
  line.update({{"iterations", setup_ns.count()},
               {"elapsed_s", elapsed_s},
               {"connections_per_s", static_cast<double>(setup_ns.count()) / elapsed_s},
               {"at_a_time", plan.connections},
               {"cpu_s", usage.cpu_s()}});
  line["server"] = control.answer();
  return line;
}

nlohmann::json run_setup_server(const RawPlan& plan, const Socket& listener) {
  if (plan.kind == "idle") {
    const std::uint64_t before_kib = resident_kib();
    std::vector<Socket> sockets;
    while (sockets.size() < plan.connections)
      sockets.push_back(accept_from(listener, plan.waiting()));
    return {{"resident_growth_kib", resident_kib() - before_kib}};
  }
  // One at a time even where the client has many on their way: a question that is not there yet is there soon, and a
  // poller's system calls would only be added.
  const Usage usage;
  std::array<std::byte, kExchangeBytes> in;
  for (std::uint64_t i = 0; i < plan.iterations; ++i) {
    Socket socket = accept_from(listener, plan.waiting());
    if (exchanges(plan) && receive_all(socket, in, plan.waiting())) send_all(socket, kGreeting, plan.waiting());
  }
  return {{"cpu_s", usage.cpu_s()}};
}

}  // namespace softndk::bench
