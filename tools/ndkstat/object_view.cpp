// Live NDK objects of each process, as a tree.
#include <fmt/format.h>

#include <algorithm>

#include "tools/ndkstat/views.h"

namespace softndk::tools {
namespace {

/// Calls `visit` for the objects under wanted adapters. An adapter comes before all that is under it.
template <class Visit>
void for_each_object(const HostView& host, const ProcessDocument& process, Visit visit) {
  bool wanted = true;
  for (const Json& object : list_in(process.document, "objects")) {
    if (number_in(object, "depth") == 0 && !host.interface.empty()) {
      const Json& adapters = list_in(process.document, "adapters");
      wanted = std::any_of(adapters.begin(), adapters.end(), [&](const Json& adapter) {
        return number_in(adapter, "ifindex") == number_in(object, "ifindex") && host.is_wanted(adapter);
      });
    }
    if (wanted) visit(object);
  }
}

std::string age_text(std::uint64_t age_ms) {
  if (age_ms < 1000) return fmt::format("{} ms", age_ms);
  if (age_ms < 120'000) return fmt::format("{}.{} s", age_ms / 1000, age_ms % 1000 / 100);
  return fmt::format("{} min", age_ms / 60'000);
}

/// "qp 0x7f..., connected, 10.0.0.1:9 -> 10.0.0.2:445, 3.2 s, driver x, created at f+0x12 (x.so)".
std::string line_of(const Json& object) {
  std::string line = text_in(object, "type");
  const auto add = [&](const std::string& part, const char* before = ", ") {
    if (!part.empty()) line += before + part;
  };
  add(text_in(object, "object"), " ");
  if (number_in(object, "depth") == 0) add(fmt::format("interface {}", number_in(object, "ifindex")));
  add(text_in(object, "state"));
  const std::string peer = text_in(object, "peer");
  add(text_in(object, "local"));
  add(peer, " -> ");
  add(age_text(number_in(object, "age_ms")));
  add(text_in(object, "driver"), ", driver ");
  add(text_in(object, "created_by"), ", created at ");
  return line;
}

}  // namespace

std::string objects_text(const HostView& host) {
  std::string text;
  for (const ProcessDocument& process : host.processes.processes) {
    text += fmt::format("process {} ({})\n", process.pid, printable(process.name));
    for_each_object(host, process, [&](const Json& object) {
      const auto indent = 2 * (1 + std::min<std::uint64_t>(number_in(object, "depth"), 16));
      text += fmt::format("{:{}}{}\n", "", indent, line_of(object));
    });
    if (const auto left_out = number_in(process.document, "objects_not_shown"); left_out != 0)
      text += fmt::format("  and {} more\n", left_out);
  }
  return text;
}

Json objects_json(const HostView& host) {
  Json document = json_head("objects");
  Json& processes = document["processes"] = Json::array();
  for (const ProcessDocument& process : host.processes.processes) {
    Json objects = Json::array();
    for_each_object(host, process, [&](const Json& object) { objects.push_back(object); });
    processes.push_back({{"pid", process.pid},
                         {"process", printable(process.name)},
                         {"objects", std::move(objects)},
                         {"objects_not_shown", number_in(process.document, "objects_not_shown")}});
  }
  return document;
}

}  // namespace softndk::tools
