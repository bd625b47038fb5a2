#include "tools/common/common_options.h"

#include <fmt/format.h>
#include <softndk/softndk.h>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace softndk::tools {
namespace {

const char* side_name(Side side) {
  return side == Side::server ? "Server" : "Client";
}

Failure usage(std::string reason) {
  Failure failure = test_failure(std::move(reason));
  failure.exit_code = ExitCode::usage;
  return failure;
}

Failure no_adapter(std::string reason) {
  Failure failure = test_failure(std::move(reason));
  failure.exit_code = ExitCode::no_adapter;
  return failure;
}

std::string interface_name(NET_IFINDEX index) {
  std::vector<softndk_interface> interfaces(softndk_interfaces(nullptr, 0));
  const std::size_t count = std::min(softndk_interfaces(interfaces.data(), interfaces.size()), interfaces.size());
  for (std::size_t i = 0; i < count; ++i)
    if (interfaces[i].index == index) return interfaces[i].name;
  return {};
}

/// Starts the runtime; `which` is an index, a name or an address.
Result<void> find_interface(std::string which, Place& place) {
  // An address is looked up without its scope.
  if (const std::size_t percent = which.find('%'); percent != std::string::npos) which.resize(percent);

  const NTSTATUS started = softndk_start();
  if (started < 0) {
    Failure failure = no_adapter("");
    failure.call = "softndk_start";
    failure.status = started;
    return tl::unexpected(failure);
  }
  place.interface_index = softndk_find_interface(which.c_str());
  if (place.interface_index == 0) return tl::unexpected(no_adapter("no NDK adapter for '" + which + "'"));
  place.interface_name = interface_name(place.interface_index);
  return {};
}

}  // namespace

void add_common_options(CLI::App& app, CommonOptions& options) {
  app.add_flag("--server", options.server, "run as server (-S)");
  app.add_flag("--client", options.client, "run as client (-C)");
  app.add_option("--server-addr", options.server_address,
                 "IP:PORT the server listens on and the client connects to; IPv6 as [ADDRESS]:PORT (-ServerAddr)")
      ->required();
  app.add_option("--server-if", options.server_interface, "server: interface index or name (-ServerIf)");
  app.add_option("--client-addr", options.client_address, "client: its own IP address (-ClientAddr)");
  app.add_option("--client-if", options.client_interface, "client: interface index or name (-ClientIf)");
  app.add_option("--timeout", options.timeout_s, "longest wait for the peer in seconds; without it none (-W)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--log", options.log, "write the results to this file as well (-LogFilename)");
  app.add_flag("--append", options.append, "append to the log instead of replacing it (-A)");
  app.add_flag("--verbose", options.verbose, "say more (-V)");
  auto* json = app.add_flag("--json", options.json, "one JSON document on stdout, all else on stderr");
  app.add_flag("--csv", options.csv, "rows of CSV on stdout, all else on stderr")->excludes(json);
  app.set_version_flag("--version", std::string(app.get_name()) + " " + softndk_version());
}

std::optional<ExitCode> parse_command_line(CLI::App& app, const CommonOptions& options, int argc, char** argv,
                                           std::span<const OptionWord> words) {
  const auto complain = [&](const std::string& reason) {
    std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", app.get_name().c_str(), reason.c_str(), app.get_name().c_str());
    return ExitCode::usage;
  };
  auto arguments = rewrite_option_words({argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)}, words);
  if (!arguments) return complain("unknown option " + arguments.error());
  std::reverse(arguments->begin(), arguments->end());  // as the option library wants a vector
  try {
    app.parse(*arguments);
  } catch (const CLI::Success& success) {  // --help, --version
    app.exit(success);
    return ExitCode::passed;
  } catch (const CLI::Error& error) {
    return complain(error.what());
  }
  if (options.server == options.client) return complain("exactly one of -S and -C is needed");
  if (options.append && options.log.empty()) return complain("-A needs -LogFilename");
  return std::nullopt;
}

