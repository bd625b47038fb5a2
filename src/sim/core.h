#pragma once
#include "sim/agenda.h"
#include "sim/options.h"
#include "sim/random.h"
#include "sim/trace.h"

namespace softndk::sim {

/// What the parts of one world share. No locks anywhere: one fiber runs at a time, and nothing in here switches.
struct Core {
  Core(std::uint64_t the_seed, Options&& the_options)
      : seed(the_seed),
        options(std::move(the_options)),
        schedule(seed, 1),
        network(seed, 2),
        failures(seed, 4),
        trace(options.trace_records_max) {}

  const std::uint64_t seed;
  const Options options;
  // A stream for each concern: a fault switched on or off leaves the draws of the others where they were.
  RandomStream schedule;
  RandomStream network;
  RandomStream failures;
  Trace trace;
  Agenda agenda;
  io::TimeNs now_ns = io::kSecond;  // not 0, so that "never happened" and "at the beginning" differ

  void note(TraceKind kind, std::uint32_t who, std::uint64_t what = 0, std::uint32_t more = 0) {
    trace.add(now_ns, kind, who, what, more);
  }
};

}  // namespace softndk::sim
