#include "tools/ndkstat/host_view.h"

#include <fmt/format.h>
#include <ntstatus.h>
#include <softndk/softndk.h>

#include <algorithm>

namespace softndk::tools {
namespace {

constexpr std::chrono::milliseconds kPatience{3000};

/// The adapters of a runtime of our own.
Result<Json> own_adapters() {
  softndk_set("publish", "off");
  if (const NTSTATUS status = softndk_start(); status != STATUS_SUCCESS)
    return tl::unexpected(provider_failure("softndk_start", status, "the runtime"));
  std::string text;
  std::size_t bytes = 16384;
  int32_t status = STATUS_BUFFER_TOO_SMALL;
  while (status == STATUS_BUFFER_TOO_SMALL) {
    text.resize(bytes + bytes / 4);
    status = softndk_describe(text.data(), text.size(), &bytes);
  }
  softndk_stop();
  if (status != STATUS_SUCCESS) return tl::unexpected(provider_failure("softndk_describe", status, "the runtime"));
  text.resize(bytes);
  const Json document = Json::parse(text, nullptr, false);
  return list_in(document, "adapters");
}

const Json* find(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(std::string(key));
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

std::uint64_t number_in(const Json& object, std::string_view key) {
  const Json* found = find(object, key);
  return found != nullptr && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}
bool truth_in(const Json& object, std::string_view key) {
  const Json* found = find(object, key);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}
std::string text_in(const Json& object, std::string_view key) {
  const Json* found = find(object, key);
  return found != nullptr && found->is_string() ? printable(found->get_ref<const std::string&>()) : std::string();
}
const Json& list_in(const Json& object, std::string_view key) {
  static const Json nothing = Json::array();
  const Json* found = find(object, key);
  return found != nullptr && found->is_array() ? *found : nothing;
}
const Json& object_in(const Json& object, std::string_view key) {
  static const Json nothing = Json::object();
  const Json* found = find(object, key);
  return found != nullptr && found->is_object() ? *found : nothing;
}

std::string printable(std::string_view text) {
  std::string clean(text);
  std::replace_if(
      clean.begin(), clean.end(), [](char letter) { return letter < 0x20 || letter > 0x7E; }, '?');
  return clean;
}

bool HostView::is_wanted(const Json& adapter) const {
  return interface.empty() || interface == text_in(adapter, "name") ||
         interface == std::to_string(number_in(adapter, "ifindex"));
}

Result<HostView> look_at_host(const HostOptions& options) {
  HostView view;
  view.interface = options.interface;
  view.processes = survey_processes(options.directory, kPatience);
  if (options.pid != 0) {
    auto& all = view.processes.processes;
    std::erase_if(all, [&](const ProcessDocument& process) { return process.pid != options.pid; });
    if (all.empty()) {
      return tl::unexpected(test_failure(fmt::format(
          "process {} publishes nothing: it is not there, another user's, of another network namespace, does not "
          "answer, or has the setting publish=off",
          options.pid)));
    }
    view.adapters = list_in(all.front().document, "adapters");
  } else if (options.needs_adapters) {
    auto adapters = own_adapters();
    if (!adapters) return tl::unexpected(adapters.error());
    view.adapters = std::move(*adapters);
  }
  if (!options.needs_adapters) return view;
  Json wanted = Json::array();
  for (const Json& adapter : view.adapters)
    if (view.is_wanted(adapter)) wanted.push_back(adapter);
  view.adapters = std::move(wanted);
  if (view.adapters.empty()) {
    Failure failure = test_failure(options.interface.empty() ? "this host has no interface that could be an NDK adapter"
                                                             : "no NDK adapter on interface " + options.interface);
    failure.exit_code = ExitCode::no_adapter;
    return tl::unexpected(failure);
  }
  return view;
}

Json json_head(const char* view) {
  return {{"schema", 1}, {"tool", "ndkstat"}, {"version", softndk_version()}, {"view", view}};
}

}  // namespace softndk::tools
