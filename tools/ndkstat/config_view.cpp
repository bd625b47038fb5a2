// The settings table.
#include <fmt/format.h>
#include <softndk/softndk.h>

#include <algorithm>
#include <cctype>
#include <span>

#include "tools/ndkstat/views.h"

namespace softndk::tools {
namespace {

std::span<const softndk_setting> settings() {
  std::size_t count = 0;
  const softndk_setting* first = softndk_settings(&count);
  return {first, count};
}

std::string environment_name(std::string_view setting) {
  std::string name = "SOFTNDK_" + std::string(setting);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) { return std::toupper(letter); });
  return name;
}

std::string value_of(const HostView* process, const char* setting) {
  if (process == nullptr) return printable(softndk_get(setting));
  for (const Json& each : list_in(process->processes.processes.front().document, "settings"))
    if (text_in(each, "name") == setting) return text_in(each, "value");
  return "";  // a process with an older library
}

}  // namespace

std::string config_text(const HostView* process) {
  std::string text = fmt::format("# {:<30} {:<31} {}\n", "name = value", "environment", "default; range; meaning");
  for (const softndk_setting& each : settings()) {
    const std::string value = value_of(process, each.name);
    text += fmt::format(
        "{:<32} # {:<29} {}{}; {}; {}\n", fmt::format("{} = {}", each.name, value), environment_name(each.name),
        value == each.default_value ? "" : "not the default: ", each.default_value, each.range, each.meaning);
  }
  return text;
}

Json config_json(const HostView* process) {
  Json document = json_head("config");
  if (process != nullptr) document["pid"] = process->processes.processes.front().pid;
  Json& list = document["settings"] = Json::array();
  for (const softndk_setting& each : settings()) {
    list.push_back({{"name", each.name},
                    {"environment", environment_name(each.name)},
                    {"value", value_of(process, each.name)},
                    {"default", each.default_value},
                    {"range", each.range},
                    {"meaning", each.meaning}});
  }
  return document;
}

}  // namespace softndk::tools
