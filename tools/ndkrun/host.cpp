#include "tools/ndkrun/host.h"

#include <fmt/format.h>
#include <ntddk.h>
#include <softndk/softndk.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "tools/ndkrun/leaks.h"
#include "tools/ndkrun/watch.h"

namespace softndk::tools {
namespace {

/// How long a simulated run lasts if nothing else ends it: virtual time costs nothing when all wait.
constexpr double kSimulatedFor_s = 60;

EndConditions conditions_for(const RunOptions& options, const std::vector<DriverModule>& drivers) {
  EndConditions conditions;
  for (const DriverModule& driver : drivers)
    conditions.dones += driver.says_when_done ? 1 : 0;
  conditions.text = options.until;
  conditions.for_s = options.for_s;
  conditions.idle = options.until_idle;
  const bool has_end = conditions.dones != 0 || !conditions.text.empty() || conditions.for_s >= 0 || conditions.idle;
  if (options.simulated && !has_end) conditions.for_s = kSimulatedFor_s;
  return conditions;
}

class Host {
 public:
  Host(const RunOptions& options, std::vector<DriverModule>& drivers,
       const std::function<void(const RunOutcome&)>& give_up)
      : options_(options), drivers_(drivers), give_up_(give_up), end_(conditions_for(options, drivers)) {
    for (const DriverModule& driver : drivers)
      outcome_.drivers.push_back({driver.name, std::nullopt, false});
  }

  RunOutcome run() {
    Watch::Calls calls;
    if (!options_.simulated) calls.interrupted = [this] { end_.end(EndReason::interrupted); };
    calls.timed_out = [this] { return timed_out(); };
    calls.give_up = [this](const char* why) { give_up(why); };
    const Watch watch(std::move(calls), options_.timeout_s);
    const NTSTATUS status = softndk_run([](void* self) { static_cast<Host*>(self)->body(); }, this);
    conclude(status);
    return outcome_;
  }

 private:
  /// On the thread (or fiber) that the drivers are loaded on.
  void body() {
    started_ = true;
    std::size_t loaded = 0;
    while (loaded < drivers_.size() && load(loaded))
      ++loaded;
    if (loaded == drivers_.size()) {
      phase("the run");
      outcome_.ended_by = to_string(end_.wait());
    }
    while (loaded-- > 0)
      unload(loaded);
    phase("the end of the run");
    outcome_.objects_left = report_leaks();
    if (outcome_.objects_left == 0) return;
    fail(fmt::format("{} object(s) leaked", outcome_.objects_left));
    conclude(STATUS_SUCCESS);
    give_up_(outcome_);  // the runtime would wait for them
  }

  bool load(std::size_t which) {
    DriverModule& driver = drivers_[which];
    phase("DriverEntry of " + driver.name);
    if (const auto opened = open_driver(driver); !opened) {
      fail(opened.error().text());
      return false;
    }
    const NTSTATUS status = softndk_load_driver(driver.entry, driver.name.c_str(), &driver.loaded);
    outcome_.drivers[which].entry_status = status;
    if (!NT_SUCCESS(status)) fail(fmt::format("DriverEntry of {} returned {}", driver.name, status_text(status)));
    return NT_SUCCESS(status);
  }

  void unload(std::size_t which) {
    DriverModule& driver = drivers_[which];
    phase("DriverUnload of " + driver.name);
    softndk_unload_driver(driver.loaded);
    driver.loaded = nullptr;
    outcome_.drivers[which].unloaded = true;
  }

  void conclude(NTSTATUS status) {
    if (options_.simulated) {
      softndk_run_info info = {};
      softndk_last_run(&info);
      outcome_.seed = info.seed;
      outcome_.trace_hash = info.trace_hash;
      outcome_.virtual_s = static_cast<double>(info.virtual_ns) / 1e9;
    }
    if (!NT_SUCCESS(status)) {
      const bool given_up = status == STATUS_POSSIBLE_DEADLOCK || status == STATUS_IO_TIMEOUT;
      if (!started_) {
        fail("the runtime does not start: " + status_text(status),
             status == STATUS_NOT_FOUND ? ExitCode::no_adapter : ExitCode::failed);
      } else if (given_up) {
        report_waits();
        fail(fmt::format("{} in {}", status == STATUS_POSSIBLE_DEADLOCK ? "deadlock" : "no end in sight", phase()),
             ExitCode::timed_out);
      } else {
        fail("the runtime does not stop: " + status_text(status));
      }
    }
    if (end_.reason() == EndReason::timed_out)
      fail(fmt::format("the run was not over within {:g} s (--timeout)", options_.timeout_s), ExitCode::timed_out);
    if (!NT_SUCCESS(end_.verdict())) fail("the driver reported " + status_text(end_.verdict()));
  }

  /// The first failure counts.
  void fail(std::string text, ExitCode code = ExitCode::failed) {
    if (outcome_.code != ExitCode::passed) return;
    outcome_.code = code;
    outcome_.text = std::move(text);
  }

  // --- on the watching thread

  bool timed_out() {
    const bool in_run = !options_.simulated && phase() == "the run";
    if (in_run) end_.end(EndReason::timed_out);
    return in_run;
  }

  void give_up(const char* why) {
    std::fprintf(stderr, "ndkrun: %s, and %s has not ended\n", why, phase().c_str());
    report_waits();
    RunOutcome outcome = outcome_;
    outcome.code = ExitCode::timed_out;
    outcome.text = fmt::format("{}, and {} has not ended", why, phase());
    outcome.ended_by = to_string(EndReason::timed_out);
    give_up_(outcome);
  }

  void phase(std::string name) {
    const std::lock_guard lock(mutex_);
    phase_ = std::move(name);
  }
  std::string phase() const {
    const std::lock_guard lock(mutex_);
    return phase_;
  }

  const RunOptions& options_;
  std::vector<DriverModule>& drivers_;
  const std::function<void(const RunOutcome&)>& give_up_;
  RunEnd end_;
  RunOutcome outcome_;
  bool started_ = false;
  mutable std::mutex mutex_;
  std::string phase_ = "the start of the runtime";
};

}  // namespace

nlohmann::ordered_json RunOutcome::json() const {
  nlohmann::ordered_json json;
  json["exit_code"] = static_cast<int>(code);
  json["ended_by"] = ended_by;
  json["text"] = text;
  json["drivers"] = nlohmann::ordered_json::array();
  for (const Driver& driver : drivers) {
    nlohmann::ordered_json one;
    one["name"] = driver.name;
    one["driver_entry"] = nullptr;
    if (driver.entry_status) one["driver_entry"] = softndk_status_name(*driver.entry_status);
    one["unloaded"] = driver.unloaded;
    json["drivers"].push_back(one);
  }
  json["objects_left"] = objects_left;
  if (seed) {
    json["seed"] = *seed;
    json["trace_hash"] = fmt::format("{:016x}", trace_hash);
    json["virtual_s"] = virtual_s;
  }
  return json;
}

RunOutcome run_drivers(const RunOptions& options, std::vector<DriverModule>& drivers,
                       const std::function<void(const RunOutcome&)>& give_up) {
  return Host(options, drivers, give_up).run();
}

}  // namespace softndk::tools
