#include "runtime/settings_table.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "ntrt/call_stack.h"
#include "ntrt/path_map.h"

namespace softndk::runtime {
namespace {

bool parse_number(std::string_view text, std::uint64_t least, std::uint64_t most, std::uint64_t& to) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < least || number > most) return false;
  to = number;
  return true;
}

bool parse_switch(std::string_view text, bool& to) {
  if (text == "on" || text == "1" || text == "true" || text == "yes") {
    to = true;
  } else if (text == "off" || text == "0" || text == "false" || text == "no") {
    to = false;
  } else {
    return false;
  }
  return true;
}

/// A number of `unit_ns` nanoseconds into a duration.
bool parse_time(std::string_view text, std::uint64_t most, io::TimeNs unit_ns, io::TimeNs& to) {
  std::uint64_t number = 0;
  if (!parse_number(text, 0, most, number)) return false;
  to = number * unit_ns;
  return true;
}

template <class Number>
bool parse_into(std::string_view text, std::uint64_t least, std::uint64_t most, Number& to) {
  std::uint64_t number = 0;
  if (!parse_number(text, least, most, number)) return false;
  to = static_cast<Number>(number);
  return true;
}

/// "FIRST-LAST", or one port; within those that NDKPI leaves to a provider (R-SEP-02).
bool parse_ports(std::string_view text, rnic::PortRange& to) {
  constexpr rnic::PortRange kAll;
  const auto dash = text.find('-');
  rnic::PortRange range;
  if (!parse_into(text.substr(0, dash), kAll.first, kAll.last, range.first)) return false;
  range.last = range.first;
  if (dash != std::string_view::npos && !parse_into(text.substr(dash + 1), range.first, kAll.last, range.last))
    return false;
  to = range;
  return true;
}

/// "linux" or "sim(SEED)".
bool parse_world(std::string_view text, std::optional<std::uint64_t>& to) {
  std::uint64_t seed = 0;
  if (text == "linux") {
    to.reset();
    return true;
  }
  if (!text.starts_with("sim(") || !text.ends_with(')')) return false;
  if (!parse_number(text.substr(4, text.size() - 5), 0, UINT64_MAX, seed)) return false;
  to = seed;
  return true;
}

template <class Choice>
struct Named {
  std::string_view name;
  Choice choice;
};

template <class Choice, std::size_t kCount>
bool parse_choice(std::string_view text, const Named<Choice> (&names)[kCount], Choice& to) {
  for (const Named<Choice>& named : names) {
    if (named.name != text) continue;
    to = named.choice;
    return true;
  }
  return false;
}

/// False: it does not fit, and nothing has changed.
template <std::size_t kBytes>
bool copy_text(std::string_view from, char (&to)[kBytes]) {
  if (from.size() >= kBytes) return false;
  to[from.copy(to, from.size())] = '\0';
  return true;
}

constexpr std::uint64_t kHourMs = 3'600'000;

