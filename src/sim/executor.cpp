#include "sim/executor.h"

#include <execinfo.h>

#include <algorithm>
#include <cstdlib>

#include "base/alloc.h"
#include "base/log.h"
#include "sim/processor.h"

namespace softndk::sim {
namespace {
using State = FiberThread::State;

Chance draw_stickiness(RandomStream& stream) {
  constexpr Chance kChoices[] = {Chance::never(), Chance::never(), Chance::one_in(2), {875'000}, {970'000}};
  return kChoices[stream.below(std::size(kChoices))];
}

Chance draw_interleave(RandomStream& stream) {
  constexpr Chance kChoices[] = {Chance::never(), Chance::one_in(200), Chance::one_in(30), Chance::one_in(5)};
  return kChoices[stream.below(std::size(kChoices))];
}
}  // namespace

const char* to_string(Result result) noexcept {
  switch (result) {
    case Result::completed:
      return "completed";
    case Result::deadlock:
      return "deadlock";
    case Result::too_long:
      return "too long";
  }
  return "?";
}

Executor::Executor(Core& core)
    : core_(core),
      stacks_(core.options.stack_bytes),
      same_again_(draw_stickiness(core.schedule)),
      reluctance_(core.schedule.below(2) == 1),
      interleave_(core.options.interleave ? *core.options.interleave : draw_interleave(core.schedule)) {
  SOFTNDK_CHECK(core.options.processors > 0);
  HiddenFromTsan hidden;
  for (unsigned i = 0; i < core.options.processors; ++i)
    processors_.push_back(std::make_unique<Processor>(core_, *this, i));
}

Executor::~Executor() {
  SOFTNDK_CHECK(!running_);
  // A processor without work ends in order; a fiber in the middle of something cannot.
  stopping_ = true;
  io::ThreadContext& caller = io::this_thread();
  host_.adopt_thread();
  HiddenFromTsan hidden;
  for (auto& processor : processors_)
    if (!processor->is_busy()) step_into(processor->thread());
  io::set_this_thread(&caller);
  for (FiberThread* thread : threads_) {
    if (thread->state == State::ended) {
      FiberThread::give_back(*thread);
    } else {
      StackPool::abandon(thread->stack);
      thread->world = nullptr;  // its frames live on, so the rest of it stays as it is, and is never used again
    }
  }
}

// --- threads

FiberThread* Executor::spawn_thread(const char* name, void (*entry)(void*), void* argument) {
  const Stack stack = stacks_.take();
  if (stack.bottom == nullptr) return nullptr;
  FiberThread& thread = *FiberThread::take();
  thread.name = name;
  thread.world = this;
  thread.entry = entry;
  thread.argument = argument;
  thread.stack = stack;
  thread.number = ++last_number_;
  thread.reluctance = reluctance_ && core_.schedule.below(3) == 0 ? 8 : 1;
  thread.fiber.start(stack, &Executor::thread_begin, &thread, name);
  threads_.push_back(&thread);
  core_.note(TraceKind::spawn, thread.number);
  return &thread;
}

void Executor::thread_begin(void* argument) {
  auto& thread = *static_cast<FiberThread*>(argument);
  const void* stack = thread.stack.bottom;
  happens_after(&thread);
  happens_after(stack);  // another fiber may have ended on it
  thread.entry(thread.argument);
  happens_before(&thread);
  happens_before(stack);
  hide_from_tsan();
  auto& executor = *static_cast<Executor*>(thread.world);
  thread.state = State::ended;
  executor.core_.note(TraceKind::end, thread.number);
  if (!thread.is_processor) --executor.alive_;
  executor.futile_steps_ = 0;
  if (thread.joined_by != nullptr) executor.wake(*thread.joined_by);
  show_to_tsan();
  thread.fiber.finish(executor.host_);
}

expected<io::ThreadHandle, io::IoError> Executor::spawn(const char* name, void (*entry)(void*),
                                                        void* argument) noexcept {
  HiddenFromTsan hidden;
  if (fault_injected("spawn")) return unexpected(io::IoError::no_resources);
  FiberThread* thread = spawn_thread(name, entry, argument);
  if (thread == nullptr) return unexpected(io::IoError::no_resources);
  ++alive_;
  happens_before(thread);
  make_runnable(*thread);
  return io::ThreadHandle{thread};
}

void Executor::join(io::ThreadHandle handle) noexcept {
  HiddenFromTsan hidden;
  auto& thread = *static_cast<FiberThread*>(handle.implementation);
  SOFTNDK_CHECK(thread.joined_by == nullptr && &thread != current_);
  if (thread.state != State::ended) {
    SOFTNDK_CHECK(current_ != nullptr && "join() of a running thread from outside World::run()");
    thread.joined_by = current_;
    current_->joins = &thread;
    current_->waits_since_ns = core_.now_ns;
    while (thread.state != State::ended)
      switch_out(State::joining);
    current_->joins = nullptr;
  }
  happens_after(&thread);
  threads_.erase(std::find(threads_.begin(), threads_.end(), &thread));
  FiberThread::give_back(thread);
}

FiberThread& Executor::make_processor_thread(Processor& processor, void (*entry)(void*)) {
  FiberThread* thread = spawn_thread("processor", entry, &processor);
  SOFTNDK_CHECK(thread != nullptr);
  thread->is_processor = true;
  thread->state = State::idle;
  return *thread;
}

// --- waiting

bool Executor::park(io::TimeNs deadline_ns) noexcept {
  HiddenFromTsan hidden;
  SOFTNDK_CHECK(current_ != nullptr && "park() outside World::run()");
  FiberThread& self = *current_;
  SOFTNDK_CHECK(!self.is_processor && "park() on a processor thread");
  self.waits_since_ns = core_.now_ns;
  self.timed_out = false;
  self.deadline = {};
  if (self.wake_pending || core_.schedule.happens(core_.options.spurious_wake)) {
    switch_out(State::runnable);
  } else if (deadline_ns <= core_.now_ns) {
    self.timed_out = true;
    switch_out(State::runnable);
  } else {
    if (deadline_ns != io::kNever) {
      self.deadline = core_.agenda.at(deadline_ns, [this, &self] {
        self.timed_out = true;
        wake(self);
      });
    }
    switch_out(State::parked);
    core_.agenda.cancel(self.deadline);
  }
  const bool woken = std::exchange(self.wake_pending, false);
  if (woken) happens_after(&self.wake_pending);
  return woken || !self.timed_out;
}

void Executor::unpark(io::ThreadContext& context) noexcept {
  HiddenFromTsan hidden;
  if (context.world != this) return;  // it has ended, or is no fiber of this world: at most a spurious wake is lost
  auto& thread = static_cast<FiberThread&>(context);
  if (thread.state == State::ended) return;
  happens_before(&thread.wake_pending);
  thread.wake_pending = true;
  if (thread.state == State::parked) wake(thread);
}

void Executor::yield() noexcept {
  HiddenFromTsan hidden;
  if (current_ != nullptr) switch_out(State::runnable);
}

void Executor::interleave(bool blocked) noexcept {
  HiddenFromTsan hidden;
  if (current_ == nullptr) {
    SOFTNDK_CHECK(!blocked && "the world itself waits for a lock that a fiber holds");
    return;
  }
  if (blocked || core_.schedule.happens(interleave_)) switch_out(State::runnable);
}

void Executor::relax(unsigned) noexcept {
  yield();
}

unsigned Executor::processor_count() const noexcept {
  return static_cast<unsigned>(processors_.size());
}

io::Processor& Executor::processor(unsigned index) noexcept {
  return *processors_[index];
}

// --- the schedule

void Executor::wake(FiberThread& thread) {
  if (thread.state == State::parked || thread.state == State::joining || thread.state == State::idle)
    make_runnable(thread);  // a stalled one looks for itself when its stall is over
}

void Executor::make_runnable(FiberThread& thread) {
  futile_steps_ = 0;
  thread.state = State::runnable;
  thread.runnable_at = runnable_.size();
  runnable_.push_back(&thread);
}

void Executor::take_from_runnable(FiberThread& thread) {
  runnable_[thread.runnable_at] = runnable_.back();
  runnable_[thread.runnable_at]->runnable_at = thread.runnable_at;
  runnable_.pop_back();
}

void Executor::switch_out(State state) {
  FiberThread& self = *current_;
  if (state == State::runnable && !self.is_processor) {
    ++futile_steps_;
  } else {
    futile_steps_ = 0;
  }
  if (state != State::runnable) {
    take_from_runnable(self);
    self.state = state;
  }
  happens_before(&host_);  // what follows run()
  const bool ordered = !core_.options.find_races;
  self.fiber.switch_to(host_, ordered);
  while (reporting_) {  // give_up() asks everybody where they are; only the fiber itself can walk its stack
    describe();
    self.fiber.switch_to(host_, ordered);
  }
}

FiberThread& Executor::choose() {
  if (previous_ != nullptr && previous_->state == State::runnable && core_.schedule.happens(same_again_))
    return *previous_;
  FiberThread* chosen = nullptr;
  for (int draws = 0; draws < 4; ++draws) {
    chosen = runnable_[core_.schedule.below(runnable_.size())];
    if (chosen->reluctance == 1 || core_.schedule.below(chosen->reluctance) == 0) break;
  }
  // Who is slow changes now and then: a bug may need first one and then the other to lag.
  if (reluctance_ && core_.schedule.below(64) == 0) chosen->reluctance = chosen->reluctance == 1 ? 8 : 1;
  return *chosen;
}

/// A step costs a little time. When for long nothing happened but fibers looking again, waiting for time to pass, it
/// passes faster, up to a millisecond a step, but never beyond what is due.
void Executor::pass_time() {
  io::TimeNs cost_ns = core_.schedule.in(core_.options.step_ns);
  constexpr std::uint64_t kPatienceSteps = 1000;
  const std::uint64_t doublings = futile_steps_ / kPatienceSteps;
  if (doublings > 0 && !core_.agenda.empty()) {
    const io::TimeNs hurried_ns = std::min((cost_ns + 1) << std::min<std::uint64_t>(doublings, 20), io::kMillisecond);
    const io::TimeNs until_due_ns = core_.agenda.next_at_ns() - core_.now_ns;
    cost_ns = std::max(cost_ns, std::min(hurried_ns, until_due_ns));
  }
  core_.now_ns += cost_ns;
}

bool Executor::stalls(FiberThread& thread) {
  if (!core_.schedule.happens(core_.options.stall)) return false;
  const io::TimeNs stall_ns = core_.schedule.in(core_.options.stall_ns);
  core_.note(TraceKind::stall, thread.number, stall_ns);
  take_from_runnable(thread);
  thread.state = State::stalled;
  core_.agenda.at(core_.now_ns + stall_ns, [this, &thread] {
    if (thread.state == State::stalled) make_runnable(thread);
  });
  return true;
}

void Executor::step_into(FiberThread& thread) {
  current_ = previous_ = &thread;
  thread.has_begun = true;
  io::set_this_thread(&thread);
  host_.switch_to(thread.fiber, !core_.options.find_races);
  current_ = nullptr;
  if (thread.state != State::ended) return;
  if (thread.runnable_at < runnable_.size() && runnable_[thread.runnable_at] == &thread) take_from_runnable(thread);
  previous_ = nullptr;
  thread.fiber.release();
  stacks_.give_back(std::exchange(thread.stack, {}));
}

bool Executor::processors_are_between_calls() const {
  return std::all_of(processors_.begin(), processors_.end(), [](auto& processor) { return !processor->is_busy(); });
}

Result Executor::run(void (*entry)(void*), void* argument) {
  SOFTNDK_CHECK(!running_ && alive_ == 0 && "run() inside a run, or after one that was given up");
  io::ThreadContext& caller = io::this_thread();
  host_.adopt_thread();
  running_ = true;
  report_.clear();
  HiddenFromTsan hidden;
  FiberThread* first = spawn_thread("main", entry, argument);
  SOFTNDK_CHECK(first != nullptr);
  ++alive_;
  happens_before(first);
  make_runnable(*first);
  const Result result = loop();
  happens_after(&host_);
  if (first->state == State::ended) {
    happens_after(first);
    threads_.erase(std::find(threads_.begin(), threads_.end(), first));
    FiberThread::give_back(*first);
  }
  running_ = false;
  io::set_this_thread(&caller);
  return result;
}

Result Executor::loop() {
  const std::uint64_t first_step = steps_;
  const io::TimeNs began_ns = core_.now_ns;
  // The end waits for callbacks that have begun, so that no fiber is left in the middle of the program's code.
  while (alive_ > 0 || !processors_are_between_calls()) {
    while (core_.agenda.next_at_ns() <= core_.now_ns)
      core_.agenda.happen();
    if (runnable_.empty()) {
      if (core_.agenda.empty()) return give_up(Result::deadlock, "nothing can run and nothing will happen");
      core_.note(TraceKind::jump, 0, core_.agenda.next_at_ns() - core_.now_ns);
      core_.now_ns = core_.agenda.next_at_ns();
      if (core_.now_ns - began_ns > core_.options.time_max_ns)
        return give_up(Result::too_long, "the virtual time allowed is over");
      continue;
    }
    if (++steps_ - first_step > core_.options.steps_max) return give_up(Result::too_long, "the steps allowed are over");
    FiberThread& next = choose();
    if (stalls(next)) continue;
    pass_time();
    core_.note(TraceKind::run, next.number, runnable_.size());
    step_into(next);
  }
  return Result::completed;
}

// --- reports

void Executor::say(const std::string& line) {
  report_ += line + "\n";
  if (core_.options.log_reports) log(LogLevel::error, "%s", line.c_str());
}

Result Executor::give_up(Result result, const char* why) {
  say("simulation, seed " + std::to_string(core_.seed) + ": " + to_string(result) + " at " +
      std::to_string(core_.now_ns) + " ns after " + std::to_string(steps_) + " steps: " + why);
  reporting_ = true;
  for (FiberThread* thread : threads_) {
    if (thread->state == State::ended || thread->state == State::idle) continue;
    std::string line = "  fiber " + std::to_string(thread->number) + " \"" + thread->name + "\" ";
    const std::string since = " since " + std::to_string(thread->waits_since_ns) + " ns";
    switch (thread->state) {
      case State::parked:
        line += "is parked" + since;
        line += thread->deadline.at_ns > core_.now_ns
                    ? ", at most until " + std::to_string(thread->deadline.at_ns) + " ns, for an unpark(), in"
                    : ", for an unpark() that nobody is left to give, in";
        break;
      case State::joining:
        line += "joins fiber " + std::to_string(thread->joins->number) + " \"" + thread->joins->name + "\"" + since +
                ", in";
        break;
      default:
        line += thread->is_processor ? "has work, in" : thread->has_begun ? "can run, in" : "has not begun";
    }
    say(line);
    if (thread->has_begun) step_into(*thread);  // to describe() itself
  }
  reporting_ = false;
  previous_ = nullptr;
  return result;
}

/// On the fiber's own stack.
void Executor::describe() {
  void* frames[24];
  const int count = backtrace(frames, static_cast<int>(std::size(frames)));
  char** names = backtrace_symbols(frames, count);
  constexpr int kOurs = 3;  // describe, switch_out, park (or join)
  for (int i = kOurs; names != nullptr && i < count; ++i)
    say(std::string("      ") + names[i]);
  std::free(names);
}

}  // namespace softndk::sim