Result<Place> find_place(const CommonOptions& options) {
  Place place;
  place.side = options.side();
  const auto server = parse_address(options.server_address, PortPart::required);
  if (!server) return tl::unexpected(usage("-ServerAddr " + options.server_address + " is not IP:PORT or [IP]:PORT"));
  place.server = *server;

  std::string which = place.side == Side::server ? options.server_interface : options.client_interface;
  if (place.side == Side::client) {
    if (!options.client_address.empty()) {
      const auto client = parse_address(options.client_address, PortPart::none);
      if (!client) return tl::unexpected(usage("-ClientAddr " + options.client_address + " is not an IP address"));
      if (client->is_ipv6() != server->is_ipv6())
        return tl::unexpected(usage("-ClientAddr and -ServerAddr are not of one family"));
      place.client = *client;
    } else if (!which.empty()) {
      place.client = Address::any(*server);  // the adapter chooses (R-CNCT-07)
    } else if (const auto source = source_towards(*server)) {
      place.client = *source;
    } else {
      return tl::unexpected(no_adapter("this host has no route to " + to_string(*server)));
    }
    if (which.empty()) which = host_text(place.client);
  } else if (which.empty()) {
    if (server->is_wildcard()) return tl::unexpected(usage("-ServerIf is needed, as -ServerAddr is a wildcard"));
    which = host_text(*server);
  }
  if (auto found = find_interface(which, place); !found) return tl::unexpected(found.error());
  return place;
}

Result<Place> find_local_place(const CommonOptions& options) {
  Place place;
  place.side = options.side();
  const std::string& which = options.client_interface.empty() ? options.client_address : options.client_interface;
  if (which.empty()) return tl::unexpected(usage("-ClientIf or -ClientAddr is needed, as there is no -ServerAddr"));
  if (auto found = find_interface(which, place); !found) return tl::unexpected(found.error());
  return place;
}

nlohmann::ordered_json json_head(const char* tool, const Place& place, const std::string& test) {
  nlohmann::ordered_json json;
  json["schema"] = 1;
  json["tool"] = tool;
  json["version"] = softndk_version();
  json["side"] = place.side == Side::server ? "server" : "client";
  json["test"] = test;
  if (place.server.value.si_family != 0) json["server_address"] = to_string(place.server);
  json["interface_index"] = place.interface_index;
  json["interface_name"] = place.interface_name;
  return json;
}

nlohmann::ordered_json json_adapter(const Adapter& adapter, const Place& place) {
  const NDK_ADAPTER_INFO& limits = adapter.limits();
  nlohmann::ordered_json json;
  json["interface_index"] = place.interface_index;
  json["interface_name"] = place.interface_name;
  json["ndk_version"] = fmt::format("{}.{}", limits.Version.Major, limits.Version.Minor);
  json["vendor_id"] = limits.VendorId;
  json["device_id"] = limits.DeviceId;
  json["technology"] = static_cast<int>(limits.RdmaTechnology);
  json["max_transfer_bytes"] = limits.MaxTransferLength;
  json["max_inline_bytes"] = limits.MaxInlineDataSize;
  json["max_inbound_reads"] = limits.MaxInboundReadLimit;
  json["max_outbound_reads"] = limits.MaxOutboundReadLimit;
  // The settings of this side in effect; what the peer agreed to is not told by the interface.
  for (const char* const name : {"crc", "rtr", "fpdu", "policy"})
    if (const char* const value = softndk_get(name)) json["settings"][name] = value;
  return json;
}

std::string completes_line(const char* program, const Place& place, const std::string& test) {
  return fmt::format("{} {} completes test ({}) on interface {}.", program, side_name(place.side), test,
                     place.interface_index);
}

std::string failed_line(const char* program, Side side, const std::string& test, const Failure& failure) {
  return fmt::format("{} {} failed test ({}): {}", program, side_name(side), test, failure.text());
}

}  // namespace softndk::tools