constexpr Setting kTable[] = {
    {"policy", "default", "default | inline | nested | early | later | mixed(SEED)",
     "how every create, close and request completes; default: inline, network requests later",
     [](Configuration& to, std::string_view value) {
       if (value != "default") return provider::parse_policy(value, to.provider);
       to.provider.policy.reset();
       return true;
     }},
    {"local_policy", "policy", "policy | inline | nested | early | later",
     "how local requests complete, NdkBuildLAM among them; policy: as the policy says; inline: for drivers that cannot "
     "take it otherwise",
     [](Configuration& to, std::string_view value) {
       using Mode = provider::CompletionMode;
       return parse_choice<std::optional<Mode>>(value,
                                                {{"policy", std::nullopt},
                                                 {"inline", Mode::inlined},
                                                 {"nested", Mode::nested},
                                                 {"early", Mode::early},
                                                 {"later", Mode::later}},
                                                to.provider.local_policy);
     }},
    {"order", "fifo", "fifo | permuted | permuted(SEED)",
     "in which order results come that pend; permuted: drawn from the seed, on processors drawn too",
     [](Configuration& to, std::string_view value) { return provider::parse_order(value, to.provider); }},
    {"latency_us", "0", "0..1000000",
     "minimum completion latency in microseconds, 0: none; what pends calls back no earlier than this after its call, "
     "and an entry is seen and told of in its completion queue no earlier than this after it was placed",
     [](Configuration& to, std::string_view value) {
       if (!parse_time(value, 1'000'000, io::kMicrosecond, to.provider.latency_ns)) return false;
       to.rnic.completion_latency_ns = to.provider.latency_ns;
       return true;
     }},
    {"connect_latency_us", "0", "0..1000000",
     "minimum time of NdkCompleteConnect in microseconds, which on a NIC takes far longer than a request",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, 1'000'000, io::kMicrosecond, to.provider.connect_latency_ns);
     }},
    {"arm", "new", "new | any",
     "which entries satisfy an arm: those that no notification has told of, or every one that is there",
     [](Configuration& to, std::string_view value) {
       return parse_choice<bool>(value, {{"new", false}, {"any", true}}, to.rnic.arm_counts_old);
     }},
    {"defer", "forced", "at_once | forced",
     "when deferred requests begin: like any other, or not before the post that ends their chain (finds who forgets "
     "it)",
     [](Configuration& to, std::string_view value) {
       return parse_choice<rnic::DeferPolicy>(
           value, {{"at_once", rnic::DeferPolicy::at_once}, {"forced", rnic::DeferPolicy::forced}}, to.rnic.defer);
     }},
    {"verifier", "off", "off | passthrough", "an interposer between every consumer and every provider",
     [](Configuration& to, std::string_view value) {
       return parse_choice<bool>(value, {{"off", false}, {"passthrough", true}}, to.verifier);
     }},
    {"world", "linux", "linux | sim(SEED)",
     "where it all happens: this host, or a simulation that the seed determines (softndk_run, ndkrun --sim)",
     [](Configuration& to, std::string_view value) { return parse_world(value, to.simulation_seed); }},
    {"sim_steps", "5000000", "1..1000000000000", "after how many steps a simulation is given up",
     [](Configuration& to, std::string_view value) {
       return parse_into(value, 1, 1'000'000'000'000, to.simulation_steps_max);
     }},
    {"interfaces", "none", "none | INDEX=ADDRESS[,INDEX=ADDRESS...]",
     "the interface that has the address is the adapter of that index; in a simulation: which interfaces there are",
     [](Configuration& to, std::string_view value) { return to.interfaces.parse(value); }},
    {"object_stacks", "off", "off | on | 1..32",
     "how many frames of its creator each live object keeps, for reports; on: 16",
     [](Configuration& to, std::string_view value) {
       if (parse_choice<unsigned>(value, {{"off", 0}, {"on", 16}}, to.object_stacks)) return true;
       return parse_into(value, 1, ntrt::CallStack::kFramesMax, to.object_stacks);
     }},
    {"dead_contexts", "on", "on | off",
     "a call that pends although its completion context lies in a stack frame that has returned is a bug check",
     [](Configuration& to, std::string_view value) { return parse_switch(value, to.dead_contexts); }},
    {"trace", "", "a path", "a timeline of calls, callbacks and requests is written there when the runtime stops",
     [](Configuration& to, std::string_view value) { return copy_text(value, to.trace); }},
    {"explain_wait_ms", "5000", "0..3600000",
     "how long a close, a release, an unload or a wait may last before the log says what it waits for; 0: never",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, kHourMs, io::kMillisecond, to.explain_wait_ns);
     }},
    {"log", "error", "error | warning | note | debug", "what is written to stderr",
     [](Configuration& to, std::string_view value) {
       return parse_choice<LogLevel>(value,
                                     {{"error", LogLevel::error},
                                      {"warning", LogLevel::warning},
                                      {"note", LogLevel::note},
                                      {"debug", LogLevel::debug}},
                                     to.log);
     }},
    {"publish", "on", "on | off | /DIRECTORY",
     "whether ndkstat can see this process; a directory: by a socket there, for other network namespaces",
     [](Configuration& to, std::string_view value) {
       const bool is_directory = value.starts_with('/');
       if (!is_directory && !parse_switch(value, to.publish)) return false;
       if (is_directory) to.publish = true;
       return copy_text(is_directory ? value : "", to.publish_directory);
     }},
    {"processors", "0", "0..16", "threads that read sockets and call back; 0: one for every two CPUs, at most 4",
     [](Configuration& to, std::string_view value) { return parse_into(value, 0, 16, to.net.processors); }},
    {"spin_us", "20", "0..10000", "how long an idle processor thread polls before it sleeps, in microseconds",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, 10000, io::kMicrosecond, to.net.spin_ns);
     }},
    {"poll_reads", "on", "on | off | at_once",
     "a thread that polls an empty completion queue without a pause reads the sockets of its queue pairs itself; "
     "at_once: from its first poll on (a profile for tests)",
     [](Configuration& to, std::string_view value) {
       return parse_choice<rnic::PollReads>(
           value, {{"on", rnic::PollReads::on}, {"off", rnic::PollReads::off}, {"at_once", rnic::PollReads::at_once}},
           to.rnic.poll_reads);
     }},
    {"congestion", "cubic", "a name of tcp_congestion(7), or system",
     "TCP congestion control between two ends on this host",
     [](Configuration& to, std::string_view value) {
       return copy_text(value == "system" ? "" : value, to.congestion);
     }},
    {"rtr", "auto", "auto | never", "whether our connect asks for a ready-to-receive message (RFC 6581)",
     [](Configuration& to, std::string_view value) {
       return parse_choice<rnic::RtrPolicy>(
           value, {{"auto", rnic::RtrPolicy::automatic}, {"never", rnic::RtrPolicy::never}}, to.rnic.rtr);
     }},
    {"crc", "on", "on | off", "CRC32C on every FPDU; off only if the peer agrees",
     [](Configuration& to, std::string_view value) { return parse_switch(value, to.rnic.crc); }},
    {"fpdu", "auto", "auto | aligned | stream",
     "aligned: FPDUs begin TCP segments; stream: they do not care; auto: stream within one host",
     [](Configuration& to, std::string_view value) {
       return parse_choice<rnic::FpduPolicy>(value,
                                             {{"auto", rnic::FpduPolicy::automatic},
                                              {"aligned", rnic::FpduPolicy::aligned},
                                              {"stream", rnic::FpduPolicy::stream}},
                                             to.rnic.fpdu);
     }},
    {"verify_before_place", "off", "on | off", "place payload only after its CRC was checked, at the cost of a copy",
     [](Configuration& to, std::string_view value) { return parse_switch(value, to.rnic.verify_before_place); }},
    {"read_sinks", "any", "any | announced",
     "memory that reads are placed into; announced: registered so, as devices want it that lack "
     "NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED (a profile for tests)",
     [](Configuration& to, std::string_view value) {
       return parse_choice<bool>(value, {{"any", false}, {"announced", true}}, to.rnic.read_sinks_announced);
     }},
    {"abandon", "abort", "abort | polite",
     "how a connect ends that is given up after the peer accepted; polite: send the RTR first (for Linux siw)",
     [](Configuration& to, std::string_view value) {
       return parse_choice<rnic::AbandonPolicy>(
           value, {{"abort", rnic::AbandonPolicy::abort}, {"polite", rnic::AbandonPolicy::polite}}, to.rnic.abandon);
     }},
    {"first_fpdu_delay_ms", "0", "0..60000",
     "how long our first FPDU waits after the peer's Reply (for Linux siw, which may overlook it)",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, 60000, io::kMillisecond, to.rnic.first_fpdu_delay_ns);
     }},
    {"request_timeout_ms", "5000", "1..3600000", "T1: from TCP accept to the MPA Request",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, kHourMs, io::kMillisecond, to.rnic.request_timeout_ns);
     }},
    {"connect_timeout_ms", "120000", "1..3600000", "T2: from NdkConnect to the MPA Reply",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, kHourMs, io::kMillisecond, to.rnic.connect_timeout_ns);
     }},
    {"rtr_timeout_ms", "120000", "1..3600000", "T3: from our MPA Reply to the peer's RTR",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, kHourMs, io::kMillisecond, to.rnic.rtr_timeout_ns);
     }},
    {"disconnect_timeout_ms", "10000", "1..3600000", "how long NdkDisconnect waits for the peer",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, kHourMs, io::kMillisecond, to.rnic.disconnect_timeout_ns);
     }},
    {"no_receive_timeout_ms", "30000", "0..3600000", "how long a Send waits for a receive; 0: for ever",
     [](Configuration& to, std::string_view value) {
       return parse_time(value, kHourMs, io::kMillisecond, to.rnic.no_receive_timeout_ns);
     }},
    {"backlog", "1024", "1..65535", "connect requests that may wait for accept, a listener",
     [](Configuration& to, std::string_view value) { return parse_into(value, 1, 65535, to.rnic.backlog); }},
    {"half_open_max", "1024", "1..65535", "TCP connections without an MPA Request, a listener",
     [](Configuration& to, std::string_view value) { return parse_into(value, 1, 65535, to.rnic.half_open_max); }},
    {"ports", "49152-65535", "FIRST-LAST within 49152-65535", "what is chosen from where a consumer asks for port 0",
     [](Configuration& to, std::string_view value) { return parse_ports(value, to.rnic.ports); }},
    {"registry", "", "a file's path", "what the registry is filled with at a start (docs/guide/registry-and-files.md)",
     [](Configuration& to, std::string_view value) { return copy_text(value, to.registry); }},
    {"registry_save", "", "a file's path", "where the registry is written to when the runtime stops",
     [](Configuration& to, std::string_view value) { return copy_text(value, to.registry_save); }},
    {"path_map", "", "C:=/folder;\\NT\\prefix=/folder", "the folders behind the paths that drivers open as files",
     [](Configuration& to, std::string_view value) {
       return ntrt::PathMap::is_valid(value) && copy_text(value, to.path_map);
     }},
    {"network_direct", "1", "0 | 1", "the *NetworkDirect keyword: whether NDK can be enabled",
     [](Configuration& to, std::string_view value) { return parse_switch(value, to.provider.network_direct); }},
    {"network_direct_technology", "1", "1..4",
     "the *NetworkDirectTechnology keyword: 1 iWARP, 2 InfiniBand, 3 RoCE, 4 RoCEv2; all but 1 fall back to it",
     [](Configuration& to, std::string_view value) { return parse_into(value, 1, 4, to.provider.technology); }},
    {"network_direct_roce_frame_size", "1024", "256 | 512 | 1024 | 2048 | 4096",
     "the *NetworkDirectRoCEFrameSize keyword: for RoCE; iWARP has no such frames",
     [](Configuration& to, std::string_view value) {
       return parse_choice<std::uint32_t>(value,
                                          {{"256", 256}, {"512", 512}, {"1024", 1024}, {"2048", 2048}, {"4096", 4096}},
                                          to.provider.roce_frame_bytes);
     }},
    {"network_direct_global_flags", "0", "0 | 1",
     "the *NetworkDirectGlobalFlags keyword: bit 0, remote IP subnets are allowed; iWARP reaches them anyway",
     [](Configuration& to, std::string_view value) { return parse_into(value, 0, 1, to.provider.global_flags); }},
    {"upper_range", "ndis5", "ndis5", "the UpperRange keyword of Ndi\\Interfaces: by it Windows finds the adapter",
     [](Configuration&, std::string_view value) { return value == "ndis5"; }},
    {"version_max", "2.1", "1.1 | 1.2 | 2.0 | 2.1", "the newest NDKPI version that can be opened",
     [](Configuration& to, std::string_view value) { return provider::parse_version_max(value, to.provider); }},
    {"limits", "max", "max | connectx3 | minimal",
     "whose limits adapters report: ours, one real adapter's, the smallest",
     [](Configuration& to, std::string_view value) {
       return parse_choice<provider::LimitsProfile>(value,
                                                    {{"max", provider::LimitsProfile::max},
                                                     {"connectx3", provider::LimitsProfile::connectx3},
                                                     {"minimal", provider::LimitsProfile::minimal}},
                                                    to.provider.limits);
     }},
    {"vendor_id", "0", "0..4294967295", "VendorId of NDK_ADAPTER_INFO",
     [](Configuration& to, std::string_view value) { return parse_into(value, 0, UINT32_MAX, to.provider.vendor_id); }},
    {"device_id", "1", "0..4294967295", "DeviceId of NDK_ADAPTER_INFO",
     [](Configuration& to, std::string_view value) { return parse_into(value, 0, UINT32_MAX, to.provider.device_id); }},
};

