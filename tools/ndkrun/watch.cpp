#include "tools/ndkrun/watch.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace softndk::tools {
namespace {
using Clock = std::chrono::steady_clock;

int poll_ms(Clock::time_point deadline) {
  if (deadline == Clock::time_point::max()) return -1;
  const double left_ms = std::chrono::duration<double, std::milli>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp(std::ceil(left_ms), 0.0, 60'000.0));
}

Clock::time_point in(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}
}  // namespace

Watch::Watch(Calls calls, double timeout_s) : calls_(std::move(calls)) {
  stop_ = eventfd(0, EFD_CLOEXEC);
  if (calls_.interrupted) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signals_ = signalfd(-1, &signals, SFD_CLOEXEC);
  }
  thread_ = std::thread([this, timeout_s] { run(timeout_s); });
}

Watch::~Watch() {
  const std::uint64_t one = 1;
  (void)!write(stop_, &one, sizeof one);
  thread_.join();
  close(stop_);
  if (signals_ >= 0) close(signals_);
}

void Watch::run(double timeout_s) {
  Clock::time_point deadline = timeout_s > 0 ? in(timeout_s) : Clock::time_point::max();
  bool interrupted = false, graced = false;
  for (;;) {
    pollfd wanted[] = {{stop_, POLLIN, 0}, {signals_, POLLIN, 0}};
    poll(wanted, 2, poll_ms(deadline));
    if (wanted[0].revents != 0) return;
    if (wanted[1].revents != 0) {
      signalfd_siginfo read_one;
      (void)!read(signals_, &read_one, sizeof read_one);
      if (std::exchange(interrupted, true)) calls_.give_up("interrupted a second time");
      calls_.interrupted();
    }
    if (Clock::now() < deadline) continue;
    if (std::exchange(graced, true) || !calls_.timed_out()) calls_.give_up("the time is over");
    deadline = in(kGrace_s);
  }
}

}  // namespace softndk::tools
