// Adapters: what Get-NetAdapterRdma and ndadapterinfo show.
#include <fmt/format.h>

#include "tools/ndkstat/names.h"
#include "tools/ndkstat/views.h"

namespace softndk::tools {
namespace {

bool is_enabled(const Json& adapter) {
  return text_in(adapter, "ndk_state") == "enabled";
}

std::string technology_text(const Json& info) {
  const auto technology = number_in(info, "rdma_technology");
  const char* name = technology_name(technology);
  return name != nullptr ? name : std::to_string(technology);
}

Json flag_names(std::uint64_t flags) {
  Json names = Json::array();
  for (const FlagName& each : adapter_flag_names()) {
    if ((flags & each.flag) != 0) names.push_back(each.name);
    flags &= ~std::uint64_t{each.flag};
  }
  if (flags != 0) names.push_back(fmt::format("0x{:x}", flags));
  return names;
}

std::string version_text(const Json& info) {
  return fmt::format("{}.{}", number_in(info, "ndk_version_major"), number_in(info, "ndk_version_minor"));
}

}  // namespace

std::string adapters_text(const HostView& host) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<26} : {}\n", name, value);
  };
  for (const Json& adapter : host.adapters) {
    if (!text.empty()) text += '\n';
    line("Name", text_in(adapter, "name"));
    line("InterfaceDescription", text_in(adapter, "description"));
    line("IfIndex", std::to_string(number_in(adapter, "ifindex")));
    line("Enabled", is_enabled(adapter) ? "True" : "False");
    for (const FieldName& each : capability_names())
      line(each.name, std::to_string(number_in(object_in(adapter, "capabilities"), each.key)));
    const Json& info = object_in(adapter, "info");
    line("RdmaAdapterInfo",
         fmt::format("NDK {}, {}; all of it: ndkstat --info", version_text(info), technology_text(info)));
  }
  return text;
}

Json adapters_json(const HostView& host) {
  Json document = json_head("adapters");
  Json& list = document["adapters"] = Json::array();
  for (const Json& adapter : host.adapters) {
    Json one;
    for (const char* key : {"name", "description", "ifindex", "luid", "loopback", "addresses"})
      one[key] = adapter.value(key, Json());
    one["enabled"] = is_enabled(adapter);
    one["ndk_state"] = text_in(adapter, "ndk_state");
    for (const FieldName& each : capability_names())
      one[each.key] = number_in(object_in(adapter, "capabilities"), each.key);
    one["rdma_technology"] = number_in(object_in(adapter, "info"), "rdma_technology");
    one["rdma_technology_name"] = technology_text(object_in(adapter, "info"));
    list.push_back(std::move(one));
  }
  return document;
}

std::string info_text(const HostView& host) {
  std::string text;
  for (const Json& adapter : host.adapters) {
    const Json& info = object_in(adapter, "info");
    if (host.adapters.size() > 1) {
      text += fmt::format("{}{} (interface {}, {})\n", text.empty() ? "" : "\n", text_in(adapter, "name"),
                          number_in(adapter, "ifindex"), text_in(adapter, "description"));
    }
    text += fmt::format("InfoVersion: {}\n", version_text(info));
    for (const FieldName& each : adapter_info_names())
      text += fmt::format("{}: {}\n", each.name, number_in(info, each.key));
    text += "AdapterFlags:\n";
    for (const Json& name : flag_names(number_in(info, "adapter_flags")))
      text += fmt::format("    {}\n", name.get<std::string>());
    text += fmt::format("RdmaTechnology: {}\n", technology_text(info));
  }
  return text;
}

Json info_json(const HostView& host) {
  Json document = json_head("info");
  Json& list = document["adapters"] = Json::array();
  for (const Json& adapter : host.adapters) {
    const Json& info = object_in(adapter, "info");
    Json one{{"name", text_in(adapter, "name")},
             {"ifindex", number_in(adapter, "ifindex")},
             {"ndk_version", version_text(info)}};
    for (const FieldName& each : adapter_info_names())
      one[each.key] = number_in(info, each.key);
    one["adapter_flags"] = number_in(info, "adapter_flags");
    one["adapter_flag_names"] = flag_names(number_in(info, "adapter_flags"));
    one["rdma_technology"] = number_in(info, "rdma_technology");
    one["rdma_technology_name"] = technology_text(info);
    list.push_back(std::move(one));
  }
  return document;
}

}  // namespace softndk::tools
