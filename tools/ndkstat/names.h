#pragma once
// The documented names of what a process's document calls in snake case with units.
#include <span>

namespace softndk::tools {

struct FieldName {
  const char* key;   ///< in the document
  const char* name;  ///< NDK_ADAPTER_INFO, Get-NetAdapterRdma
};

/// In the order of the structure.
std::span<const FieldName> adapter_info_names();
/// Those columns of Get-NetAdapterRdma that are capabilities, in its order.
std::span<const FieldName> capability_names();

struct CounterName {
  const char* key;         ///< in the document; with softndk_ and perhaps _total, what Prometheus calls it
  const char* field;       ///< of NDIS_NDK_PERFORMANCE_COUNTERS
  const char* statistics;  ///< of Get-NetAdapterStatistics' RDMA object
  const char* json_key;    ///< the same in snake case with its unit
  const char* perfmon;     ///< of \RDMA Activity
  bool is_gauge;
  const char* meaning;
};
std::span<const CounterName> counter_names();

struct FlagName {
  unsigned long flag;
  const char* name;
};
/// NDK_ADAPTER_FLAG_...
std::span<const FlagName> adapter_flag_names();
/// "iWARP"; null for a number without a name.
const char* technology_name(unsigned long technology);

}  // namespace softndk::tools
