#pragma once
// The numbers of a round, and the three ways to show them.
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "tools/common/histogram.h"
#include "tools/common/printer.h"
#include "tools/ndkperf/connect_test.h"
#include "tools/ndkperf/object_costs.h"
#include "tools/ndkperf/perf_plan.h"

namespace softndk::tools {

struct PerfRound {
  std::size_t size_bytes = 0;
  std::uint64_t iterations = 0;  ///< over all connections
  double elapsed_s = 0;          ///< from the first post until the last message is known to have arrived
  double cpu_s = 0;              ///< of this process, all threads
  double server_cpu_s = 0;       ///< as the server says
  double peak_mib_s = 0;         ///< best stretch of at least 10 ms; the average where none was that long
  /// Latency tests only. Half the round trip for send and write, all of it for read.
  Histogram latency_ns;

  double average_mib_s() const;
  double messages_per_s() const;
  double cpu_percent() const;
  double cpu_s_per_gib() const;               ///< of both ends
  double cpu_s_per_million_messages() const;  ///< of both ends
};

enum class TableStyle : std::uint8_t { windows, perftest };

class PerfReport {
 public:
  PerfReport(const PerfPlan& plan, TableStyle style, Printer& printer)
      : plan_(plan), style_(style), printer_(printer) {}

  /// The block before the rows. `device` and `peer` are for perftest's.
  void begin(const std::string& device, const std::string& peer);
  void row(const PerfRound& round);
  void row(const ConnectRound& round);
  void objects(const std::vector<ObjectCost>& costs);
  /// Plan and rows, for the document.
  void add_to(nlohmann::ordered_json& document) const;

 private:
  void begin_connects();
  void windows_row(const PerfRound& round);
  void perftest_row(const PerfRound& round);

  const PerfPlan& plan_;
  const TableStyle style_;
  Printer& printer_;
  nlohmann::ordered_json rounds_ = nlohmann::ordered_json::array();
};

}  // namespace softndk::tools
