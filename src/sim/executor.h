#pragma once
#include <memory>
#include <string>
#include <vector>

#include "io/executor.h"
#include "sim/core.h"
#include "sim/fiber_thread.h"

namespace softndk::sim {

class Processor;

enum class Result : std::uint8_t {
  completed,
  deadlock,  ///< nothing can run, nothing will happen
  too_long,  ///< Options::time_max_ns or steps_max
};
const char* to_string(Result result) noexcept;

/// Threads as fibers. Scheduling points are park, join, yield, relax, a thread's end, and the interleave points of the
/// program (base/interleave.h); no call of the rest of io switches.
class Executor final : public io::Executor {
 public:
  explicit Executor(Core& core);
  ~Executor() override;

  expected<io::ThreadHandle, io::IoError> spawn(const char* name, void (*entry)(void*),
                                                void* argument) noexcept override;
  void join(io::ThreadHandle thread) noexcept override;
  bool park(io::TimeNs deadline_ns) noexcept override;
  void unpark(io::ThreadContext& thread) noexcept override;
  void relax(unsigned spins) noexcept override;
  void yield() noexcept override;
  unsigned processor_count() const noexcept override;
  io::Processor& processor(unsigned index) noexcept override;

  /// World::run().
  Result run(void (*entry)(void*), void* argument);
  bool is_running() const { return running_; }
  /// What the last run has to say for itself: one line for each fiber that could not go on, with its stack.
  const std::string& report() const { return report_; }
  std::uint64_t steps() const { return steps_; }

  // For Processor, inside the world.
  FiberThread& make_processor_thread(Processor& processor, void (*entry)(void*));
  FiberThread* current() const { return current_; }
  void wake(FiberThread& thread);
  /// The calling fiber lets others go first; `state` is why it does not want to run (runnable: it does).
  void switch_out(FiberThread::State state);
  /// At an interleave point of the program: maybe others first; certainly if `blocked`.
  void interleave(bool blocked) noexcept;
  bool is_stopping() const { return stopping_; }

 private:
  FiberThread* spawn_thread(const char* name, void (*entry)(void*), void* argument);
  static void thread_begin(void* thread);
  bool processors_are_between_calls() const;
  void make_runnable(FiberThread& thread);
  void take_from_runnable(FiberThread& thread);
  FiberThread& choose();
  void pass_time();
  void step_into(FiberThread& thread);
  bool stalls(FiberThread& thread);
  Result loop();
  Result give_up(Result result, const char* why);
  void describe();
  void say(const std::string& line);

  Core& core_;
  StackPool stacks_;
  Fiber host_;  // the OS thread's own stack, where loop() runs
  std::vector<std::unique_ptr<Processor>> processors_;
  std::vector<FiberThread*> threads_;   // all that were not joined yet, in order of spawning
  std::vector<FiberThread*> runnable_;  // in no order
  FiberThread* current_ = nullptr;
  FiberThread* previous_ = nullptr;
  std::uint32_t last_number_ = 0;
  unsigned alive_ = 0;  // fibers that have not ended, processors not counted
  bool running_ = false;
  bool stopping_ = false;
  bool reporting_ = false;
  // How this seed schedules: how often the same fiber goes on, and whether some are slower than others.
  const Chance same_again_;
  const bool reluctance_;
  const Chance interleave_;
  std::uint64_t steps_ = 0;
  std::uint64_t futile_steps_ = 0;  // steps in a row that ended in yield or relax and woke nobody
  std::string report_;
};

}  // namespace softndk::sim
