#include "sim/processor.h"

namespace softndk::sim {

Processor::Processor(Core& core, Executor& executor, unsigned index)
    : core_(core),
      executor_(executor),
      index_(index),
      thread_(executor.make_processor_thread(*this, &Processor::begin)) {
  happens_before(&thread_);
}

bool Processor::post(io::Task& task) noexcept {
  HiddenFromTsan hidden;
  happens_before(&task);
  if (!task.mark_queued()) return false;
  tasks_.push_back(&task);
  executor_.wake(thread_);
  return true;
}

void Processor::arm(io::Timer& timer, io::TimeNs deadline_ns) noexcept {
  HiddenFromTsan hidden;
  happens_before(&timer);
  if (timer.armed) core_.agenda.cancel(armed_[&timer]);
  timer.armed = true;
  timer.deadline_ns = deadline_ns;
  if (deadline_ns == io::kNever)
    armed_[&timer] = {};
  else
    armed_[&timer] = core_.agenda.at(deadline_ns, [this, &timer] { expire(timer); });
}

bool Processor::cancel(io::Timer& timer) noexcept {
  HiddenFromTsan hidden;
  if (!timer.armed) return false;
  timer.armed = false;
  const auto entry = armed_.find(&timer);
  core_.agenda.cancel(entry->second);
  armed_.erase(entry);
  return !timer.is_queued();  // armed again while an earlier run was still queued: that one will come
}

void Processor::expire(io::Timer& timer) {
  timer.armed = false;
  armed_.erase(&timer);
  core_.note(TraceKind::timer, index_);
  if (!timer.mark_queued()) return;  // its last run has not begun yet and covers this one
  tasks_.push_back(&timer);
  executor_.wake(thread_);
}

bool Processor::is_current() const noexcept {
  HiddenFromTsan hidden;
  return executor_.current() == &thread_;
}

unsigned Processor::index() const noexcept {
  return index_;
}

void Processor::push_event(std::function<void()> event) {
  events_.push_back(std::move(event));
  executor_.wake(thread_);
}

void Processor::begin(void* processor) {
  HiddenFromTsan hidden;
  static_cast<Processor*>(processor)->loop();
}

void Processor::loop() {
  while (!executor_.is_stopping()) {
    if (tasks_.empty() && events_.empty()) {
      executor_.switch_out(FiberThread::State::idle);
      continue;
    }
    busy_ = true;
    run_one();
    busy_ = false;
    executor_.switch_out(FiberThread::State::runnable);
  }
}

void Processor::run_one() {
  const bool take_event = tasks_.empty() || (!events_.empty() && core_.schedule.below(2) == 1);
  if (take_event) {
    core_.note(TraceKind::event, index_);
    const auto event = std::move(events_.front());
    events_.pop_front();
    event();
    return;
  }
  core_.note(TraceKind::task, index_);
  io::Task& task = *tasks_.front();
  tasks_.pop_front();
  happens_after(&task);
  ShownToTsan shown;
  task.start();
}

}  // namespace softndk::sim
