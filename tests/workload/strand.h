#pragma once
// Code that runs once at a time and is never waited for: whoever kicks it while it runs makes it run once more.
#include <atomic>
#include <memory>

#include "runtime/ndk_consumer.h"
#include "workload/plan.h"

namespace softndk::workload {

class Strand {
 public:
  Strand() { KeInitializeDpc(&dpc_, &Strand::dpc_routine, this); }
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  void set_style(Style style) { style_ = style; }
  /// Style::thread: makes the thread; PASSIVE_LEVEL.
  void start_thread();
  void stop_thread();
  /// Any thread, any IRQL up to DISPATCH_LEVEL.
  void kick_strand();

 protected:
  ~Strand() = default;
  virtual void step() = 0;

 private:
  static VOID dpc_routine(PKDPC, PVOID context, PVOID, PVOID) { static_cast<Strand*>(context)->run(); }
  void run();

  Style style_ = Style::inside;
  std::atomic<std::uint32_t> signals_{0};
  std::atomic<bool> stopping_{false};
  KDPC dpc_;
  stack::Event event_;
  std::unique_ptr<stack::DriverThread> thread_;
};

}  // namespace softndk::workload
