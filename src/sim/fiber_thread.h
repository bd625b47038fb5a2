#pragma once
#include <cstdint>

#include "io/executor.h"
#include "sim/agenda.h"
#include "sim/fiber.h"

namespace softndk::sim {

/// A fiber as the program sees it: a thread. Never freed, only used again (io::ThreadContext says so).
struct FiberThread : io::ThreadContext {
  enum class State : std::uint8_t {
    unused,
    runnable,  // in Executor's list (or running)
    parked,    // in park()
    joining,   // in join()
    idle,      // a processor without work
    stalled,   // could run, but was preempted for a while
    ended,     // until it is joined
  };
  State state = State::unused;
  bool is_processor = false;
  bool has_begun = false;
  bool wake_pending = false;     // an unpark() that no park() has consumed
  bool timed_out = false;        // the deadline of this park() has passed
  std::uint32_t number = 0;      // in order of spawning: the trace's name for it
  std::uint32_t reluctance = 1;  // chosen to run in one of so many draws
  std::size_t runnable_at = 0;   // index in Executor's list
  Agenda::Ticket deadline;
  io::TimeNs waits_since_ns = 0;
  FiberThread* joined_by = nullptr;  // who waits for our end
  FiberThread* joins = nullptr;      // whose end we wait for
  void (*entry)(void*) = nullptr;
  void* argument = nullptr;
  Fiber fiber;
  Stack stack;
  FiberThread* next_unused = nullptr;
  FiberThread* next_ever = nullptr;

  /// From the process-wide store; any OS thread.
  static FiberThread* take();
  static void give_back(FiberThread& thread);
};

}  // namespace softndk::sim
