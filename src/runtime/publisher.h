#pragma once
#include "base/thread_safety.h"
#include "io/document_server.h"
#include "ntrt/deferred.h"
#include "ntrt/kernel.h"
#include "runtime/runtime.h"
#include "runtime/settings_table.h"
#include "wdk/wdm.h"

namespace softndk::runtime {

/// Answers a document server's readers with this process's document, from the kernel's worker threads: it asks OIDs,
/// which may wait, as a processor thread may not. Stops with the kernel, after the adapters are gone, so that a process
/// that waits for its consumers' closes can still be looked at.
///
///   idle --on_readers()--> describing --answer()--> idle ... --the kernel stops--> closed
class Publisher final : public io::DocumentSource {
 public:
  /// `runtime` is up, and outlives the kernel's stop; `settings` are those it started with, copied.
  Publisher(const Runtime& runtime, const SettingValues& settings, int pid) noexcept;
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  /// Takes the server, whose source this is, and starts it. On an error nothing is published, and that is all.
  expected<void, io::IoError> start(OwnedInterface<io::DocumentServer> server) noexcept;

 private:
  void on_readers() noexcept override SOFTNDK_EXCLUDES(mutex_);
  void on_server_closed() noexcept override { closed_.open(); }
  static void describe(PVOID self) noexcept;
  void stop() noexcept SOFTNDK_EXCLUDES(mutex_);

  struct StopAtLast : ntrt::StopAction {
    Publisher* publisher = nullptr;
  };

  const Runtime& runtime_;
  const SettingValues settings_;
  const int pid_;
  OwnedInterface<io::DocumentServer> server_;
  StopAtLast stop_action_;
  WORK_QUEUE_ITEM work_{};

  Mutex mutex_;
  unsigned describing_ SOFTNDK_GUARDED_BY(mutex_) = 0;  ///< 2: the next begins before the last has returned
  bool stopping_ SOFTNDK_GUARDED_BY(mutex_) = false;
  ntrt::WaitGate described_{"the last document about this process"};
  ntrt::WaitGate closed_{"the end of the status socket"};
};

}  // namespace softndk::runtime
