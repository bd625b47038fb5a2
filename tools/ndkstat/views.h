#pragma once
// What ndkstat shows, one function a view: text for people, or a document for programs.
#include <string>
#include <vector>

#include "tools/ndkstat/host_view.h"

namespace softndk::tools {

/// The columns of Get-NetAdapterRdma, as a list.
std::string adapters_text(const HostView& host);
Json adapters_json(const HostView& host);

/// NDK_ADAPTER_INFO, a name and a value a line, as ndadapterinfo prints it.
std::string info_text(const HostView& host);
Json info_json(const HostView& host);

/// netstat -xan.
std::string connections_text(const HostView& host);
Json connections_json(const HostView& host);

/// The live objects of each process as a tree.
std::string objects_text(const HostView& host);
Json objects_json(const HostView& host);

/// The settings: of this environment, or with a pid those that process started with.
std::string config_text(const HostView* process);
Json config_json(const HostView* process);

/// Counters of one adapter, summed over the processes that run.
struct AdapterCounters {
  std::string name;
  std::string description;
  std::uint64_t ifindex = 0;
  std::size_t process_count = 0;
  std::vector<double> values;  ///< in the order of counter_names(); rates are per second
};
std::vector<AdapterCounters> sum_counters(const HostView& host);
/// What changed between two looks, a second; a process that is new counts from its start, one that has gone not at all.
/// Gauges are as they are now.
std::vector<AdapterCounters> counter_rates(const HostView& before, const HostView& now);

std::string counters_text(const std::vector<AdapterCounters>& counters);
Json counters_json(const HostView& host);
std::string prometheus_text(const std::vector<AdapterCounters>& counters);
std::string rates_text(const std::vector<AdapterCounters>& rates);
Json rates_json(const std::vector<AdapterCounters>& rates, double interval_s);

}  // namespace softndk::tools