const Setting* find(std::string_view name) {
  const auto found = std::find_if(std::begin(kTable), std::end(kTable),
                                  [name](const Setting& setting) { return name == setting.name; });
  return found == std::end(kTable) ? nullptr : found;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::span<const Setting> settings_table() noexcept {
  return kTable;
}

SettingValues::SettingValues() {
  static_assert(std::size(kTable) <= kCountMax);
  for (std::size_t i = 0; i < std::size(kTable); ++i)
    copy_text(kTable[i].default_value, values_[i]);
  if (const char* path = std::getenv("SOFTNDK_CONFIG")) read_file(path);
  read_environment();
}

expected<void, SettingError> SettingValues::set(std::string_view name, std::string_view value) {
  const Setting* setting = find(name);
  if (setting == nullptr) return unexpected(SettingError::unknown);
  Configuration trial;
  if (value.size() > kBytesMax || !setting->apply(trial, value)) return unexpected(SettingError::out_of_range);
  copy_text(value, values_[setting - kTable]);
  return {};
}

const char* SettingValues::get(std::string_view name) const {
  const Setting* setting = find(name);
  return setting == nullptr ? nullptr : values_[setting - kTable];
}

void SettingValues::configure(Configuration& to) const {
  for (std::size_t i = 0; i < std::size(kTable); ++i)
    kTable[i].apply(to, values_[i]);
  to.net.same_host_congestion = to.congestion;
}

void SettingValues::read_file(const char* path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "re"), &std::fclose);
  if (file == nullptr) {
    log(LogLevel::error, "settings: %s, named by SOFTNDK_CONFIG, cannot be read", path);
    return;
  }
  char line[1024];
  bool continues = false;  // the rest of a line that was longer than our room
  for (int number = 0; std::fgets(line, sizeof line, file.get()) != nullptr;) {
    const std::string_view read(line);
    const bool skipped = continues;
    continues = !read.ends_with('\n');
    if (skipped) continue;
    ++number;
    const std::string_view text = trim(read.substr(0, read.find('#')));
    if (text.empty()) continue;
    const auto equals = text.find('=');
    const std::string_view name = trim(text.substr(0, equals));
    const std::string_view value = equals == std::string_view::npos ? "" : trim(text.substr(equals + 1));
    if (expected<void, SettingError> done = set(name, value); !done) {
      const Setting* setting = find(name);
      log(LogLevel::error, "settings: %s:%d: %.*s = %.*s: %s%s", path, number, static_cast<int>(name.size()),
          name.data(), static_cast<int>(value.size()), value.data(),
          setting == nullptr ? "no such setting" : "not in the range ", setting == nullptr ? "" : setting->range);
    }
  }
}

void SettingValues::read_environment() {
  constexpr std::string_view kPrefix = "SOFTNDK_";
  for (const Setting& setting : kTable) {
    const std::string_view name = setting.name;
    char variable[64] = {};
    if (!copy_text(kPrefix, variable) || kPrefix.size() + name.size() >= sizeof variable) continue;
    std::transform(name.begin(), name.end(), variable + kPrefix.size(), [](char letter) {
      return static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
    });
    const char* value = std::getenv(variable);
    if (value != nullptr && !set(setting.name, value))
      log(LogLevel::error, "settings: %s=%s is not in the range %s", variable, value, setting.range);
  }
}

}  // namespace softndk::runtime
