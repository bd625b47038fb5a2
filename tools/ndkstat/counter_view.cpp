// Performance counters: as they are, as rates, and for Prometheus.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "tools/ndkstat/names.h"
#include "tools/ndkstat/views.h"

namespace softndk::tools {
namespace {

std::uint64_t counter_in(const Json& adapter, const CounterName& counter) {
  return number_in(object_in(adapter, "counters"), counter.key);
}

/// One row for each adapter of the host, then for those that only a process knows.
std::vector<AdapterCounters> empty_rows(const HostView& host) {
  std::vector<AdapterCounters> rows;
  const auto add = [&](const Json& adapter) {
    const auto ifindex = number_in(adapter, "ifindex");
    const bool known = std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row.ifindex == ifindex; });
    if (known) return;
    AdapterCounters row;
    row.name = text_in(adapter, "name");
    row.description = text_in(adapter, "description");
    row.ifindex = ifindex;
    row.values.resize(counter_names().size());
    rows.push_back(std::move(row));
  };
  for (const Json& adapter : host.adapters)
    add(adapter);
  host.for_each_adapter([&](const ProcessDocument&, const Json& adapter) { add(adapter); });
  return rows;
}

AdapterCounters& row_of(std::vector<AdapterCounters>& rows, const Json& adapter) {
  return *std::find_if(rows.begin(), rows.end(),
                       [&](const auto& row) { return row.ifindex == number_in(adapter, "ifindex"); });
}

/// "42", and of rates "42.5".
std::string value_text(double value) {
  return value == static_cast<double>(static_cast<std::uint64_t>(value)) ? fmt::format("{:.0f}", value)
                                                                         : fmt::format("{:.1f}", value);
}

Json counters_of(const Json& adapter) {
  Json one;
  for (const CounterName& counter : counter_names())
    one[counter.json_key] = counter_in(adapter, counter);
  return one;
}

}  // namespace

std::vector<AdapterCounters> sum_counters(const HostView& host) {
  std::vector<AdapterCounters> rows = empty_rows(host);
  host.for_each_adapter([&](const ProcessDocument&, const Json& adapter) {
    AdapterCounters& row = row_of(rows, adapter);
    ++row.process_count;
    for (std::size_t i = 0; i < row.values.size(); ++i)
      row.values[i] += static_cast<double>(counter_in(adapter, counter_names()[i]));
  });
  return rows;
}

std::vector<AdapterCounters> counter_rates(const HostView& before, const HostView& now) {
  // A process is the same if its runtime is: a number may be given anew, and a runtime started again.
  using Key = std::tuple<int, std::uint64_t, std::uint64_t>;
  struct Sample {
    std::uint64_t taken_ns;
    std::vector<std::uint64_t> values;
  };
  const auto key_of = [](const ProcessDocument& process, const Json& adapter) {
    return Key{process.pid, number_in(process.document, "started_monotonic_ns"), number_in(adapter, "ifindex")};
  };
  std::map<Key, Sample> samples;
  before.for_each_adapter([&](const ProcessDocument& process, const Json& adapter) {
    Sample sample{number_in(process.document, "monotonic_ns"), {}};
    for (const CounterName& counter : counter_names())
      sample.values.push_back(counter_in(adapter, counter));
    samples[key_of(process, adapter)] = std::move(sample);
  });
  std::vector<AdapterCounters> rows = empty_rows(now);
  now.for_each_adapter([&](const ProcessDocument& process, const Json& adapter) {
    AdapterCounters& row = row_of(rows, adapter);
    ++row.process_count;
    const auto found = samples.find(key_of(process, adapter));
    const bool is_new = found == samples.end();
    const std::uint64_t from_ns = is_new ? number_in(process.document, "started_monotonic_ns") : found->second.taken_ns;
    const double passed_s = static_cast<double>(number_in(process.document, "monotonic_ns") - from_ns) / 1e9;
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const CounterName& counter = counter_names()[i];
      const std::uint64_t value = counter_in(adapter, counter);
      const std::uint64_t old = is_new ? 0 : found->second.values[i];
      if (counter.is_gauge) {
        row.values[i] += static_cast<double>(value);
      } else if (passed_s > 0 && value >= old) {
        row.values[i] += static_cast<double>(value - old) / passed_s;
      }
    }
  });
  return rows;
}

