#pragma once
// The test of connections themselves: how fast they come and go, and what idle ones weigh. The client sets up as many
// as --connections says, --depth at a time, then takes them down, until it has made as many as --iterations says.
#include <atomic>
#include <memory>

#include "tools/common/histogram.h"
#include "tools/ndkperf/connect_slot.h"
#include "tools/ndkperf/perf_message.h"

namespace softndk::tools {

struct ConnectRound {
  std::uint64_t made = 0;
  std::uint32_t held = 1;       ///< at once
  std::uint32_t at_a_time = 1;  ///< on their way
  double setup_s = 0;
  double teardown_s = 0;
  Histogram setup_ns;     ///< of each, from making its queue pair to being connected
  Histogram teardown_ns;  ///< of each, from its disconnect to the close of both objects
  double cpu_s = 0;
  double server_cpu_s = 0;
  std::uint64_t resident_growth_kib = 0;  ///< while the first `held` were there
  std::uint64_t server_resident_growth_kib = 0;
};

/// A number of connections that are set up and taken down together.
class ConnectWave final : public ConnectSlot::Owner {
 public:
  ConnectWave(const ConnectShared& shared, std::uint32_t held);
  ~ConnectWave();

  /// All of them up, or all of them down. The failure is the first slot's that has one.
  Result<void> move(std::uint32_t at_a_time);
  void record(Histogram& into) const;

 private:
  ConnectSlot* finished(ConnectSlot& slot) override;
  void begin(std::uint32_t next, std::uint32_t left);

  const std::uint32_t held_;
  std::unique_ptr<ConnectSlot[]> slots_;
  std::atomic<std::uint32_t> next_{0};
  std::atomic<std::uint32_t> left_{0};
  Event done_;
};

/// The server's part: accepts in the connect event, and lets go when the client has disconnected.
class ConnectAcceptor final : public ConnectSlot::Owner {
 public:
  /// `shared.cq` is woken when what was expected has come, and when the last one has gone.
  ConnectAcceptor(const ConnectShared& shared, Cq& cq) : shared_(shared), cq_(cq) { KeInitializeSpinLock(&lock_); }
  /// Waits until the last one has gone. The listener has been closed, so no more come.
  ~ConnectAcceptor();
  static VOID connect_event(PVOID context, NDK_CONNECTOR* connector);

  std::uint64_t accepted() const { return accepted_.load(); }
  std::uint64_t failed() const { return failed_.load(); }
  bool is_empty();
  void expect(std::uint64_t accepted);

 private:
  ConnectSlot* finished(ConnectSlot& slot) override;

  const ConnectShared shared_;
  Cq& cq_;
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> expected_{UINT64_MAX};
  std::atomic<std::uint64_t> failed_{0};
  KSPIN_LOCK lock_;
  std::uint32_t live_ = 0;  // under lock_
  Event emptied_;
};

}  // namespace softndk::tools
