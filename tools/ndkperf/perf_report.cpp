#include "tools/ndkperf/perf_report.h"

#include <fmt/format.h>
#include <unistd.h>

namespace softndk::tools {
namespace {

constexpr double kMib = 1024.0 * 1024.0;

double us(std::uint64_t ns) {
  return static_cast<double>(ns) / 1000;
}

}  // namespace

double PerfRound::average_mib_s() const {
  return elapsed_s > 0 ? static_cast<double>(iterations) * static_cast<double>(size_bytes) / elapsed_s / kMib : 0;
}

double PerfRound::messages_per_s() const {
  return elapsed_s > 0 ? static_cast<double>(iterations) / elapsed_s : 0;
}

double PerfRound::cpu_percent() const {
  return elapsed_s > 0 ? 100 * cpu_s / elapsed_s : 0;
}

double PerfRound::cpu_s_per_gib() const {
  const double gib = static_cast<double>(iterations) * static_cast<double>(size_bytes) / (1024 * kMib);
  return gib > 0 ? (cpu_s + server_cpu_s) / gib : 0;
}

double PerfRound::cpu_s_per_million_messages() const {
  return iterations > 0 ? (cpu_s + server_cpu_s) / (static_cast<double>(iterations) / 1e6) : 0;
}

void PerfReport::begin_connects() {
  printer_.line(fmt::format("{:>9}{:>9}{:>9}{:>11}{:>11}{:>11}{:>11}{:>11}", "Made", "Held", "At once", "Conns/Sec",
                            "Setup P50", "P99", "Close P50", "KiB each"));
  printer_.csv(
      "made,held,at_a_time,connections_per_s,setup_p50_us,setup_p99_us,teardown_p50_us,teardown_p99_us,"
      "resident_growth_kib,server_resident_growth_kib,cpu_s,server_cpu_s");
}

void PerfReport::row(const ConnectRound& round) {
  const double made = static_cast<double>(round.made);
  const double elapsed_s = round.setup_s + round.teardown_s;
  const Histogram& setup = round.setup_ns;
  const Histogram& teardown = round.teardown_ns;
  const double each_kib = static_cast<double>(round.resident_growth_kib) / round.held;
  printer_.line(fmt::format("{:>9}{:>9}{:>9}{:>11.0f}{:>11.2f}{:>11.2f}{:>11.2f}{:>11.1f}", round.made, round.held,
                            round.at_a_time, made / elapsed_s, us(setup.quantile(0.5)), us(setup.quantile(0.99)),
                            us(teardown.quantile(0.5)), each_kib));
  printer_.csv(fmt::format("{},{},{},{:.1f},{:.3f},{:.3f},{:.3f},{:.3f},{},{},{:.6f},{:.6f}", round.made, round.held,
                           round.at_a_time, made / elapsed_s, us(setup.quantile(0.5)), us(setup.quantile(0.99)),
                           us(teardown.quantile(0.5)), us(teardown.quantile(0.99)), round.resident_growth_kib,
                           round.server_resident_growth_kib, round.cpu_s, round.server_cpu_s));
  rounds_.push_back({{"made", round.made},
                     {"held", round.held},
                     {"at_a_time", round.at_a_time},
                     {"elapsed_s", elapsed_s},
                     {"connections_per_s", made / elapsed_s},
                     {"setups_per_s", made / round.setup_s},
                     {"teardowns_per_s", made / round.teardown_s},
                     {"setup_p50_us", us(setup.quantile(0.5))},
                     {"setup_p99_us", us(setup.quantile(0.99))},
                     {"setup_max_us", us(setup.max())},
                     {"teardown_p50_us", us(teardown.quantile(0.5))},
                     {"teardown_p99_us", us(teardown.quantile(0.99))},
                     {"teardown_max_us", us(teardown.max())},
                     {"resident_growth_kib", round.resident_growth_kib},
                     {"server_resident_growth_kib", round.server_resident_growth_kib},
                     {"cpu_s", round.cpu_s},
                     {"server_cpu_s", round.server_cpu_s}});
}

void PerfReport::objects(const std::vector<ObjectCost>& costs) {
  printer_.line(fmt::format("{:<24}{:>9}{:>12}{:>9}{:>12}{:>9}{:>12}", "Object", "Count", "Create P50", "P99",
                            "Close P50", "P99", "Bytes each"));
  printer_.csv("object,count,create_p50_us,create_p99_us,close_p50_us,close_p99_us,resident_bytes_each");
  for (const ObjectCost& cost : costs) {
    const double create_p50_us = us(cost.create_ns.quantile(0.5));
    const double create_p99_us = us(cost.create_ns.quantile(0.99));
    const double close_p50_us = us(cost.close_ns.quantile(0.5));
    const double close_p99_us = us(cost.close_ns.quantile(0.99));
    printer_.line(fmt::format("{:<24}{:>9}{:>12.2f}{:>9.2f}{:>12.2f}{:>9.2f}{:>12.0f}", cost.object, cost.count,
                              create_p50_us, create_p99_us, close_p50_us, close_p99_us, cost.resident_bytes_each));
    printer_.csv(fmt::format("{},{},{:.3f},{:.3f},{:.3f},{:.3f},{:.0f}", cost.object, cost.count, create_p50_us,
                             create_p99_us, close_p50_us, close_p99_us, cost.resident_bytes_each));
    rounds_.push_back({{"object", cost.object},
                       {"count", cost.count},
                       {"create_p50_us", create_p50_us},
                       {"create_p99_us", create_p99_us},
                       {"close_p50_us", close_p50_us},
                       {"close_p99_us", close_p99_us},
                       {"resident_bytes_each", cost.resident_bytes_each}});
  }
}

void PerfReport::begin(const std::string& device, const std::string& peer) {
  if (plan_.mode == PerfMode::connect) {
    begin_connects();
    return;
  }
  const bool is_latency = plan_.mode == PerfMode::latency;
  if (style_ == TableStyle::windows) {
    printer_.line(
        fmt::format("Using {} processors. Sender Frequency is {}", sysconf(_SC_NPROCESSORS_ONLN), 1000000000));
    printer_.line("");
    printer_.line(fmt::format("{:>9}{:>9}{:>9}{:>7}{:>11}", "Size", "Iter", "Latency", "CPU", "Bytes/Sec") +
                  (is_latency ? fmt::format("{:>9}{:>9}{:>9}", "P50", "P99", "Max") : ""));
  } else {
    const std::string rule(87, '-');
    const auto pair = [&](const char* key, const std::string& value, const char* key2, const std::string& value2) {
      printer_.line(fmt::format(" {:<16}: {:<18} {:<16}: {}", key, value, key2, value2));
    };
    printer_.line(rule);
    printer_.line(fmt::format("{:>20}RDMA {} {} Test", "", to_string(plan_.op), is_latency ? "Latency" : "BW"));
    pair("Device", device, "Number of qps", std::to_string(plan_.connections));
    pair("Transport type", "iWARP", "Connection type", "RC");
    pair("TX depth", std::to_string(is_latency ? 1 : plan_.depth), "Using SRQ", "OFF");
    pair("rdma_cm QPs", "ON", "Peer", peer);
    printer_.line(rule);
    printer_.line(is_latency ? " #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    "
                               "t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec]"
                             : " #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]");
  }
  printer_.csv(
      "size_bytes,iterations,elapsed_s,bw_avg_mib_s,bw_peak_mib_s,msg_rate_per_s,cpu_percent,lat_min_us,lat_avg_us,"
      "lat_p50_us,lat_p99_us,lat_p999_us,lat_max_us,cpu_s,server_cpu_s");
}

void PerfReport::windows_row(const PerfRound& round) {
  const bool is_latency = plan_.mode == PerfMode::latency;
  const double mean_us =
      is_latency ? round.latency_ns.mean() / 1000 : 1e6 * round.elapsed_s / static_cast<double>(round.iterations);
  std::string line = fmt::format("{:>9}{:>9}{:>9.2f}{:>7.1f}{:>11.0f}", round.size_bytes, round.iterations, mean_us,
                                 round.cpu_percent(), round.average_mib_s() * kMib);
  if (is_latency)
    line += fmt::format("{:>9.2f}{:>9.2f}{:>9.2f}", us(round.latency_ns.quantile(0.5)),
                        us(round.latency_ns.quantile(0.99)), us(round.latency_ns.max()));
  printer_.line(line);
}

void PerfReport::perftest_row(const PerfRound& round) {
  const Histogram& latency = round.latency_ns;
  if (plan_.mode == PerfMode::bandwidth) {
    printer_.line(fmt::format(" {:<10} {:<14} {:<18.2f} {:<20.2f} {:.6f}", round.size_bytes, round.iterations,
                              round.peak_mib_s, round.average_mib_s(), round.messages_per_s() / 1e6));
    return;
  }
  printer_.line(fmt::format(" {:<7} {:<14} {:<14.2f} {:<14.2f} {:<16.2f} {:<14.2f} {:<15.2f} {:<22.2f} {:.2f}",
                            round.size_bytes, round.iterations, us(latency.min()), us(latency.max()),
                            us(latency.quantile(0.5)), latency.mean() / 1000, latency.standard_deviation() / 1000,
                            us(latency.quantile(0.99)), us(latency.quantile(0.999))));
}

void PerfReport::row(const PerfRound& round) {
  if (style_ == TableStyle::windows)
    windows_row(round);
  else
    perftest_row(round);
  const Histogram& latency = round.latency_ns;
  nlohmann::ordered_json json = {{"size_bytes", round.size_bytes},
                                 {"iterations", round.iterations},
                                 {"elapsed_s", round.elapsed_s},
                                 {"bw_avg_mib_s", round.average_mib_s()},
                                 {"bw_peak_mib_s", round.peak_mib_s},
                                 {"msg_rate_per_s", round.messages_per_s()},
                                 {"cpu_percent", round.cpu_percent()},
                                 {"cpu_s", round.cpu_s},
                                 {"server_cpu_s", round.server_cpu_s},
                                 {"cpu_s_per_gib", round.cpu_s_per_gib()},
                                 {"cpu_s_per_million", round.cpu_s_per_million_messages()}};
  if (latency.count() > 0) {
    json["lat_min_us"] = us(latency.min());
    json["lat_avg_us"] = latency.mean() / 1000;
    json["lat_p50_us"] = us(latency.quantile(0.5));
    json["lat_p99_us"] = us(latency.quantile(0.99));
    json["lat_p999_us"] = us(latency.quantile(0.999));
    json["lat_max_us"] = us(latency.max());
    // What each step stands for at most, and how many fell into it.
    nlohmann::ordered_json steps = nlohmann::ordered_json::array();
    latency.for_each_step([&](std::uint64_t highest_ns, std::uint64_t count) {
      steps.push_back({us(highest_ns), count});
    });
    json["lat_histogram_us"] = std::move(steps);
  }
  std::string csv =
      fmt::format("{},{},{:.6f},{:.3f},{:.3f},{:.1f},{:.1f}", round.size_bytes, round.iterations, round.elapsed_s,
                  round.average_mib_s(), round.peak_mib_s, round.messages_per_s(), round.cpu_percent());
  csv += latency.count() == 0 ? ",,,,,,"
                              : fmt::format(",{:.3f},{:.3f},{:.3f},{:.3f},{:.3f},{:.3f}", us(latency.min()),
                                            latency.mean() / 1000, us(latency.quantile(0.5)),
                                            us(latency.quantile(0.99)), us(latency.quantile(0.999)), us(latency.max()));
  csv += fmt::format(",{:.6f},{:.6f}", round.cpu_s, round.server_cpu_s);
  printer_.csv(csv);
  rounds_.push_back(std::move(json));
}

void PerfReport::add_to(nlohmann::ordered_json& document) const {
  const bool carries = plan_.mode == PerfMode::bandwidth || plan_.mode == PerfMode::latency;
  if (carries) document["op"] = to_string(plan_.op);
  document["mode"] = to_string(plan_.mode);
  document["connections"] = plan_.connections;
  document["depth"] = plan_.mode == PerfMode::latency ? 1 : plan_.depth;
  document["offset_bytes"] = plan_.offset_bytes;
  document["defer"] = plan_.defer;
  document["wait"] = plan_.wait == WaitMode::polled ? "polled" : "notified";
  document["rounds"] = rounds_;
}

}  // namespace softndk::tools
