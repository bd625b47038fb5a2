#pragma once
// What is said of a driver whose DriverUnload does not return, or leaves something behind.
#include <cstddef>

#include "ntrt/deferred.h"

namespace softndk::ntrt {

/// While it lives, a DriverUnload that lasts one and a half of the kernel's explain_wait_after_ns is explained in the
/// log, as an error, once: which threads of drivers wait for what, who set it last, which requests pend, and what the
/// driver has open. Without a running kernel it does nothing.
class UnloadWatch {
 public:
  /// `code`: an address in the driver. PASSIVE_LEVEL, as is the end.
  UnloadWatch(const char* driver, const void* code) noexcept;
  ~UnloadWatch() noexcept;

 private:
  struct Bell : DeferredTimer {
    explicit Bell(UnloadWatch& it) noexcept;
    UnloadWatch& watch;
  };
  void explain() noexcept;

  const char* driver_;
  const void* code_;
  io::TimeNs since_ns_ = 0;
  bool has_bell_ = false;
  std::atomic<bool> over_{false};
  std::atomic<unsigned> rings_to_come_{0};
  Bell bell_{*this};
};

/// What a driver that has been unloaded left behind: objects that are open, pool blocks, MDLs and work items, each with
/// its creator, to the log as errors. `code`: an address in it. Returns how many there are.
std::size_t report_driver_leaks(const char* driver, const void* code) noexcept;

}  // namespace softndk::ntrt
