#pragma once
// One run of some drivers in this process: DriverEntry of each, until the end, DriverUnload of each in reverse.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/ndkrun/driver_module.h"
#include "tools/ndkrun/run_end.h"
#include "tools/ndkrun/run_options.h"

namespace softndk::tools {

struct RunOutcome {
  ExitCode code = ExitCode::passed;
  std::string text;  ///< why not passed, in a sentence
  std::string ended_by = "none";
  struct Driver {
    std::string name;
    std::optional<NTSTATUS> entry_status;
    bool unloaded = false;
  };
  std::vector<Driver> drivers;
  std::uint64_t objects_left = 0;
  std::optional<std::uint64_t> seed;  ///< of a simulation; then the next two count
  std::uint64_t trace_hash = 0;
  double virtual_s = 0;

  nlohmann::ordered_json json() const;
};

/// The settings are applied and nothing runs yet. Comes back with the drivers unloaded and the runtime stopped; if
/// something is left that would make the stop wait for ever, with what it was told and the runtime as it is: the
/// process is to end. `give_up` is what happens when a call of a driver does not return: it gets the outcome so far
/// and does not return.
RunOutcome run_drivers(const RunOptions& options, std::vector<DriverModule>& drivers,
                       const std::function<void(const RunOutcome&)>& give_up);

}  // namespace softndk::tools