std::string counters_text(const std::vector<AdapterCounters>& counters) {
  std::string text;
  for (const AdapterCounters& row : counters) {
    text +=
        fmt::format("{}\\RDMA Activity({})\n  interface {} ({}), {} {}\n", text.empty() ? "" : "\n", row.description,
                    row.ifindex, row.name, row.process_count, row.process_count == 1 ? "process" : "processes");
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const CounterName& counter = counter_names()[i];
      text += fmt::format("  {:<25} {:>20}  {}\n", counter.statistics, value_text(row.values[i]), counter.perfmon);
    }
  }
  return text;
}

Json counters_json(const HostView& host) {
  Json document = json_head("counters");
  Json& adapters = document["adapters"] = Json::array();
  for (const AdapterCounters& row : sum_counters(host)) {
    Json one{{"name", row.name},
             {"description", row.description},
             {"ifindex", row.ifindex},
             {"process_count", row.process_count}};
    for (std::size_t i = 0; i < row.values.size(); ++i)
      one[counter_names()[i].json_key] = static_cast<std::uint64_t>(row.values[i]);
    adapters.push_back(std::move(one));
  }
  Json& processes = document["processes"] = Json::array();
  for (const ProcessDocument& process : host.processes.processes) {
    Json one{{"pid", process.pid}, {"process", printable(process.name)}, {"adapters", Json::array()}};
    for (const Json& adapter : list_in(process.document, "adapters")) {
      if (!host.is_wanted(adapter)) continue;
      Json counters{{"name", text_in(adapter, "name")}, {"ifindex", number_in(adapter, "ifindex")}};
      counters.update(counters_of(adapter));
      one["adapters"].push_back(std::move(counters));
    }
    processes.push_back(std::move(one));
  }
  return document;
}

std::string prometheus_text(const std::vector<AdapterCounters>& counters) {
  std::string text;
  for (std::size_t i = 0; i < counter_names().size(); ++i) {
    const CounterName& counter = counter_names()[i];
    const std::string metric = fmt::format("softndk_{}{}", counter.key, counter.is_gauge ? "" : "_total");
    text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", metric, counter.meaning, metric,
                        counter.is_gauge ? "gauge" : "counter");
    for (const AdapterCounters& row : counters) {
      std::string name = row.name;  // printable: of what a label escapes, these two are left
      for (std::size_t at = 0; (at = name.find_first_of("\\\"", at)) != std::string::npos; at += 2)
        name.insert(at, 1, '\\');
      text += fmt::format("{}{{adapter=\"{}\",ifindex=\"{}\"}} {:.0f}\n", metric, name, row.ifindex, row.values[i]);
    }
  }
  return text;
}

std::string rates_text(const std::vector<AdapterCounters>& rates) {
  std::string text = fmt::format("{:<15} {:>7} {:>14} {:>14} {:>12} {:>12} {:>9} {:>9} {:>8} {:>7}\n", "Adapter",
                                 "IfIndex", "InBytes/s", "OutBytes/s", "InFrames/s", "OutFrames/s", "Connect/s",
                                 "Accept/s", "Errors/s", "Active");
  for (const AdapterCounters& row : rates) {
    const auto value = [&](std::string_view key) {
      for (std::size_t i = 0; i < row.values.size(); ++i)
        if (counter_names()[i].key == key) return row.values[i];
      return 0.0;
    };
    text += fmt::format("{:<15} {:>7} {:>14.0f} {:>14.0f} {:>12.0f} {:>12.0f} {:>9.1f} {:>9.1f} {:>8.1f} {:>7.0f}\n",
                        row.name, row.ifindex, value("rdma_in_octets"), value("rdma_out_octets"),
                        value("rdma_in_frames"), value("rdma_out_frames"), value("connect"), value("accept"),
                        value("connect_failure") + value("connection_error") + value("cq_error"),
                        value("active_connection"));
  }
  return text;
}

Json rates_json(const std::vector<AdapterCounters>& rates, double interval_s) {
  Json document = json_head("rates");
  document["interval_s"] = interval_s;
  Json& adapters = document["adapters"] = Json::array();
  for (const AdapterCounters& row : rates) {
    Json one{{"name", row.name}, {"ifindex", row.ifindex}, {"process_count", row.process_count}};
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const CounterName& counter = counter_names()[i];
      one[counter.is_gauge ? counter.json_key : std::string(counter.json_key) + "_per_s"] = row.values[i];
    }
    adapters.push_back(std::move(one));
  }
  return document;
}

}  // namespace softndk::tools
