#include "ntrt/driver_watch.h"

#include "base/log.h"
#include "ntrt/explain_wait.h"
#include "ntrt/pool.h"

namespace softndk::ntrt {
namespace {

/// Lines of one report: the heading comes before the first one, so that nothing is said where there is nothing to say.
struct HeadedLines {
  const char* format;
  const char* driver;
  bool begun = false;

  static void write(void* self, const char* line) noexcept {
    auto& lines = *static_cast<HeadedLines*>(self);
    if (!std::exchange(lines.begun, true)) log(LogLevel::error, "driver %s %s", lines.driver, lines.format);
    log(LogLevel::error, "  %s", line);
  }
  LineSink sink() noexcept { return {this, write}; }
};

}  // namespace

UnloadWatch::Bell::Bell(UnloadWatch& it) noexcept
    : DeferredTimer(
          [](DeferredTimer& self) noexcept {
            UnloadWatch& rung = static_cast<Bell&>(self).watch;
            rung.explain();
            rung.rings_to_come_.fetch_sub(1);  // the last touch
          },
          "watch over a DriverUnload"),
      watch(it) {}

UnloadWatch::UnloadWatch(const char* driver, const void* code) noexcept : driver_(driver), code_(code) {
  Kernel* running = kernel_if_running();
  if (running == nullptr || running->options().explain_wait_after_ns == 0) return;
  since_ns_ = now_ns();
  has_bell_ = true;
  rings_to_come_.store(1);
  // Later than a blocking call explains itself, which may be all there is to say.
  bell_.arm_after(running->options().explain_wait_after_ns * 3 / 2);
}

UnloadWatch::~UnloadWatch() noexcept {
  if (!has_bell_) return;
  over_.store(true);
  bool cancelled = false;
  relax_until([&] {
    cancelled = cancelled || bell_.cancel();
    return rings_to_come_.load() == (cancelled ? 1u : 0u);
  });
}

void UnloadWatch::explain() noexcept {
  if (over_.load()) return;
  log(LogLevel::error, "DriverUnload of %s has not returned for %s. Who waits for what:", driver_,
      DurationText(now_ns() - since_ns_).text);
  report_waiting_threads(sink_to_log());
  HeadedLines pending{"has requests that pend; their completions could end a wait:", driver_};
  report_pending_requests(pending.sink());
  HeadedLines open{"has open:", driver_};
  report_objects(open.sink(), {.created_by = code_});
}  // not again: what repeats for ever keeps a simulation from seeing that nothing can happen any more

std::size_t report_driver_leaks(const char* driver, const void* code) noexcept {
  HeadedLines left{"was unloaded and left behind:", driver};
  return report_objects(left.sink(), {.created_by = code}) + pool_report_leaks(left.sink(), code);
}

}  // namespace softndk::ntrt
