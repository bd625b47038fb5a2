#pragma once
#include <deque>
#include <functional>
#include <unordered_map>

#include "io/executor.h"
#include "sim/core.h"
#include "sim/executor.h"

namespace softndk::sim {

/// A fiber that runs posted tasks, expired timers (behind the tasks posted before they expired) and events of the
/// network, a scheduling point between any two. Tasks keep their order, events theirs; which goes first, the seed says.
class Processor final : public io::Processor {
 public:
  Processor(Core& core, Executor& executor, unsigned index);

  bool post(io::Task& task) noexcept override;
  void arm(io::Timer& timer, io::TimeNs deadline_ns) noexcept override;
  bool cancel(io::Timer& timer) noexcept override;
  bool is_current() const noexcept override;
  unsigned index() const noexcept override;

  /// From inside the world; `event` runs inside too, and shows itself to ThreadSanitizer where it calls out.
  void push_event(std::function<void()> event);

  FiberThread& thread() { return thread_; }
  /// In the middle of a call to the program.
  bool is_busy() const { return busy_; }

 private:
  static void begin(void* processor);
  void loop();
  void run_one();
  void expire(io::Timer& timer);

  Core& core_;
  Executor& executor_;
  const unsigned index_;
  FiberThread& thread_;
  std::deque<io::Task*> tasks_;
  std::deque<std::function<void()>> events_;
  std::unordered_map<io::Timer*, Agenda::Ticket> armed_;  // never walked: its order is not the seed's
  bool busy_ = false;
};

}  // namespace softndk::sim
