// tcp_raw: what TCP itself does, in the same waiting mode as the thing beside it. One program, two sides; a server
// serves one client, which prints one line of JSON.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "programs/raw_plan.h"

using namespace softndk::bench;

namespace {

bool is_setup(const RawPlan& plan) {
  return plan.kind == "connect" || plan.kind == "exchange" || plan.kind == "idle";
}

void serve(const std::string& address, std::uint16_t port) {
  Control control(accept_from(listen_on(address, port, ""), Wait::block));
  while (const auto asked = control.hear()) {
    const auto plan = asked->get<RawPlan>();
    const Socket listener = listen_on(address, 0, plan.congestion);
    if (is_setup(plan) && plan.waiting() == Wait::spin) set_nonblocking(listener);
    control.say({{"port", port_of(listener)}});
    control.say(is_setup(plan) ? run_setup_server(plan, listener) : run_load_server(plan, listener, control));
  }
}

nlohmann::json measure(const RawPlan& plan, const std::string& address, std::uint16_t port) {
  Control control(connect_patiently(address, port, ""));
  control.say(plan);
  const auto load_port = control.answer().at("port").get<std::uint16_t>();
  return is_setup(plan) ? run_setup_client(plan, address, load_port, control)
                        : run_load_client(plan, address, load_port, control);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Raw TCP: ping-pong, streams, connections.", "tcp_raw"};
  bool server = false;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  RawPlan plan;
  app.add_flag("--server", server, "serve one client");
  app.add_option("--address", address, "where the server listens; IPv4");
  app.add_option("--port", port, "its port")->required();
  app.add_option("--kind", plan.kind, "what is measured")
      ->check(CLI::IsMember({"pingpong", "fetch", "stream", "connect", "exchange", "idle"}));
  app.add_option("--size", plan.size_bytes, "octets a message")->check(CLI::Range(1, 64 << 20));
  app.add_option("--wait", plan.wait, "spin or block")->check(CLI::IsMember({"spin", "block"}));
  app.add_option("--duration", plan.duration_s, "seconds");
  app.add_option("--iterations", plan.iterations, "messages; connect, exchange: connections");
  app.add_option("--connections", plan.connections, "that carry the load; connect, exchange: at a time")
      ->check(CLI::Range(1, 20000));
  app.add_option("--offset", plan.offset_bytes, "of the buffers within their pages")->check(CLI::Range(0, 4095));
  app.add_option("--receive-size", plan.receive_bytes, "stream: most for one recv");
  app.add_option("--congestion", plan.congestion, "congestion control; empty is the system's");
  CLI11_PARSE(app, argc, argv);
  if (is_setup(plan) && plan.iterations == 0) plan.iterations = 2000;
  if (server)
    serve(address, port);
  else
    std::printf("%s\n", measure(plan, address, port).dump().c_str());
  return 0;
}
