// fabric_msg: the same things as tcp_raw and ndkperf, over libfabric's tcp provider with FI_EP_MSG endpoints. Its own
// fi_pingpong tells no message rate.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <vector>

#include "programs/control.h"
#include "programs/fabric_link.h"
#include "programs/measure.h"

using namespace softndk::bench;

namespace {

struct FabricPlan {
  std::string kind = "pingpong";  ///< pingpong, msg, write, read, connect
  std::size_t size_bytes = 64;
  std::string wait = "spin";
  double duration_s = 0.3;
  std::uint64_t iterations = 2000;  ///< connect: connections
  std::uint32_t depth = 128;
  std::size_t offset_bytes = 0;

  Wait waiting() const { return wait == "spin" ? Wait::spin : Wait::block; }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FabricPlan, kind, size_bytes, wait, duration_s, iterations, depth, offset_bytes)

void send_small_or_large(FabricLink& link, std::size_t bytes) {
  if (link.injects(bytes))
    link.inject(bytes);
  else
    link.send(bytes);
}

nlohmann::json pingpong(const FabricPlan& plan, FabricLink& link) {
  softndk::tools::Histogram latency_ns;
  const auto once = [&] {
    link.post_receive();
    const std::uint64_t wanted = link.received + 1;
    send_small_or_large(link, plan.size_bytes);
    while (link.received < wanted || link.completed < link.posted)
      link.pump(true);
  };
  constexpr int kWarmUp = 50;
  for (int i = 0; i < kWarmUp; ++i)
    once();
  const Budget budget(plan.duration_s, 0);
  auto before = Clock::now();
  do {
    once();
    const auto now = Clock::now();
    latency_ns.record(static_cast<std::uint64_t>((now - before).count()) / 2);
    before = now;
  } while (budget.allows(latency_ns.count()));
  nlohmann::json line = rate_json(latency_ns.count(), plan.size_bytes, budget.elapsed_s());
  line.update(latency_json(latency_ns));
  link.send_last();
  while (link.completed < link.posted)
    link.pump(true);
  return line;
}

nlohmann::json stream(const FabricPlan& plan, FabricLink& link, std::size_t depth, Control& control) {
  const Budget budget(plan.duration_s, 0);
  std::uint64_t messages = 0;
  while (budget.allows(messages)) {
    while (link.posted - link.completed >= depth)
      link.pump(true);
    if (plan.kind == "msg")
      link.send(plan.size_bytes);
    else if (plan.kind == "write")
      link.write(plan.size_bytes);
    else
      link.read(plan.size_bytes);
    ++messages;
  }
  while (link.completed < link.posted)
    link.pump(true);
  link.send_last();
  while (link.completed < link.posted)
    link.pump(true);
  const auto told = control.answer();
  nlohmann::json line = rate_json(messages, plan.size_bytes, budget.elapsed_s());
  line["server"] = told;
  errno = 0;
  if (plan.kind == "msg" && told["received"] != messages + 1) die("the server did not receive what was sent");
  return line;
}

nlohmann::json connect_many(const FabricPlan& plan, Fabric& fabric) {
  softndk::tools::Histogram setup_ns;
  const auto start = Clock::now();
  while (setup_ns.count() < plan.iterations) {
    const auto before = Clock::now();
    FabricLink link(fabric, fabric.info(), 1, 0);
    link.begin_connect();
    link.await_connected();
    setup_ns.record(static_cast<std::uint64_t>((Clock::now() - before).count()));
  }
  const double elapsed_s = seconds_since(start);
  nlohmann::json line = latency_json(setup_ns);
  line.update({{"iterations", setup_ns.count()},
               {"elapsed_s", elapsed_s},
               {"connections_per_s", static_cast<double>(setup_ns.count()) / elapsed_s}});
  return line;
}

nlohmann::json measure(const FabricPlan& plan, const std::string& address, std::uint16_t port) {
  Control control(connect_patiently(address, port, ""));
  control.say(plan);
  Fabric fabric(address, control.answer().at("port").get<std::uint16_t>(), plan.waiting());
  const Usage usage;
  nlohmann::json line;
  if (plan.kind == "connect") {
    line = connect_many(plan, fabric);
    line["server"] = control.answer();
  } else {
    FabricLink link(fabric, fabric.info(), plan.size_bytes, plan.offset_bytes);
    link.begin_connect();
    link.await_connected();
    link.set_peer(control.answer().get<FabricTarget>());
    if (plan.kind == "pingpong") {
      line = pingpong(plan, link);
      line["server"] = control.answer();
    } else {
      line = stream(plan, link, std::min<std::size_t>(plan.depth, fabric.depth_max()), control);
    }
  }
  line["cpu_s"] = usage.cpu_s();
  return line;
}

/// Echoes, or takes what comes, until the client's last message.
void serve_load(const FabricPlan& plan, FabricLink& link, std::size_t depth) {
  const std::size_t receives = plan.kind == "msg" ? depth : 4;
  for (std::size_t i = 0; i < receives; ++i)
    link.post_receive();
  std::uint64_t answered = 0;
  while (!link.last_seen) {
    link.pump(true);
    for (; answered < link.received; ++answered) {
      link.post_receive();
      if (plan.kind == "pingpong" && !link.last_seen) send_small_or_large(link, plan.size_bytes);
    }
  }
}

void serve_connects(const FabricPlan& plan, Fabric& fabric) {
  std::vector<std::unique_ptr<FabricLink>> links;
  // A peer that has closed goes unseen where nothing is polled for: each is let go as soon as it is there.
  for (std::uint64_t gone = 0; gone < plan.iterations;) {
    const FabricEvent event = fabric.next_event();
    if (event.kind == FI_CONNREQ) {
      links.push_back(std::make_unique<FabricLink>(fabric, event.info, 1, 0));
      links.back()->accept();
      fi_freeinfo(event.info);
    } else if (event.kind == FI_CONNECTED) {
      ++gone;
      std::erase_if(links, [&](const auto& link) { return link->id() == event.about; });
    }
  }
}

void serve(const std::string& address, std::uint16_t port) {
  Control control(accept_from(listen_on(address, port, ""), Wait::block));
  while (const auto asked = control.hear()) {
    const auto plan = asked->get<FabricPlan>();
    Fabric fabric(address, 0, plan.waiting());
    control.say({{"port", fabric.listen()}});
    const Usage usage;
    if (plan.kind == "connect") {
      serve_connects(plan, fabric);
      control.say({{"cpu_s", usage.cpu_s()}});
      continue;
    }
    const FabricEvent request = fabric.next_event();
    errno = 0;
    if (request.kind != FI_CONNREQ) die("not a connect request");
    FabricLink link(fabric, request.info, plan.size_bytes, plan.offset_bytes);
    link.accept();
    link.await_connected();
    control.say(link.target());
    serve_load(plan, link, std::min<std::size_t>(plan.depth, fabric.depth_max()));
    control.say({{"cpu_s", usage.cpu_s()}, {"received", link.received}});
    fi_freeinfo(request.info);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"libfabric tcp with FI_EP_MSG endpoints.", "fabric_msg"};
  bool server = false;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  FabricPlan plan;
  app.add_flag("--server", server, "serve one client");
  app.add_option("--address", address, "where the server listens; IPv4");
  app.add_option("--port", port, "its port")->required();
  app.add_option("--kind", plan.kind, "what is measured")
      ->check(CLI::IsMember({"pingpong", "msg", "write", "read", "connect"}));
  app.add_option("--size", plan.size_bytes, "octets a message")->check(CLI::Range(1, 64 << 20));
  app.add_option("--wait", plan.wait, "spin or block")->check(CLI::IsMember({"spin", "block"}));
  app.add_option("--duration", plan.duration_s, "seconds");
  app.add_option("--iterations", plan.iterations, "connect: connections");
  app.add_option("--depth", plan.depth, "requests in flight")->check(CLI::Range(1, 4096));
  app.add_option("--offset", plan.offset_bytes, "of the buffers within their pages")->check(CLI::Range(0, 4095));
  CLI11_PARSE(app, argc, argv);
  if (server)
    serve(address, port);
  else
    std::printf("%s\n", measure(plan, address, port).dump().c_str());
  return 0;
}
