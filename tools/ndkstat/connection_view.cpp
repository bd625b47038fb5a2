// Connections, listeners and shared endpoints, in the layout of netstat -xan.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "tools/ndkstat/views.h"

namespace softndk::tools {
namespace {

enum class Kind : std::uint8_t { connection, listener, shared_endpoint };

struct Row {
  Kind kind;
  std::uint64_t ifindex;
  std::string adapter, mode, local, foreign, tcp_local, tcp_foreign;
  int pid;
  std::string process;
  auto order() const { return std::tie(ifindex, kind, local, foreign, pid); }
};

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::connection:
      return "Connection";
    case Kind::listener:
      return "Listener";
    case Kind::shared_endpoint:
      return "SharedEndpoint";
  }
  return "";
}

std::vector<Row> rows_of(const HostView& host) {
  std::vector<Row> rows;
  host.for_each_adapter([&](const ProcessDocument& process, const Json& adapter) {
    const auto add = [&](Kind kind, const Json& entry) {
      const bool has_peer = kind == Kind::connection;
      rows.push_back({kind, number_in(adapter, "ifindex"), text_in(adapter, "name"),
                      text_in(entry, "mode") == "user" ? "User" : "Kernel", text_in(entry, "local"),
                      has_peer ? text_in(entry, "foreign") : "NA", text_in(entry, "tcp_local"),
                      has_peer ? text_in(entry, "tcp_foreign") : "NA", process.pid, printable(process.name)});
    };
    for (const Json& connection : list_in(adapter, "connections"))
      add(Kind::connection, connection);
    for (const Json& endpoint : list_in(adapter, "endpoints"))
      add(text_in(endpoint, "type") == "listener" ? Kind::listener : Kind::shared_endpoint, endpoint);
  });
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.order() < b.order(); });
  return rows;
}

}  // namespace

std::string connections_text(const HostView& host) {
  std::string text = "\nActive NetworkDirect Connections, Listeners, SharedEndpoints\n\n";
  const auto line = [&](auto... columns) {
    std::string one = fmt::format("  {:<6} {:>7} {:<14} {:<22} {:<22} {}", columns...);
    one.erase(one.find_last_not_of(' ') + 1);
    text += one + '\n';
  };
  line("Mode", "IfIndex", "Type", "Local Address", "Foreign Address", "PID");
  text += '\n';
  for (const Row& row : rows_of(host)) {
    line(row.mode, row.ifindex, name_of(row.kind), row.local, row.foreign, row.pid);
    line("", "", "TCP", row.tcp_local, row.tcp_foreign, "");
  }
  return text;
}

Json connections_json(const HostView& host) {
  Json document = json_head("connections");
  Json& list = document["connections"] = Json::array();
  for (const Row& row : rows_of(host)) {
    Json one{{"mode", row.mode},
             {"ifindex", row.ifindex},
             {"adapter", row.adapter},
             {"type", name_of(row.kind)},
             {"local_address", row.local}};
    const bool has_peer = row.kind == Kind::connection;
    one["foreign_address"] = has_peer ? Json(row.foreign) : Json();
    one["pid"] = row.pid;
    one["process"] = row.process;
    one["tcp_local_address"] = row.tcp_local;
    one["tcp_foreign_address"] = has_peer ? Json(row.tcp_foreign) : Json();
    list.push_back(std::move(one));
  }
  return document;
}

}  // namespace softndk::tools
