#include "net/clock.h"

#include <dlfcn.h>

#include <initializer_list>

namespace softndk::net {
namespace {

// The vDSO's own symbol, not libc's clock_gettime, which a program may define for itself. Its handle is never closed.
void* find_in_vdso() {
  if (void* vdso = ::dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD)) {
    for (const char* name : {"__vdso_clock_gettime", "__kernel_clock_gettime"})
      if (void* symbol = ::dlsym(vdso, name)) return symbol;
  }
  return nullptr;
}

io::TimeNs to_ns(const timespec& time) {
  return static_cast<io::TimeNs>(time.tv_sec) * io::kSecond + static_cast<io::TimeNs>(time.tv_nsec);
}

}  // namespace

Clock::Clock() noexcept {
  void* symbol = find_in_vdso();
  get_time_ = symbol != nullptr ? reinterpret_cast<GetTime>(symbol) : &::clock_gettime;
}

io::TimeNs Clock::now_ns() noexcept {
  timespec now;
  get_time_(CLOCK_MONOTONIC, &now);
  return to_ns(now);
}

std::uint64_t Clock::wall_100ns() noexcept {
  constexpr std::uint64_t kFrom1601To1970 = 11'644'473'600ull * 10'000'000;
  timespec now;
  get_time_(CLOCK_REALTIME, &now);
  return to_ns(now) / 100 + kFrom1601To1970;
}

}  // namespace softndk::net
