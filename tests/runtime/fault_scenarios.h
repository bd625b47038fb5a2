#pragma once
// What consumers do, as scenarios in which any call may fail (fault_consumer.h). The tests that make calls fail run
// all of them; a new area of the interface is one more row of the table in fault_scenarios.cpp.
#include <span>

#include "fault_consumer.h"

namespace softndk::stack {

struct FaultScenario {
  const char* name;
  /// Ends and leaves nothing open, whatever fails. True: every step was taken and went well.
  bool (*run)(const Place& place);
  std::pair<const char*, const char*> setting = {"policy", nullptr};  ///< one more, if it has a value
};
std::span<const FaultScenario> fault_scenarios();

// In a file of their own (fault_scenarios_memory.cpp).
bool mappings_and_fast_regions(const Place& place);
bool windows_and_shared_receives(const Place& place);

/// One of each kind of object, a connection, one of each data operation, and the end of it all: the scenario that must
/// go well again after any failure. `bytes` for each operation.
bool converse(const Place& place, std::size_t bytes = 20'000);

/// The settings under which scenarios run: calls that wait are bounded, so that an end that is told nothing ends too.
inline constexpr std::pair<const char*, const char*> kBoundedWaits[] = {{"connect_timeout_ms", "2000"},
                                                                        {"rtr_timeout_ms", "2000"},
                                                                        {"request_timeout_ms", "1000"},
                                                                        {"disconnect_timeout_ms", "1000"},
                                                                        {"no_receive_timeout_ms", "1000"}};

}  // namespace softndk::stack
