// Ping-pong, fetch and stream over plain sockets.
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "programs/measure.h"
#include "programs/raw_plan.h"
#include "programs/ready.h"

namespace softndk::bench {
namespace {

std::size_t receive_size(const RawPlan& plan) {
  // What one call moves: large enough that the call costs little, small enough to stay in the second-level cache.
  return plan.receive_bytes > 0 ? plan.receive_bytes : std::size_t{128} * 1024;
}

nlohmann::json exchange_load(const RawPlan& plan, const Socket& socket) {
  const bool is_fetch = plan.kind == "fetch";
  LoadBuffer out(is_fetch ? kFetchBytes : plan.size_bytes, is_fetch ? 0 : plan.offset_bytes);
  LoadBuffer in(plan.size_bytes, plan.offset_bytes);
  const unsigned ways = is_fetch ? 1 : 2;
  const auto once = [&] {
    send_all(socket, out.bytes(), plan.waiting());
    if (!receive_all(socket, in.bytes(), plan.waiting())) die("the peer has left");
  };
  constexpr int kWarmUp = 50;
  for (int i = 0; i < kWarmUp; ++i)
    once();
  tools::Histogram latency_ns;
  const Budget budget(plan.duration_s, plan.iterations);
  auto before = Clock::now();
  do {
    once();
    const auto now = Clock::now();
    latency_ns.record(static_cast<std::uint64_t>((now - before).count()) / ways);
    before = now;
  } while (budget.allows(latency_ns.count()));
  nlohmann::json line = rate_json(latency_ns.count(), plan.size_bytes, budget.elapsed_s());
  line.update(latency_json(latency_ns));
  return line;
}

void echo_load(const RawPlan& plan, const Socket& socket) {
  const bool is_fetch = plan.kind == "fetch";
  LoadBuffer in(is_fetch ? kFetchBytes : plan.size_bytes, is_fetch ? 0 : plan.offset_bytes);
  LoadBuffer out(plan.size_bytes, plan.offset_bytes);
  while (receive_all(socket, in.bytes(), plan.waiting()))
    send_all(socket, out.bytes(), plan.waiting());
}

std::uint64_t stream_to_one(const RawPlan& plan, const Socket& socket, const Budget& budget) {
  LoadBuffer out(plan.size_bytes, plan.offset_bytes);
  std::uint64_t messages = 0;
  while (budget.allows(messages)) {
    send_all(socket, out.bytes(), plan.waiting());
    ++messages;
  }
  return messages;
}

/// In turn to all that take something; who is full is left until it takes some again.
std::uint64_t stream_to_many(const RawPlan& plan, const std::vector<Socket>& sockets, const Budget& budget) {
  LoadBuffer out(plan.size_bytes, plan.offset_bytes);
  Ready ready(plan.waiting());
  std::vector<std::size_t> rest(sockets.size(), 0);  // of the message that is on its way
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    ready.watch(sockets[i], EPOLLOUT | EPOLLET, i);
    open.push_back(i);
  }
  std::uint64_t messages = 0;
  while (budget.allows(messages)) {
    for (std::size_t at = 0; at < open.size();) {
      const std::size_t index = open[at];
      if (rest[index] == 0) {
        rest[index] = plan.size_bytes;
        ++messages;
      }
      const auto part = out.bytes().last(rest[index]);
      const ssize_t sent = send(sockets[index].fd(), part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) die("send");
      rest[index] -= sent > 0 ? static_cast<std::size_t>(sent) : 0;
      if (rest[index] == 0) {
        ++at;
        continue;
      }
      open[at] = open.back();
      open.pop_back();
    }
    if (!open.empty()) continue;
    for (const epoll_event& event : ready.next())
      open.push_back(event.data.u64);
  }
  for (std::size_t i = 0; i < sockets.size(); ++i)
    send_all(sockets[i], out.bytes().last(rest[i]), Wait::spin);
  return messages;
}

std::uint64_t drain_one(const RawPlan& plan, const Socket& socket) {
  LoadBuffer in(receive_size(plan), plan.offset_bytes);
  std::uint64_t total = 0;
  while (const std::size_t received = receive_some(socket, in.bytes(), plan.waiting()))
    total += received;
  return total;
}

std::uint64_t drain_many(const RawPlan& plan, const std::vector<Socket>& sockets) {
  LoadBuffer in(receive_size(plan), plan.offset_bytes);
  Ready ready(plan.waiting());
  for (std::size_t i = 0; i < sockets.size(); ++i)
    ready.watch(sockets[i], EPOLLIN, i);
  std::uint64_t total = 0;
  for (std::size_t open = sockets.size(); open > 0;)
    for (const epoll_event& event : ready.next()) {
      const Socket& socket = sockets[event.data.u64];
      const ssize_t received = recv(socket.fd(), in.bytes().data(), in.bytes().size(), MSG_DONTWAIT);
      if (received > 0) total += static_cast<std::uint64_t>(received);
      if (received != 0) continue;
      ready.forget(socket);
      --open;
    }
  return total;
}

}  // namespace

nlohmann::json run_load_client(const RawPlan& plan, const std::string& address, std::uint16_t port, Control& control) {
  std::vector<Socket> sockets;
  for (std::uint32_t i = 0; i < plan.connections; ++i)
    sockets.push_back(connect_to(address, port, plan.congestion));
  const std::string congestion = congestion_of(sockets.front());
  control.answer();  // the server has them all
  const Usage usage;
  nlohmann::json line;
  if (plan.kind == "stream") {
    const Budget budget(plan.duration_s, plan.iterations);
    const std::uint64_t messages =
        plan.connections == 1 ? stream_to_one(plan, sockets.front(), budget) : stream_to_many(plan, sockets, budget);
    for (const Socket& socket : sockets)
      check(shutdown(socket.fd(), SHUT_WR), "shutdown");
    const auto told = control.answer();  // when it has arrived, not when it was sent
    line = rate_json(messages, plan.size_bytes, budget.elapsed_s());
    line["server"] = told;
    errno = 0;
    if (told["bytes"] != messages * plan.size_bytes) die("the server did not receive what was sent");
  } else {
    line = exchange_load(plan, sockets.front());
    sockets.clear();
    line["server"] = control.answer();
  }
  line["cpu_s"] = usage.cpu_s();
  line["congestion"] = congestion;
  return line;
}

nlohmann::json run_load_server(const RawPlan& plan, const Socket& listener, Control& control) {
  std::vector<Socket> sockets;
  while (sockets.size() < plan.connections)
    sockets.push_back(accept_from(listener, Wait::block));
  const Usage usage;
  control.say({{"accepted", sockets.size()}});
  std::uint64_t bytes = 0;
  if (plan.kind == "stream")
    bytes = plan.connections == 1 ? drain_one(plan, sockets.front()) : drain_many(plan, sockets);
  else
    echo_load(plan, sockets.front());
  return {{"cpu_s", usage.cpu_s()}, {"bytes", bytes}};
}

}  // namespace softndk::bench
